// Backend against backend in one program, every kernel, from the same inputs: the host's kernels in
// blocks of one thread against the same kernels in blocks of the GPU's size, and the host against
// the GPU where the build has that backend and the machine has one.
#include <gtest/gtest.h>

#include <cmath>

#include "parity/cases.h"
#include "support/reference.h"

// This file sees every backend, so neither namespace is inline here.
namespace adjoint::host {
bool parity_has_device();
void parity_set_gpu_blocks(bool keep);
std::vector<parity::Case> parity_cases();
}  // namespace adjoint::host
#if defined(ADJOINT_WITH_CUDA)
namespace adjoint::cuda {
bool parity_has_device();
std::vector<parity::Case> parity_cases();
}  // namespace adjoint::cuda
#endif

namespace adjoint::parity {
namespace {

void expect_same(const std::vector<Result>& got, const std::vector<Result>& want) {
  ASSERT_EQ(got.size(), want.size());
  ASSERT_FALSE(want.empty());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].name, want[i].name);
    EXPECT_LE(relative_error(got[i].values, want[i].values), want[i].tolerance) << want[i].name;
  }
}

class Parity : public testing::TestWithParam<Case> {};

TEST_P(Parity, HostWithBlocksOfTheGpu) {
  const std::vector<Result> want = GetParam().run(GetParam().name);
  host::parity_set_gpu_blocks(true);
  const std::vector<Result> got = GetParam().run(GetParam().name);
  host::parity_set_gpu_blocks(false);
  expect_same(got, want);
}

TEST_P(Parity, Gpu) {
#if defined(ADJOINT_WITH_CUDA)
  if (!cuda::parity_has_device()) GTEST_SKIP() << "needs a GPU, and there is none";
  for (const Case& other : cuda::parity_cases())
    if (other.name == GetParam().name)
      return expect_same(other.run(other.name), GetParam().run(GetParam().name));
  FAIL() << "the cuda backend has no case " << GetParam().name;
#else
  GTEST_SKIP() << "this build has no cuda backend";
#endif
}

std::string test_name(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Kernels, Parity, testing::ValuesIn(host::parity_cases()), test_name);

}  // namespace
}  // namespace adjoint::parity

// What the tests of optimizers share: a slab with gradients to order, and PyTorch's results.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "core/update/parameter_groups.h"
#include "optim/optimizers.h"
#include "support/slab.h"
#include "support/source_folder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Parameters, gradient and totals of one model. Samples are 8, so that dividing by their number is
/// exact.
template <class T>
struct Training {
  static constexpr float kSamples = 8;

  Training(Context& context, const std::vector<T>& parameters)
      : context(context),
        master(context, parameters),
        gradient(context, parameters.size()),
        totals(context, std::vector<float>{4, kSamples, 6}) {}

  ParameterSlab slab() const { return {flat(master), flat(gradient), Tensor()}; }
  Tensor totals_tensor() const { return flat(totals); }

  /// Sets the gradient whose mean is `mean`.
  void set_gradient(std::vector<T> mean) {
    for (T& value : mean) value *= T(kSamples);
    gradient.upload(mean);
  }

  Context& context;
  DeviceVector<T> master, gradient;
  DeviceVector<float> totals;
};

/// The pieces of a slab without groups.
inline std::vector<SlabPiece> whole_slab(const Tensor& master, double weight_decay) {
  return cut_slab("test", {master, Tensor(), Tensor()}, {}, weight_decay, false).pieces;
}

/// The formulas of fixtures.py.
template <class T>
std::vector<T> fixture_start(int count) {
  std::vector<T> values;
  for (int i = 0; i < count; ++i) values.push_back(T((i * 29) % 17 - 8) / 8);
  return values;
}
template <class T>
std::vector<T> fixture_gradient(int count, int step) {
  std::vector<T> values;
  for (int i = 0; i < count; ++i) values.push_back(T((i * 37 + step * 101) % 61 - 30) / 32);
  return values;
}

/// Runs 100 steps of the optimizer that make(context, slab) makes and compares with the lines of
/// that case in fixtures.txt, element by element.
template <class T, class Make>
void expect_fixture(Context& context, const std::string& name, double tolerance, const Make& make) {
  std::ifstream file(source_folder() / "tests/optim/fixtures.txt");
  ASSERT_TRUE(file) << "tests/optim/fixtures.txt is missing";
  constexpr int kCount = 7;
  Training<T> training(context, fixture_start<T>(kCount));
  const auto optimizer = make(context, training.slab());
  int made = 0, compared = 0;
  for (std::string line, word; std::getline(file, line);) {
    std::istringstream words(line);
    int step = 0;
    words >> word >> step;
    if (word != name) continue;
    for (; made < step; ++made) {
      training.set_gradient(fixture_gradient<T>(kCount, made));
      optimizer->step(training.totals_tensor());
    }
    const std::vector<T> values = training.master.download();
    for (int i = 0; i < kCount; ++i) {
      double expected = 0;
      ASSERT_TRUE(words >> expected) << line;
      EXPECT_LE(std::abs(double(values[std::size_t(i)]) - expected),
                tolerance * (std::abs(expected) + 1e-3))
          << name << ", step " << step << ", element " << i;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 4) << "cases of " << name;
}

/// Bytes of device memory behind a tensor.
inline std::vector<std::uint8_t> bytes_of(Context& context, const Tensor& tensor) {
  std::vector<std::uint8_t> bytes(tensor.bytes());
  copy_to_host(context.stream(), bytes.data(), tensor.data(), bytes.size());
  context.stream().synchronize();
  return bytes;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "kernels/swap_slabs.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using SwapSlabsTest = SlabTest;

template <class T>
void expect_swap(Context& context, std::int64_t count) {
  const auto x = draw<T>(count, 1), y = draw<T>(count, 2);
  const DeviceVector<T> a(context, x), b(context, y);
  swap_slabs(context.stream(), flat(a), flat(b));
  EXPECT_TRUE(same_bits(a.download(), y)) << count;
  EXPECT_TRUE(same_bits(b.download(), x)) << count;
}

TEST_F(SwapSlabsTest, ExchangesEveryElement) {
  with_both_blocks([&] {
    for (std::int64_t count : kSlabSizes) {
      expect_swap<float>(context(), count);
      expect_swap<double>(context(), count);
    }
  });
}

TEST_F(SwapSlabsTest, RefusesWhatDoesNotFit) {
  const DeviceVector<float> a(context(), std::vector<float>(8)),
      b(context(), std::vector<float>(7));
  test::expect_error([&] { swap_slabs(context().stream(), flat(a), flat(b)); },
                     {"swap_slabs: b", "float32 [8]", "float32 [7]"});
  const DeviceVector<float16> half(context(), std::vector<float16>(8));
  test::expect_error([&] { swap_slabs(context().stream(), flat(half), flat(half)); },
                     {"expected float32 or float64, got float16"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

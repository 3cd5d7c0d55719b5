// Dropout: the rate, the scale, the same mask for forward and backward, and for every alignment and
// block shape.
#include "kernels/dropout.h"

#include <algorithm>

#include "core/device/philox.h"
#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// Vectors published with Random123 (kat_vectors, philox4x32-10).
TEST(Philox, MatchesPublishedVectors) {
  const auto expect = [](std::uint64_t key, PhiloxWords counter, PhiloxWords want) {
    const PhiloxWords got = philox(key, counter);
    EXPECT_EQ(got.x, want.x);
    EXPECT_EQ(got.y, want.y);
    EXPECT_EQ(got.z, want.z);
    EXPECT_EQ(got.w, want.w);
  };
  expect(0, {0, 0, 0, 0}, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  expect(~std::uint64_t{0}, {~0u, ~0u, ~0u, ~0u},
         {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  expect(0x299f31d0a4093822u, {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u},
         {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

template <class T>
using DropoutTest = KernelTest<T>;
TYPED_TEST_SUITE(DropoutTest, FloatingTypes);

TYPED_TEST(DropoutTest, DrawsTheSameMaskEverywhere) {
  using T = TypeParam;
  const DeviceVector<std::uint64_t> step(this->context, std::vector<std::uint64_t>{41});
  const RandomState random{.seed = 99, .step = step.data()};
  for (std::size_t n : {0, 1, 3, 31, 4099, 9000}) {
    std::vector<double> want;
    for (std::size_t i = 0; i < n; ++i) {
      const PhiloxWords drawn = philox(99, philox_counter(i / 4, 5, 41));
      const std::uint32_t words[] = {drawn.x, drawn.y, drawn.z, drawn.w};
      want.push_back(words[i % 4] >= 0x40000000u ? 1.0 / 0.75 : 0.0);
    }
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(n, " elements"));
      const Shape shape{std::int64_t(n)};
      const std::vector<T> ones = from_double<T>(std::vector<double>(n, 1.0));
      const DeviceVector<T> x(this->context, ones, variant.offset), y(this->context, n);
      const auto run = [&](const DeviceVector<T>& out, GradientMode mode) {
        dropout(this->context.stream(), {out.tensor(shape), mode}, x.tensor(shape), 0.25f, random,
                5);
        return out.download();
      };
      const double allowed = tolerance(kDTypeOf<T>) > 1e-6 ? tolerance(kDTypeOf<T>) : 1e-6;
      ADJOINT_EXPECT_CLOSE(run(y, GradientMode::overwrite), want, allowed);
      y.upload(ones);
      std::vector<double> added = want;
      for (double& value : added) value += 1;
      ADJOINT_EXPECT_CLOSE(run(y, GradientMode::accumulate), added, allowed);
      EXPECT_TRUE(same_bits(run(y, GradientMode::none), y.download()));
      ADJOINT_EXPECT_CLOSE(run(x, GradientMode::overwrite), want, allowed);  // in place
    });
  }
}

TYPED_TEST(DropoutTest, KeepsTheRateAndDrawsAnewEachStep) {
  using T = TypeParam;
  constexpr std::int64_t n = 100000;
  const std::vector<T> ones = from_double<T>(std::vector<double>(n, 1.0));
  const DeviceVector<T> x(this->context, ones), y(this->context, n);
  DeviceVector<std::uint64_t> step(this->context, std::vector<std::uint64_t>{0});
  const RandomState random{.seed = 7, .step = step.data()};
  const auto kept = [&](double p) {
    dropout(this->context.stream(), {y.tensor({n}), GradientMode::overwrite}, x.tensor({n}), p,
            random, 0);
    std::vector<bool> mask;
    for (double value : to_double(y.download())) mask.push_back(value != 0);
    return mask;
  };
  const auto first = kept(0.1f);
  const double rate = double(std::count(first.begin(), first.end(), true)) / double(n);
  EXPECT_LE(std::abs(rate - 0.9), 5 * std::sqrt(0.09 / double(n)));
  step.upload({1});
  EXPECT_NE(first, kept(0.1f));
  EXPECT_EQ(kept(0.0f), std::vector<bool>(n, true));
  EXPECT_EQ(kept(1.0f), std::vector<bool>(n, false));
}

TYPED_TEST(DropoutTest, ScalesByTheProbabilityAsWritten) {
  using T = TypeParam;
  const DeviceVector<std::uint64_t> step(this->context, std::vector<std::uint64_t>{3});
  const RandomState random{.seed = 5, .step = step.data()};
  // Exact in every type; the difference of 1 and 0.999 in float32 makes 1000.013 of the first.
  const std::vector<std::pair<double, double>> scales = {{0.999, 1000}, {0.9375, 16}, {0.9, 10}};
  for_each_variant([&, scales = scales](const Variant& variant) {
    constexpr std::int64_t n = 20000;
    const DeviceVector<T> x(this->context, from_double<T>(std::vector<double>(n, 1.0)),
                            variant.offset);
    const DeviceVector<T> y(this->context, n);
    for (const auto& [p, scale] : scales) {
      dropout(this->context.stream(), {y.tensor({n}), GradientMode::overwrite}, x.tensor({n}), p,
              random, 0);
      const std::vector<double> out = to_double(y.download());
      const double largest = *std::max_element(out.begin(), out.end());
      EXPECT_LE(std::abs(largest - scale), kDTypeOf<T> == DType::float64 ? 1e-9 : 0.0) << p;
    }
  });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

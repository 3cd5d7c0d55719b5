// Batches gathered from bytes and floats, around the end of the epoch, by a position on the device.
#include "kernels/gather.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using GatherTest = KernelTest<T>;
TYPED_TEST_SUITE(GatherTest, FloatingTypes);

template <class In, class Out>
void expect_gather(Context& context, std::int64_t channels, std::int64_t width) {
  constexpr std::int64_t kSamples = 11, kBatch = 5;
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(channels, " channels of ", width));
    const std::int64_t columns = channels * width;
    std::vector<In> rows;
    for (std::int64_t i = 0; i < kSamples * columns; ++i)
      rows.push_back(In((i * 37 + i / 7) % 256));
    std::vector<std::int32_t> labels, indices = {10, 3, 0, 7, 1, 9, 2};
    for (int i = 0; i < kSamples; ++i) labels.push_back(100 + i);
    std::vector<float> scale, shift;
    for (int c = 0; c < channels; ++c) {
      scale.push_back(1.0f / float(255 + c));
      shift.push_back(-0.5f * float(c));
    }
    const DeviceVector<In> data(context, rows, variant.offset);
    const DeviceVector<Out> batch(context, std::size_t(kBatch * columns), variant.offset);
    const DeviceVector<std::int32_t> out_labels(context, kBatch), in_labels(context, labels),
        order(context, indices);
    const DeviceVector<float> scales(context, scale), shifts(context, shift);
    const std::uint64_t position = 7 * 3 + 4;  // in the fourth epoch, three before its end
    const DeviceVector<std::uint64_t> counter(context, std::vector<std::uint64_t>{position});
    gather(context.stream(), {.batch = batch.tensor({kBatch, channels, width}),
                              .batch_labels = out_labels.tensor({kBatch}),
                              .rows = data.tensor({kSamples, columns}),
                              .labels = in_labels.tensor({kSamples}),
                              .indices = order.tensor({7}),
                              .position = counter.data(),
                              .scale = scales.tensor({channels}),
                              .shift = shifts.tensor({channels})});
    std::vector<double> want;
    std::vector<std::int32_t> want_labels;
    for (std::uint64_t b = 0; b < kBatch; ++b) {
      const std::int64_t sample = indices[(position + b) % 7];
      want_labels.push_back(labels[std::size_t(sample)]);
      for (std::int64_t i = 0; i < columns; ++i)
        want.push_back(double(rows[std::size_t(sample * columns + i)]) *
                           scale[std::size_t(i / width)] +
                       shift[std::size_t(i / width)]);
    }
    const double allowed = tolerance(kDTypeOf<Out>);
    ADJOINT_EXPECT_CLOSE(batch.download(), want, allowed < 1e-6 ? 1e-6 : allowed);
    EXPECT_EQ(out_labels.download(), want_labels);
  });
}

TYPED_TEST(GatherTest, MatchesReference) {
  expect_gather<std::uint8_t, TypeParam>(this->context, 1, 784);
  expect_gather<std::uint8_t, TypeParam>(this->context, 3, 25);
  expect_gather<float, TypeParam>(this->context, 2, 32);
  expect_gather<float, TypeParam>(this->context, 1, 1);
  // A scale for each column, short rows and rows longer than a block, and short channels.
  expect_gather<float, TypeParam>(this->context, 13, 1);
  expect_gather<std::uint8_t, TypeParam>(this->context, 64, 1);
  expect_gather<float, TypeParam>(this->context, 2048, 1);
  expect_gather<float, TypeParam>(this->context, 33, 2);
  expect_gather<std::uint8_t, TypeParam>(this->context, 5, 8);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

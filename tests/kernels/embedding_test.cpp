// Rows by index, and the table's gradient where indices repeat, are out of range or are padding.
#include "kernels/embedding.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using EmbeddingTest = KernelTest<T>;
TYPED_TEST_SUITE(EmbeddingTest, FloatingTypes);

template <class T>
void expect_embedding(Context& context, std::int64_t positions, std::int64_t vocabulary,
                      std::int64_t width) {
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(positions, " positions, ", vocabulary, " x ", width));
    Stream& stream = context.stream();
    const std::int64_t padding = 2;
    std::vector<std::int32_t> indices;
    for (std::int64_t p = 0; p < positions; ++p)
      indices.push_back(std::int32_t(p % 3 == 0 ? 1 : (p * p + p / 5) % vocabulary));
    const auto n = std::size_t(positions * width), m = std::size_t(vocabulary * width);
    const auto table_values = random_values<T>(m, 1), dy_values = random_values<T>(n, 2);
    const std::vector<double> table_reference = to_double(table_values),
                              dy_reference = to_double(dy_values);
    std::vector<double> y(n), grad(m);
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t j = 0; j < width; ++j) {
        const std::int32_t v = indices[std::size_t(p)];
        y[std::size_t(p * width + j)] = table_reference[std::size_t(v * width + j)];
        if (v != padding)
          grad[std::size_t(v * width + j)] += dy_reference[std::size_t(p * width + j)];
      }
    const DeviceVector<std::int32_t> index(context, indices);
    const DeviceVector<std::int32_t> status(context, std::vector<std::int32_t>{0, 0});
    const DeviceVector<std::int32_t> scratch(context, std::size_t(2 * vocabulary));
    const DeviceVector<T> table(context, table_values, variant.offset);
    const DeviceVector<T> out(context, n, variant.offset);
    const DeviceVector<T> dy(context, dy_values, variant.offset);
    const DeviceVector<T> table_grad(context, m, variant.offset);
    const double allowed = tolerance(kDTypeOf<T>);
    embedding_forward(stream, out.tensor({positions, width}), index.tensor({positions}),
                      table.tensor({vocabulary, width}), status.tensor({2}));
    ADJOINT_EXPECT_CLOSE(out.download(), y, 0.0);
    const auto backward = [&](GradientMode mode) {
      embedding_backward(stream, {table_grad.tensor({vocabulary, width}), mode},
                         index.tensor({positions}), dy.tensor({positions, width}), padding,
                         scratch.tensor({2, vocabulary}));
      return table_grad.download();
    };
    const auto run = [&] { return backward(GradientMode::overwrite); };
    ADJOINT_EXPECT_CLOSE(run(), grad, allowed);
    EXPECT_TRUE(same_bits(with_workers(1, run), with_workers(2, run)));
    for (double& value : grad) value *= 2;
    ADJOINT_EXPECT_CLOSE(backward(GradientMode::accumulate), grad, 2 * allowed);
    EXPECT_TRUE(same_bits(backward(GradientMode::none), table_grad.download()));
  });
}

TYPED_TEST(EmbeddingTest, MatchesReference) {
  expect_embedding<TypeParam>(this->context, 0, 5, 8);
  expect_embedding<TypeParam>(this->context, 1, 5, 1);
  expect_embedding<TypeParam>(this->context, 37, 5, 7);
  expect_embedding<TypeParam>(this->context, 300, 40, 64);
  expect_embedding<TypeParam>(this->context, 30, 11, 1100);
}

TYPED_TEST(EmbeddingTest, NotesTheFirstIndexOutOfRange) {
  using T = TypeParam;
  for_each_variant([&](const Variant&) {
    const DeviceVector<std::int32_t> index(this->context,
                                           std::vector<std::int32_t>{0, 2, -7, 3, 1});
    const DeviceVector<std::int32_t> status(this->context, std::vector<std::int32_t>{0, 0});
    const DeviceVector<std::int32_t> scratch(this->context, 6);
    const DeviceVector<T> table(this->context, from_double<T>({1, 2, 3, 4, 5, 6}));
    const DeviceVector<T> y(this->context, 10);
    const DeviceVector<T> dy(this->context, from_double<T>(std::vector<double>(10, 1.0)));
    const DeviceVector<T> grad(this->context, 6);
    embedding_forward(this->context.stream(), y.tensor({5, 2}), index.tensor({5}),
                      table.tensor({3, 2}), status.tensor({2}));
    EXPECT_EQ(to_double(y.download()), (std::vector<double>{1, 2, 5, 6, 0, 0, 0, 0, 3, 4}));
    const BadIndex bad = embedding_bad_index(status.download().data());
    EXPECT_EQ(bad.position, 2);
    EXPECT_EQ(bad.index, -7);
    embedding_backward(this->context.stream(), {grad.tensor({3, 2}), GradientMode::overwrite},
                       index.tensor({5}), dy.tensor({5, 2}), -1, scratch.tensor({2, 3}));
    EXPECT_EQ(to_double(grad.download()), (std::vector<double>{1, 1, 1, 1, 1, 1}));
  });
  const std::int32_t none[2] = {0, 0};
  EXPECT_EQ(embedding_bad_index(none).position, -1);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

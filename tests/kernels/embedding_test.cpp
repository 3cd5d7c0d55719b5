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
    const TensorType scratch_type = embedding_scratch(positions, vocabulary, width, kDTypeOf<T>);
    const DeviceVector<std::int32_t> scratch(context, std::size_t(scratch_type.shape.count()));
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
                         scratch.tensor(scratch_type.shape));
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

// Indices that occur so often that several blocks share them, one that all positions have, and so
// many rows that the sort takes more than one pass, tiles and a last tile that is not full. In the
// last case no position has index 0, beside some that have no gradient.
TYPED_TEST(EmbeddingTest, SumsFrequentIndicesInAFixedOrder) {
  using T = TypeParam;
  Context& context = this->context;
  struct Case {
    std::int64_t positions, vocabulary, width;
    int frequent;    // every how many positions have index 3
    int lowest = 0;  // index that occurs
  };
  for (const Case& c : {Case{33, 4, 8, 1}, Case{1000, 7, 5, 1}, Case{2500, 66'000, 8, 2},
                        Case{5000, 300, 3, 3}, Case{64, 300, 16, 2}, Case{5000, 9, 4, 3, 1}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(c.positions, " positions, ", c.vocabulary, " x ", c.width));
      if (c.vocabulary > 1000 && variant.offset > 0) return;  // which takes its time
      const auto n = std::size_t(c.positions * c.width), m = std::size_t(c.vocabulary * c.width);
      std::vector<std::int32_t> indices;
      for (std::int64_t p = 0; p < c.positions; ++p)
        indices.push_back(p % c.frequent == 0 ? 3
                          : p % 97 == 1
                              ? std::int32_t(p % 2 == 0 ? -1 : c.vocabulary)
                              : std::int32_t(c.lowest + p * 7919 % (c.vocabulary - c.lowest)));
      const auto dy_values = random_values<T>(n, 2);
      const std::vector<double> dy_reference = to_double(dy_values);
      std::vector<double> grad(m);
      for (std::int64_t p = 0; p < c.positions; ++p) {
        const std::int64_t v = indices[std::size_t(p)];
        for (std::int64_t j = 0; j < c.width && v >= 0 && v < c.vocabulary; ++j)
          grad[std::size_t(v * c.width + j)] += dy_reference[std::size_t(p * c.width + j)];
      }
      const DeviceVector<std::int32_t> index(context, indices);
      const TensorType type = embedding_scratch(c.positions, c.vocabulary, c.width, kDTypeOf<T>);
      const DeviceVector<std::int32_t> scratch(context, std::size_t(type.shape.count()));
      const DeviceVector<T> dy(context, dy_values, variant.offset);
      const DeviceVector<T> table_grad(context, m, variant.offset);
      const auto run = [&] {
        embedding_backward(context.stream(),
                           {table_grad.tensor({c.vocabulary, c.width}), GradientMode::overwrite},
                           index.tensor({c.positions}), dy.tensor({c.positions, c.width}), -1,
                           scratch.tensor(type.shape));
        return table_grad.download();
      };
      const std::vector<T> got = run();
      ADJOINT_EXPECT_CLOSE(got, grad, 2 * tolerance(kDTypeOf<T>));
      EXPECT_TRUE(same_bits(with_workers(1, run), with_workers(2, run)));
      GpuBlocks other(!variant.gpu_blocks);
      EXPECT_TRUE(same_bits(got, run())) << "depends on the block";
    });
}

// Memory for the largest batch serves every smaller one.
TEST(EmbeddingScratchTest, GrowsWithPositions) {
  std::int64_t before = 0;
  for (std::int64_t positions = 0; positions < 20'000; ++positions) {
    const std::int64_t count = embedding_scratch(positions, 5, 3, DType::float32).shape.count();
    ASSERT_GE(count, before) << positions;
    before = count;
  }
  EXPECT_LE(embedding_scratch(20'000, 5, 3, DType::float32).shape.count(),
            embedding_scratch(1'000'000, 5, 3, DType::float32).shape.count());
}

TYPED_TEST(EmbeddingTest, NotesTheFirstIndexOutOfRange) {
  using T = TypeParam;
  for_each_variant([&](const Variant&) {
    const DeviceVector<std::int32_t> index(this->context,
                                           std::vector<std::int32_t>{0, 2, -7, 3, 1});
    const DeviceVector<std::int32_t> status(this->context, std::vector<std::int32_t>{0, 0});
    const TensorType scratch_type = embedding_scratch(5, 3, 2, kDTypeOf<T>);
    const DeviceVector<std::int32_t> scratch(this->context,
                                             std::size_t(scratch_type.shape.count()));
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
                       index.tensor({5}), dy.tensor({5, 2}), -1,
                       scratch.tensor(scratch_type.shape));
    EXPECT_EQ(to_double(grad.download()), (std::vector<double>{1, 1, 1, 1, 1, 1}));
  });
  const std::int32_t none[2] = {0, 0};
  EXPECT_EQ(embedding_bad_index(none).position, -1);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

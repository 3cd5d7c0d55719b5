// The door for matrix products: every engine against a naive float64 product, over types,
// transposes, epilogues, odd sizes, strides and batches; agreement between engines.
#include "kernels/engines/matmul_testing.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Size {
  std::int64_t rows, columns, inner;
};
const std::vector<Size> kSmallSizes{{0, 7, 5},   {7, 0, 5},    {7, 5, 0},    {1, 1, 1},
                                    {1, 300, 7}, {7, 10, 128}, {10, 129, 7}, {65, 66, 33}};
const std::vector<Size> kLargeSizes{
    {128, 10, 127}, {127, 128, 129}, {300, 300, 10}, {1, 1100, 129}, {129, 1100, 30}};

TEST_F(MatmulCases, EveryTypeAndTransposeAgreesWithFloat64) {
  const std::pair<DType, DType> types[]{
      {DType::float32, DType::float32},   {DType::float64, DType::float64},
      {DType::bfloat16, DType::bfloat16}, {DType::bfloat16, DType::float32},
      {DType::float16, DType::float16},   {DType::float16, DType::float32}};
  for (const std::string& engine : matmul_engines(context()).names())
    for (const auto& [type, result] : types)
      for (const Size& size : kSmallSizes)
        for (int flags = 0; flags < 4; ++flags)
          check({.engine = engine,
                 .type = type,
                 .result = result,
                 .rows = size.rows,
                 .columns = size.columns,
                 .inner = size.inner,
                 .transpose_a = (flags & 1) != 0,
                 .transpose_b = (flags & 2) != 0});
}

TEST_F(MatmulCases, EveryEpilogueAgreesWithFloat64) {
  for (const std::string& engine : matmul_engines(context()).names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16, DType::float16})
      for (int epilogue = 0; epilogue <= int(Epilogue::reduce_a); ++epilogue)
        for (const Size& size : kSmallSizes)
          for (bool extras : {false, true})
            check({.engine = engine,
                   .type = type,
                   .result = type,
                   .rows = size.rows,
                   .columns = size.columns,
                   .inner = size.inner,
                   .transpose_a = epilogue == int(Epilogue::reduce_a) && extras,
                   .transpose_b = extras,
                   .epilogue = Epilogue(epilogue),
                   .saves = extras,
                   .bias_gradient = extras});
}

TEST_F(MatmulCases, LargerSizesCrossTiles) {
  for (const std::string& engine : matmul_engines(context()).names())
    for (DType type : {DType::float32, DType::bfloat16})
      for (const Size& size : kLargeSizes)
        for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::relu_backward,
                                  Epilogue::gelu_backward, Epilogue::reduce_a})
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = size.rows,
                 .columns = size.columns,
                 .inner = size.inner,
                 .transpose_a = epilogue == Epilogue::reduce_a,
                 .transpose_b = epilogue == Epilogue::bias_relu,
                 .epilogue = epilogue});
}

TEST_F(MatmulCases, LongInnerDimensionOf16BitTypesIsSummedInFloat32) {
  for (const std::string& engine : matmul_engines(context()).names())
    check({.engine = engine,
           .type = DType::bfloat16,
           .result = DType::float32,
           .rows = 5,
           .columns = 9,
           .inner = 2500,
           .beta = 0.5f});
}

TEST_F(MatmulCases, AccumulatesAndScales) {
  for (const std::string& engine : matmul_engines(context()).names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16})
      for (Epilogue epilogue :
           {Epilogue::none, Epilogue::bias_gelu, Epilogue::relu_backward, Epilogue::reduce_a})
        for (std::int64_t inner : {0, 20})
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = 33,
                 .columns = 70,
                 .inner = inner,
                 .transpose_a = true,
                 .epilogue = epilogue,
                 .accumulate = true,
                 .alpha = 0.75f,
                 .beta = -1.5f});
}

TEST_F(MatmulCases, GradientsOf16BitTypesAccumulateInFloat32) {
  for (const std::string& engine : matmul_engines(context()).names())
    check({.engine = engine,
           .type = DType::bfloat16,
           .result = DType::float32,
           .rows = 33,
           .columns = 70,
           .inner = 20,
           .transpose_a = true,
           .epilogue = Epilogue::reduce_a,
           .accumulate = true,
           .beta = 1});
}

TEST_F(MatmulCases, StridesBatchesAndUnalignedAddresses) {
  for (const std::string& engine : matmul_engines(context()).names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16})
      for (const Layout& layout :
           {Layout{0, 3, 1}, Layout{0, 8, 0}, Layout{3, 0, 0}, Layout{3, 5, 1}})
        for (int flags = 0; flags < 4; ++flags)
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = 20,
                 .columns = 66,
                 .inner = 17,
                 .transpose_a = (flags & 1) != 0,
                 .transpose_b = (flags & 2) != 0,
                 .beta = 0.5f,
                 .layout = layout});
}

TEST_F(MatmulCases, StridedResultsTakeEpilogues) {
  for (const std::string& engine : matmul_engines(context()).names())
    for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::gelu_backward, Epilogue::reduce_a})
      check({.engine = engine,
             .rows = 20,
             .columns = 66,
             .inner = 17,
             .epilogue = epilogue,
             .layout = {0, 3, 1}});
}

TEST_F(MatmulCases, EnginesAgreeOnWhatIsSaved) {
  for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::bias_gelu}) {
    const Case t{.rows = 40, .columns = 130, .inner = 16, .epilogue = epilogue};
    Operands o = operands(t);
    std::vector<Matrix> saved;
    for (const std::string& engine : matmul_engines(context()).names()) {
      matmul_engines(context()).force_engine(engine);
      matmul(context(), o.product);
      fetch(o.saved);
      Matrix copy;
      copy.bytes = o.saved.bytes;
      copy.row_stride = o.saved.row_stride;
      saved.push_back(std::move(copy));
    }
    for (const Matrix& other : saved)
      for (std::int64_t i = 0; i < t.rows; ++i)
        for (std::int64_t j = 0; j < t.columns; ++j)
          if (epilogue == Epilogue::bias_relu) {
            ASSERT_EQ(bit(saved[0], i, j), bit(other, i, j)) << i << ", " << j;
          } else {
            ASSERT_NEAR(saved[0].at(0, i, j), other.at(0, i, j), 1e-5) << i << ", " << j;
          }
  }
}

TEST_F(MatmulCases, NaNPassesThroughReLU) {
  for (const std::string& engine : matmul_engines(context()).names()) {
    matmul_engines(context()).force_engine(engine);
    const Case t{.rows = 3, .columns = 9, .inner = 4, .epilogue = Epilogue::bias_relu};
    Operands o = operands(t);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    copy_to_device(context().stream(), o.bias.buffer.data(), &nan, sizeof nan);
    matmul(context(), o.product);
    fetch(o.c);
    fetch(o.saved);
    EXPECT_TRUE(std::isnan(o.c.at(0, 2, 0)));
    EXPECT_TRUE(bit(o.saved, 2, 0));
    EXPECT_FALSE(std::isnan(o.c.at(0, 2, 1)));
  }
}
}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The door for matrix products: choices of engines, captured products, misuse.
#include "kernels/engines/matmul_testing.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

TEST_F(MatmulCases, ChoicesAreStoredAndReplayed) {
  const Case t{.rows = 256, .columns = 320, .inner = 40};
  Operands o = operands(t);
  matmul_engines(context()).set_tuning(true);
  prepare_matmul(context(), o.product);
  const std::vector<EngineChoice> made = matmul_engines(context()).choices();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].problem, "float32 256x320x40 nn");
  EXPECT_GT(made[0].milliseconds, 0);

  EngineChoice other{
      .problem = made[0].problem, .engine = "tile", .detail = "64x64x16", .milliseconds = 3};
  Context second;
  matmul_engines(second).restore({other});
  prepare_matmul(second, o.product);
  ASSERT_EQ(matmul_engines(second).choices().size(), 1u);
  EXPECT_EQ(matmul_engines(second).choices()[0].engine, "tile");
  EXPECT_EQ(matmul_engines(second).choices()[0].milliseconds, 3);

  const std::string preferred = matmul_engines(context()).names()[0];
  for (const auto& [engine, detail] :
       {std::pair{"nonesuch", "x"}, {"tile", "7x7"}, {preferred.c_str(), "nonsense"}}) {
    Context third;
    matmul_engines(third).restore({{made[0].problem, engine, detail, 0}});
    expect_error([&] { prepare_matmul(third, o.product); }, {engine});
  }
}

TEST_F(MatmulCases, UntunedChoicesAreTheSameEveryTime) {
  const Case t{.rows = 100, .columns = 30, .inner = 20};
  Operands o = operands(t);
  std::vector<EngineChoice> first, second;
  for (auto* choices : {&first, &second}) {
    Context context;
    prepare_matmul(context, o.product);
    *choices = matmul_engines(context).choices();
  }
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].engine, matmul_engines(context()).names()[0]);
  EXPECT_EQ(first[0].detail, second[0].detail);
}

TEST_F(MatmulCases, CapturedProductsReplay) {
  for (const std::string& engine : matmul_engines(context()).names()) {
    matmul_engines(context()).force_engine(engine);
    const Case t{.rows = 33,
                 .columns = 20,
                 .inner = 10,
                 .epilogue = Epilogue::relu_backward,
                 .accumulate = true,
                 .beta = 1};
    Operands o = operands(t);
    const std::vector<std::uint8_t> c = o.c.bytes, gradient = o.gradient.bytes;
    std::vector<std::uint8_t> plain;
    for (bool captured : {false, true}) {
      copy_to_device(context().stream(), o.c.buffer.data(), c.data(), c.size());
      copy_to_device(context().stream(), o.gradient.buffer.data(), gradient.data(),
                     gradient.size());
      if (captured) {
        const std::uint64_t before = device_counters().launches;
        context().stream().begin_capture();
        matmul(context(), o.product);
        const CapturedWork work = context().stream().end_capture();
        EXPECT_EQ(device_counters().launches, before) << "work counts at each replay";
        EXPECT_FALSE(work.operations().empty());
        for (int i = 0; i < 3; ++i) work.replay(context().stream());
      } else {
        for (int i = 0; i < 3; ++i) matmul(context(), o.product);
      }
      fetch(o.c);
      fetch(o.gradient);
      if (!captured) plain = o.c.bytes;
    }
    EXPECT_EQ(plain, o.c.bytes);
  }
}

TEST_F(MatmulCases, AnUnpreparedProductCannotBeCaptured) {
  const Case t{.rows = 33, .columns = 20, .inner = 10};
  Operands o = operands(t);
  context().stream().begin_capture();
  expect_error([&] { matmul(context(), o.product); }, {"prepare_matmul", "float32 33x20x10"});
  (void)context().stream().end_capture();
}

TEST_F(MatmulCases, MisuseIsNamed) {
  const Case t{.rows = 6, .columns = 5, .inner = 4};
  const Operands o = operands(t);
  const auto refuses = [&](auto&& change, std::initializer_list<std::string> words) {
    Matmul product = o.product;
    change(product);
    expect_error([&] { matmul(context(), product); }, words);
    expect_error([&] { prepare_matmul(context(), product); }, words);
  };
  const Matrix doubles = matrix(DType::float64, 4, 5, 1), bias = vector(DType::float32, 5, 1);
  const Matrix integers = matrix(DType::uint8, 6, 4, 1), long_bias = vector(DType::float32, 6, 1);
  const std::int64_t column_major[]{1, 6}, overlapping[]{2, 1};
  refuses([](Matmul& m) { m.a = {}; }, {"matrix a is not defined"});
  refuses([](Matmul& m) { m.transpose_a = true; }, {"[6, 4] transposed", "[4, 5]", "[6, 5]"});
  refuses([&](Matmul& m) { m.b = doubles.tensor; },
          {"one type", "float32 [6, 4]", "float64 [4, 5]"});
  refuses(
      [&](Matmul& m) {
        m.c = Tensor(m.c.data(), DType::bfloat16, {6, 5});
      },
      {"expected c of type float32"});
  refuses([&](Matmul& m) { m.a = integers.tensor; }, {"floating", "uint8"});
  refuses(
      [&](Matmul& m) {
        m.a = Tensor(m.a.data(), DType::float32, {6, 4}, column_major);
      },
      {"last axis of a", "6"});
  refuses(
      [&](Matmul& m) {
        m.a = Tensor(m.a.data(), DType::float32, {6, 4}, overlapping);
      },
      {"overlap", "2"});
  refuses([&](Matmul& m) { m.a = Tensor(m.a.data(), DType::float32, {24}); }, {"[24]"});
  refuses([&](Matmul& m) { m.a = Tensor(m.a.data(), DType::float32, {1, 6, 4}); }, {"same batch"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::bias; }, {"bias", "needs a bias"});
  refuses([&](Matmul& m) { m.bias = bias.tensor; }, {"none", "no use for a bias"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::bias, m.bias = long_bias.tensor; },
          {"float32 [5]", "float32 [6]"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::relu_backward; }, {"relu_backward", "saved"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::gelu_backward, m.saved = m.c; },
          {"float32 [6, 8]", "float32 [6, 5]"});
  refuses([&](Matmul& m) { m.bias_gradient = bias.tensor; }, {"no use for a bias gradient"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::reduce_a, m.bias_gradient = bias.tensor; },
          {"float32 [6]", "float32 [5]"});
  expect_error([&] { matmul_engines(context()).force_engine("mkl"); }, {"mkl", "tile"});
  expect_error([] { matmul_saved_type(Epilogue::bias, 1, 1, DType::float32); },
               {"bias saves nothing"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// What only the host can show of matrix products: the number of workers does not change a bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/device/host/workers.h"
#include "kernels/engines/matmul.h"
#include "kernels/engines/matmul_testing.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Results {
  std::vector<float> c, gradient;
};

Results run(const std::string& engine, int worker_count, Epilogue epilogue, std::int64_t rows,
            std::int64_t columns, std::int64_t inner) {
  set_workers(worker_count);
  Context context;
  matmul_engines(context).force_engine(engine);
  const auto values = [](std::int64_t count, unsigned seed) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i) {
      seed = seed * 1664525u + 1013904223u;
      values.push_back(float(seed >> 8) / float(1 << 23) - 1.0f);
    }
    return values;
  };
  const bool reduces = epilogue == Epilogue::reduce_a;
  DeviceVector<float> a(context, values(rows * inner, 1)), b(context, values(inner * columns, 2));
  DeviceVector<float> c(context, std::size_t(rows * columns)),
      gradient(context, std::size_t(reduces ? rows : columns));
  Matmul product{.a = a.tensor(reduces ? Shape{inner, rows} : Shape{rows, inner}),
                 .b = b.tensor({inner, columns}),
                 .c = c.tensor({rows, columns}),
                 .transpose_a = reduces,
                 .epilogue = epilogue};
  const TensorType saved_type =
      matmul_saved_type(Epilogue::relu_backward, rows, columns, DType::float32);
  DeviceVector<std::uint8_t> saved(context, std::vector<std::uint8_t>(saved_type.bytes(), 0x5a));
  if (epilogue == Epilogue::relu_backward) product.saved = saved.tensor(saved_type.shape);
  product.bias_gradient = gradient.tensor({reduces ? rows : columns});
  matmul(context, product);
  return {c.download(), gradient.download()};
}

TEST(HostMatmulTest, WorkersDoNotChangeBits) {
  const int before = workers();
  Context context;
  std::vector<std::string> engines = matmul_engines(context).names();
  engines.pop_back();  // our tiles are kernels like others
  engines.push_back("");
  for (const std::string& engine : engines)
    for (Epilogue epilogue : {Epilogue::relu_backward, Epilogue::reduce_a})
      for (const auto& [rows, columns, inner] : {std::array{128, 512, 784},
                                                 {512, 300, 128},
                                                 {10, 1100, 300},
                                                 {300, 10, 77},
                                                 {513, 129, 65}}) {
        const Results one = run(engine, 1, epilogue, rows, columns, inner);
        for (int count : {2, 3}) {
          const Results more = run(engine, count, epilogue, rows, columns, inner);
          EXPECT_EQ(one.c, more.c) << engine << " " << rows << "x" << columns << "x" << inner
                                   << " with " << count << " workers";
          EXPECT_EQ(one.gradient, more.gradient);
        }
      }
  set_workers(before);
}

/// bfloat16 products whose choice is restored, so that a way not chosen on this processor is met.
class Bfloat16Test : public MatmulCases {
 protected:
  void SetUp() override {
    MatmulCases::SetUp();
    const std::vector<std::string> names = matmul_engines(context()).names();
    if (std::ranges::find(names, "onednn") == names.end()) GTEST_SKIP() << "built without oneDNN";
    if (!can()) GTEST_SKIP() << "this processor multiplies no bfloat16";
  }

  static EngineChoice as_bfloat16(const std::string& problem) {
    return {.problem = problem, .engine = "onednn", .detail = "tiles 16x64 bfloat16"};
  }

 private:
  bool can() {
    const Operands o = operands({.type = DType::bfloat16, .rows = 9, .columns = 9, .inner = 9});
    Context other;
    matmul_engines(other).restore({as_bfloat16("bfloat16 9x9x9 nn")});
    try {
      prepare_matmul(other, o.product);
    } catch (const Error&) {
      return false;
    }
    return true;
  }
};

TEST_F(Bfloat16Test, OperandsAsTheyAreAgreeWithFloat64) {
  for (DType result : {DType::bfloat16, DType::float32})
    for (int flags = 0; flags < 4; ++flags)
      for (const auto& [alpha, beta] : {std::pair{1.0f, 0.0f}, {1, 1}, {0.75f, -1.5f}, {0, 2}}) {
        const Case t{.type = DType::bfloat16,
                     .result = result,
                     .rows = 33,
                     .columns = 130,
                     .inner = 77,
                     .transpose_a = (flags & 1) != 0,
                     .transpose_b = (flags & 2) != 0,
                     .alpha = alpha,
                     .beta = beta,
                     .layout = {.padding = 3}};
        context_ = std::make_unique<Context>();
        prepare_matmul(context(), operands(t).product);
        const EngineChoice untuned = matmul_engines(context()).choices().front();
        context_ = std::make_unique<Context>();
        matmul_engines(context()).restore({as_bfloat16(untuned.problem)});
        check(t);
        EXPECT_EQ(matmul_engines(context()).choices().front().detail, "tiles 16x64 bfloat16");
      }
}

TEST_F(Bfloat16Test, WorkersDoNotChangeBits) {
  const int before = workers();
  const Case t{.type = DType::bfloat16,
               .result = DType::bfloat16,
               .rows = 100,
               .columns = 200,
               .inner = 300,
               .epilogue = Epilogue::relu_backward};
  Operands o = operands(t);
  matmul_engines(context()).restore(
      {as_bfloat16("bfloat16 100x200x300 nn relu_backward bias_gradient")});
  std::vector<std::uint8_t> one;
  for (int count : {1, 2, 3}) {
    set_workers(count);
    matmul(context(), o.product);
    fetch(o.c);
    if (count == 1) one = o.c.bytes;
    EXPECT_EQ(o.c.bytes, one) << "with " << count << " workers";
  }
  EXPECT_EQ(matmul_engines(context()).choices().front().engine, "onednn");
  set_workers(before);
}

/// Large products are oneDNN's where a build has it, small ones OpenBLAS's (README.md).
TEST_F(MatmulCases, ShapesDecideBetweenLibraries) {
  const std::vector<std::string> names = matmul_engines(context()).names();
  if (std::ranges::find(names, "onednn") == names.end()) GTEST_SKIP() << "built without oneDNN";
  const auto chosen = [&](const Case& t) {
    prepare_matmul(context(), operands(t).product);
    return matmul_engines(context()).choices().back().engine;
  };
  EXPECT_EQ(chosen({.rows = 128, .columns = 512, .inner = 512}), "onednn");
  EXPECT_EQ(chosen({.rows = 512, .columns = 784, .inner = 128, .transpose_a = true}), "onednn");
  EXPECT_EQ(chosen({.rows = 128, .columns = 10, .inner = 512, .transpose_b = true}), "openblas");
  EXPECT_EQ(chosen({.rows = 32, .columns = 32, .inner = 4096, .transpose_b = true}), "openblas");
  EXPECT_EQ(chosen({.type = DType::float64,
                    .result = DType::float64,
                    .rows = 128,
                    .columns = 512,
                    .inner = 512}),
            "openblas");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

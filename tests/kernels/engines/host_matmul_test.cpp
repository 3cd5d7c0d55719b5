// What only the host can show of matrix products: the number of workers does not change a bit.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "core/device/host/workers.h"
#include "kernels/engines/matmul.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Results {
  std::vector<float> c, gradient;
};

Results run(int worker_count, Epilogue epilogue, std::int64_t rows, std::int64_t columns,
            std::int64_t inner) {
  set_workers(worker_count);
  Context context;
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
  for (Epilogue epilogue : {Epilogue::relu_backward, Epilogue::reduce_a})
    for (const auto& [rows, columns, inner] : {std::array{128, 512, 784},
                                               {512, 300, 128},
                                               {10, 1100, 300},
                                               {300, 10, 77},
                                               {513, 129, 65}}) {
      const Results one = run(1, epilogue, rows, columns, inner);
      for (int count : {2, 3}) {
        const Results more = run(count, epilogue, rows, columns, inner);
        EXPECT_EQ(one.c, more.c) << rows << "x" << columns << "x" << inner << " with " << count
                                 << " workers";
        EXPECT_EQ(one.gradient, more.gradient);
      }
    }
  set_workers(before);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Times the products of one training step of a 784-512-512-10 perceptron through the door for
// matrix products, with the epilogues a step uses: median and interquartile range in microseconds.
// Its counterpart in PyTorch is tools/compare/matmul.py, which prints lines of the same form.
//
//   matmul_bench [ENGINE]     ENGINE as in MatmulEngines::names(); default: the untuned choice
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "kernels/engines/matmul.h"

namespace {

using namespace adjoint;

constexpr int kRuns = 400;

struct Product {
  const char* name;
  std::int64_t rows, columns, inner;
  bool transpose_a, transpose_b;
  Epilogue epilogue;
};

/// A tensor over new memory, filled with small numbers, that lives as long as `keep`.
Tensor make(Context& context, std::vector<Buffer>& keep, const TensorType& type) {
  keep.push_back(context.memory().allocate(type.bytes(), "bench"));
  std::vector<std::uint8_t> bytes(type.bytes(), 0x3d);  // 0.046 as float32
  copy_to_device(context.stream(), keep.back().data(), bytes.data(), bytes.size());
  context.stream().synchronize();
  return Tensor(keep.back().data(), type.dtype, type.shape);
}

Matmul assemble(Context& context, std::vector<Buffer>& keep, const Product& p) {
  const DType f = DType::float32;
  const auto pair = [](bool swap, std::int64_t a, std::int64_t b) {
    return swap ? Shape{b, a} : Shape{a, b};
  };
  Matmul m{.a = make(context, keep, {f, pair(p.transpose_a, p.rows, p.inner)}),
           .b = make(context, keep, {f, pair(p.transpose_b, p.inner, p.columns)}),
           .c = make(context, keep, {f, {p.rows, p.columns}}),
           .transpose_a = p.transpose_a,
           .transpose_b = p.transpose_b,
           .epilogue = p.epilogue};
  if (p.epilogue == Epilogue::bias || p.epilogue == Epilogue::bias_relu)
    m.bias = make(context, keep, {f, {p.columns}});
  if (p.epilogue == Epilogue::bias_relu || p.epilogue == Epilogue::relu_backward)
    m.saved = make(context, keep, matmul_saved_type(p.epilogue, p.rows, p.columns, f));
  if (p.epilogue == Epilogue::relu_backward)
    m.bias_gradient = make(context, keep, {f, {p.columns}});
  if (p.epilogue == Epilogue::reduce_a) m.bias_gradient = make(context, keep, {f, {p.rows}});
  return m;
}

void time_product(Context& context, const Product& p) {
  std::vector<Buffer> keep;
  const Matmul product = assemble(context, keep, p);
  std::vector<double> microseconds;
  for (int run = -20; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    matmul(context, product);
    context.stream().synchronize();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (run >= 0) microseconds.push_back(took.count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  const double median = microseconds[kRuns / 2];
  std::printf("%-28s %9.1f us  [%.1f .. %.1f]  %7.1f GFLOP/s\n", p.name, median,
              microseconds[kRuns / 4], microseconds[kRuns * 3 / 4],
              2e-3 * double(p.rows * p.columns * p.inner) / median);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Context context;
    if (argc > 1) matmul_engines(context).force_engine(argv[1]);
    const std::int64_t batch = 128;
    for (const Product& p : {
             Product{"forward 784-512 bias_relu", batch, 512, 784, false, true,
                     Epilogue::bias_relu},
             {"forward 512-512 bias_relu", batch, 512, 512, false, true, Epilogue::bias_relu},
             {"forward 512-10 bias", batch, 10, 512, false, true, Epilogue::bias},
             {"dx 10-512 relu_backward", batch, 512, 10, false, false, Epilogue::relu_backward},
             {"dx 512-512 relu_backward", batch, 512, 512, false, false, Epilogue::relu_backward},
             {"dw 784-512", 512, 784, batch, true, false, Epilogue::none},
             {"dw 512-512", 512, 512, batch, true, false, Epilogue::none},
             {"dw 512-10 reduce_a", 10, 512, batch, true, false, Epilogue::reduce_a},
         })
      time_product(context, p);
    for (const EngineChoice& choice : matmul_engines(context).choices())
      std::printf("%s: %s, %s\n", choice.problem.c_str(), choice.engine.c_str(),
                  choice.detail.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "matmul_bench: %s\n", error.what());
    return 1;
  }
}

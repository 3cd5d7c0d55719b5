// Times the products of one training step of a 784-512-512-10 perceptron, and two square ones,
// through the door for matrix products, with the epilogues a step uses: best, median and
// interquartile range in microseconds. Its counterpart in PyTorch is tools/compare/matmul.py.
//
//   matmul_bench [ENGINE[,ENGINE...] [TYPE]]
//
// ENGINE as in MatmulEngines::names(), or `untuned`, the default: what is chosen where nobody says.
// Several take turns run by run, so that a machine's other work falls on all of them. TYPE float32
// (default), bfloat16, float16 or float64.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <sstream>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "kernels/engines/matmul.h"

namespace {

using namespace adjoint;

constexpr int kRuns = 100;

struct Product {
  const char* name;
  std::int64_t rows, columns, inner;
  bool transpose_a, transpose_b;
  Epilogue epilogue;
};

struct Options {
  std::vector<std::string> engines{"untuned"};
  DType type = DType::float32;
};

Options parse(int argc, char** argv) {
  Options options;
  if (argc > 1) {
    options.engines.clear();
    std::istringstream list(argv[1]);
    for (std::string engine; std::getline(list, engine, ',');) options.engines.push_back(engine);
  }
  if (argc > 2) options.type = dtype_from_name(argv[2]);
  return options;
}

/// A tensor over new memory, filled with small numbers, that lives as long as `keep`.
Tensor make(Context& context, std::vector<Buffer>& keep, const TensorType& type) {
  keep.push_back(context.memory().allocate(type.bytes(), "bench"));
  std::vector<std::uint8_t> bytes(type.bytes(), 0x3d);  // 0.046 as float32
  copy_to_device(context.stream(), keep.back().data(), bytes.data(), bytes.size());
  context.stream().synchronize();
  return Tensor(keep.back().data(), type.dtype, type.shape);
}

Matmul assemble(Context& context, std::vector<Buffer>& keep, const Product& p, DType f) {
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

/// One engine's turns.
struct Contestant {
  Context context;
  std::vector<Buffer> keep;
  Matmul product;
  std::vector<double> microseconds;

  Contestant(const std::string& engine, const Product& p, DType type) {
    if (engine != "untuned") matmul_engines(context).force_engine(engine);
    product = assemble(context, keep, p, type);
  }

  void run(bool counts) {
    const auto begin = std::chrono::steady_clock::now();
    matmul(context, product);
    context.stream().synchronize();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    if (counts) microseconds.push_back(took.count());
  }

  void report(const Product& p) {
    std::sort(microseconds.begin(), microseconds.end());
    const EngineChoice choice = matmul_engines(context).choices().front();
    std::printf("%-28s %9.1f us  [%.1f .. %.1f]  best %.1f us %7.1f GFLOP/s  %s, %s\n", p.name,
                microseconds[kRuns / 2], microseconds[kRuns / 4], microseconds[kRuns * 3 / 4],
                microseconds[0], 2e-3 * double(p.rows * p.columns * p.inner) / microseconds[0],
                choice.engine.c_str(), choice.detail.c_str());
  }
};

void time_product(const Options& options, const Product& p) {
  std::deque<Contestant> contestants;
  for (const std::string& engine : options.engines)
    contestants.emplace_back(engine, p, options.type);
  for (int run = -5; run < kRuns; ++run)
    for (Contestant& c : contestants) c.run(run >= 0);
  for (Contestant& c : contestants) c.report(p);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
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
             {"square 1024", 1024, 1024, 1024, false, false, Epilogue::none},
             {"square 1024 nt", 1024, 1024, 1024, false, true, Epilogue::none},
         })
      time_product(options, p);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "matmul_bench: %s\n", error.what());
    return 1;
  }
}

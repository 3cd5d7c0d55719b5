// Engine "tile": our own product kernel, for any type, transpose, stride and epilogue.
//
//   c[i, j] = epilogue(alpha sum_k op(a)[i, k] op(b)[k, j] + beta c[i, j])
//
// A block of 256 threads computes 64 x 64 elements of c, 16 of the inner dimension at a time: both
// operands' tiles pass through shared memory, widened to float (double for float64), and each
// thread holds 2 x 8 sums in registers: eight columns, because a thread then owns whole bytes of a
// ReLU mask. Sums run in the order of k and are never split, so results repeat bit for bit. It is
// the reference of the libraries' engines in tests and takes over where they cannot.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/base/error.h"
#include "core/device/kernel.h"
#include "kernels/engines/matmul_engine.h"
#include "kernels/gelu.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256;
constexpr int kThreadRows = 2, kThreadColumns = 8;
constexpr int kPadding =
    4;  // keeps 16-byte alignment and spreads the transposing stores over the banks

template <class Storage>
using Accumulator = std::conditional_t<std::is_same_v<Storage, double>, double, float>;

/// The sums of one thread, at rows row ... row + 1 and columns column ... column + 7 of c.
template <class T>
struct Sums {
  T z[kThreadRows][kThreadColumns];
};

template <class T, class Out>
ADJOINT_DEVICE void apply_bias(const MatmulProblem& p, Sums<T>& sums, std::int64_t column) {
  const Out* const bias = static_cast<const Out*>(p.bias);
  ADJOINT_UNROLL
  for (int j = 0; j < kThreadColumns; ++j) {
    const T value = column + j < p.form.columns ? T(bias[column + j]) : T(0);
    ADJOINT_UNROLL
    for (int i = 0; i < kThreadRows; ++i) sums.z[i][j] += value;
  }
}

/// One row's eight values through the activation; `saved` is the row's auxiliary memory or null.
template <class T, class Out>
ADJOINT_DEVICE void apply_activation(const MatmulForm& form, T (&z)[kThreadColumns],
                                     std::uint8_t* saved, std::int64_t column) {
  Out* const preactivation = reinterpret_cast<Out*>(saved);
  unsigned bits = form.epilogue == Epilogue::relu_backward ? saved[column / 8] : 0u;
  ADJOINT_UNROLL
  for (int j = 0; j < kThreadColumns; ++j) {
    if (column + j >= form.columns) break;
    switch (form.epilogue) {
      case Epilogue::bias_relu:
        z[j] = z[j] <= T(0) ? T(0) : z[j];  // NaN stays
        bits |= z[j] != T(0) ? 1u << j : 0u;
        break;
      case Epilogue::bias_gelu:
        if (saved) preactivation[column + j] = Out(z[j]);
        z[j] = gelu_tanh(z[j]);
        break;
      case Epilogue::relu_backward:
        z[j] = (bits >> j & 1u) != 0 ? z[j] : T(0);
        break;
      case Epilogue::gelu_backward:
        z[j] *= gelu_tanh_derivative(T(preactivation[column + j]));
        break;
      default:
        break;
    }
  }
  if (form.epilogue == Epilogue::bias_relu && saved) saved[column / 8] = std::uint8_t(bits);
}

/// From z in registers to everything the product writes. `partial_sums` [row tiles, columns] takes
/// the tile's column sums if it is not null. All threads of the block take part.
template <class T, class Out>
ADJOINT_DEVICE void finish_tile(const MatmulProblem& p, Sums<T>& sums, std::int64_t batch,
                                std::int64_t row_tile, std::int64_t first_column,
                                double* partial_sums) {
  const MatmulForm& form = p.form;
  const int group = int(threadIdx.x) / 8;
  const std::int64_t row = row_tile * kTile + group * kThreadRows;
  const std::int64_t column = first_column + int(threadIdx.x) % 8 * kThreadColumns;
  if (form.epilogue == Epilogue::bias || form.epilogue == Epilogue::bias_relu ||
      form.epilogue == Epilogue::bias_gelu)
    apply_bias<T, Out>(p, sums, column);
  ADJOINT_UNROLL
  for (int i = 0; i < kThreadRows; ++i) {
    if (row + i >= form.rows || column >= form.columns) break;
    std::uint8_t* const saved =
        p.saved ? static_cast<std::uint8_t*>(p.saved) + (row + i) * p.saved_row_bytes : nullptr;
    apply_activation<T, Out>(form, sums.z[i], saved, column);
    Out* const c =
        static_cast<Out*>(p.c.data) + batch * p.c.batch_stride + (row + i) * p.c.row_stride;
    ADJOINT_UNROLL
    for (int j = 0; j < kThreadColumns; ++j)
      if (column + j < form.columns) c[column + j] = Out(sums.z[i][j]);
  }
  if (!partial_sums) return;
  ADJOINT_SHARED(T, column_sums, [kTile / kThreadRows][kTile]);
  ADJOINT_UNROLL
  for (int j = 0; j < kThreadColumns; ++j) {
    T sum = T(0);
    ADJOINT_UNROLL
    for (int i = 0; i < kThreadRows; ++i) sum += row + i < form.rows ? sums.z[i][j] : T(0);
    column_sums[group][int(threadIdx.x) % 8 * kThreadColumns + j] = sum;
  }
  __syncthreads();
  const std::int64_t summed = first_column + threadIdx.x;
  if (threadIdx.x >= kTile || summed >= form.columns) return;
  double sum = 0;
  for (int i = 0; i < kTile / kThreadRows; ++i) sum += double(column_sums[i][threadIdx.x]);
  partial_sums[row_tile * form.columns + summed] = sum;
}

/// Element (i, k) of op(matrix), or zero outside rows x columns of it.
template <class T, class Storage>
ADJOINT_DEVICE T element_or_zero(const Storage* data, std::int64_t row_stride, bool transpose,
                                 std::int64_t i, std::int64_t k, std::int64_t rows,
                                 std::int64_t columns) {
  if (i >= rows || k >= columns) return T(0);
  return T(transpose ? data[k * row_stride + i] : data[i * row_stride + k]);
}

struct TilePlace {
  std::int64_t batch, row_tile, first_column;
};

/// Blocks run along the columns first, then the rows, then the batch: one grid axis, because the
/// others end at 65,535.
ADJOINT_DEVICE TilePlace tile_place(const MatmulForm& form) {
  const std::int64_t across = (form.columns + kTile - 1) / kTile,
                     down = (form.rows + kTile - 1) / kTile;
  const std::int64_t block = blockIdx.x;
  return {block / (across * down), block / across % down, block % across * kTile};
}

template <class Storage, class Out>
__global__ void __launch_bounds__(kThreads) multiply_tile(MatmulProblem p, double* partial_sums) {
  using T = Accumulator<Storage>;
  ADJOINT_SHARED(T, a_tile, [kDepth][kTile + kPadding]);
  ADJOINT_SHARED(T, b_tile, [kDepth][kTile + kPadding]);
  const MatmulForm& form = p.form;
  const TilePlace place = tile_place(form);
  const std::int64_t first_row = place.row_tile * kTile;
  const Storage* const a = static_cast<const Storage*>(p.a.data) + place.batch * p.a.batch_stride;
  const Storage* const b = static_cast<const Storage*>(p.b.data) + place.batch * p.b.batch_stride;
  const int thread = int(threadIdx.x);
  const int row = thread / 8 * kThreadRows, column = thread % 8 * kThreadColumns;

  Sums<T> sums = {};
  for (std::int64_t k = 0; k < form.inner; k += kDepth) {
    // Neighbouring threads read neighbouring addresses, whichever way the operand lies.
    for (int e = thread; e < kTile * kDepth; e += kThreads) {
      const int i = form.transpose_a ? e % kTile : e / kDepth,
                depth = form.transpose_a ? e / kTile : e % kDepth;
      a_tile[depth][i] = element_or_zero<T>(a, p.a.row_stride, form.transpose_a, first_row + i,
                                            k + depth, form.rows, form.inner);
    }
    for (int e = thread; e < kTile * kDepth; e += kThreads) {
      const int j = form.transpose_b ? e / kDepth : e % kTile,
                depth = form.transpose_b ? e % kDepth : e / kTile;
      b_tile[depth][j] = element_or_zero<T>(b, p.b.row_stride, form.transpose_b, k + depth,
                                            place.first_column + j, form.inner, form.columns);
    }
    __syncthreads();  // the tiles are complete
    ADJOINT_UNROLL
    for (int depth = 0; depth < kDepth; ++depth) ADJOINT_UNROLL
    for (int i = 0; i < kThreadRows; ++i) ADJOINT_SIMD
    for (int j = 0; j < kThreadColumns; ++j)
      sums.z[i][j] += a_tile[depth][row + i] * b_tile[depth][column + j];
    __syncthreads();  // and have been read
  }

  ADJOINT_UNROLL
  for (int i = 0; i < kThreadRows; ++i) ADJOINT_UNROLL
  for (int j = 0; j < kThreadColumns; ++j) {
    T z = T(p.alpha) * sums.z[i][j];
    const std::int64_t r = first_row + row + i, s = place.first_column + column + j;
    if (form.reads_c && r < form.rows && s < form.columns) {
      const Out* const c = static_cast<const Out*>(p.c.data) + place.batch * p.c.batch_stride;
      z += T(p.beta) * T(c[r * p.c.row_stride + s]);
    }
    sums.z[i][j] = z;
  }
  finish_tile<T, Out>(p, sums, place.batch, place.row_tile, place.first_column, partial_sums);
}

/// The epilogue alone, over z in c.
template <class T, class Out>
__global__ void __launch_bounds__(kThreads, 2)
    finish_product(MatmulProblem p, double* partial_sums) {
  const MatmulForm& form = p.form;
  const TilePlace place = tile_place(form);
  const Out* const c = static_cast<const Out*>(p.c.data);
  const std::int64_t row = place.row_tile * kTile + int(threadIdx.x) / 8 * kThreadRows;
  const std::int64_t column = place.first_column + int(threadIdx.x) % 8 * kThreadColumns;
  Sums<T> sums = {};
  ADJOINT_UNROLL
  for (int i = 0; i < kThreadRows; ++i) ADJOINT_UNROLL
  for (int j = 0; j < kThreadColumns; ++j)
    if (row + i < form.rows && column + j < form.columns)
      sums.z[i][j] = T(c[(row + i) * p.c.row_stride + column + j]);
  finish_tile<T, Out>(p, sums, place.batch, place.row_tile, place.first_column, partial_sums);
}

/// bias_gradient[j] = sum of partial_sums[i, j] over i, in order, plus what was there if it
/// accumulates.
template <class Out>
__global__ void __launch_bounds__(kThreads)
    add_row_tiles(Out* to, const double* partial_sums, std::int64_t row_tiles, std::int64_t columns,
                  bool accumulate) {
  const std::int64_t column = std::int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= columns) return;
  double sum = accumulate ? double(to[column]) : 0.0;
  for (std::int64_t i = 0; i < row_tiles; ++i) sum += partial_sums[i * columns + column];
  to[column] = Out(sum);
}

/// bias_gradient[i] = sum of op(a)[i, k] over k. A block has 32 rows; warp w takes every k = w
/// mod 8.
template <class Storage, class Out>
__global__ void __launch_bounds__(kThreads) sum_inner(MatmulProblem p) {
  constexpr int kStrips = kThreads / 32;
  ADJOINT_SHARED(double, strip_sums, [kStrips][32]);
  const MatmulForm& form = p.form;
  const int lane = int(threadIdx.x) % 32, strip = int(threadIdx.x) / 32;
  const std::int64_t row = std::int64_t(blockIdx.x) * 32 + lane;
  double sum = 0;
  for (std::int64_t k = strip; k < form.inner; k += kStrips)
    sum += element_or_zero<double>(static_cast<const Storage*>(p.a.data), p.a.row_stride,
                                   form.transpose_a, row, k, form.rows, form.inner);
  strip_sums[strip][lane] = sum;
  __syncthreads();
  if (strip != 0 || row >= form.rows) return;
  Out* const to = static_cast<Out*>(p.bias_gradient) + row;
  sum = form.accumulates_bias_gradient ? double(*to) : 0.0;
  for (int i = 0; i < kStrips; ++i) sum += strip_sums[i][lane];
  *to = Out(sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads) add_elements(T* to, const T* from, std::int64_t count) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) to[i] = T(Accumulator<T>(to[i]) + Accumulator<T>(from[i]));
}

std::int64_t blocks(std::int64_t count, std::int64_t per_block) {
  return (count + per_block - 1) / per_block;
}

bool sums_columns(const MatmulForm& form) {
  return form.bias_gradient && form.epilogue != Epilogue::reduce_a;
}

/// The launches after the product proper.
template <class Storage, class Out>
void finish_bias_gradient(Stream& stream, const MatmulProblem& p, const double* partial_sums) {
  const MatmulForm& form = p.form;
  if (!form.bias_gradient) return;
  if (form.epilogue == Epilogue::reduce_a) {
    launch<sum_inner<Storage, Out>, Blocks::fixed>(
        stream, {.grid = blocks(form.rows, 32), .block = kThreads}, p);
    return;
  }
  launch<add_row_tiles<Out>, Blocks::fixed>(
      stream, {.grid = blocks(form.columns, kThreads), .block = kThreads},
      static_cast<Out*>(p.bias_gradient), partial_sums, blocks(form.rows, kTile), form.columns,
      form.accumulates_bias_gradient);
}

LaunchShape tile_launch(const MatmulForm& form) {
  return {.grid = blocks(form.rows, kTile) * blocks(form.columns, kTile) * form.batches,
          .block = kThreads};
}

/// Calls body.template operator()<Storage, Out>() for the types of the product.
template <class Body>
void with_types(const MatmulForm& form, const Body& body) {
  const bool same = form.type == form.result_type;
  switch (form.type) {
    case DType::float32:
      return body.template operator()<float, float>();
    case DType::float64:
      return body.template operator()<double, double>();
    case DType::bfloat16:
      return same ? body.template operator()<bfloat16, bfloat16>()
                  : body.template operator()<bfloat16, float>();
    case DType::float16:
      return same ? body.template operator()<float16, float16>()
                  : body.template operator()<float16, float>();
    default:
      ADJOINT_FAIL("matmul: expected a floating type, got ", adjoint::name(form.type));
  }
}

class TileEngine : public MatmulEngine {
 public:
  std::string name() const override { return "tile"; }

  std::vector<std::string> details(const MatmulForm& form, int limit) override {
    if (limit < 1 || tile_launch(form).grid.x > kMaxGridX) return {};
    return {kDetail};
  }

  std::size_t workspace_bytes(const MatmulForm& form, const std::string& detail) override {
    ADJOINT_CHECK(detail == kDetail, "matmul: the engine tile expected the detail '", kDetail,
                  "', got '", detail, "'; remove the stored choice");
    return epilogue_workspace_bytes(form);
  }

  void run(Stream& stream, const MatmulProblem& p, const std::string&, const std::string&,
           void* workspace) override {
    double* const partial_sums = sums_columns(p.form) ? static_cast<double*>(workspace) : nullptr;
    with_types(p.form, [&]<class Storage, class Out>() {
      launch<multiply_tile<Storage, Out>, Blocks::fixed>(stream, tile_launch(p.form), p,
                                                         partial_sums);
      finish_bias_gradient<Storage, Out>(stream, p, partial_sums);
    });
  }

 private:
  static constexpr const char* kDetail = "64x64x16";
};

}  // namespace

std::size_t epilogue_workspace_bytes(const MatmulForm& form) {
  if (!sums_columns(form)) return 0;
  return std::size_t(std::max<std::int64_t>(1, blocks(form.rows, kTile)) * form.columns) *
         sizeof(double);
}

void apply_epilogue(Stream& stream, const MatmulProblem& p, void* workspace) {
  double* const partial_sums = sums_columns(p.form) ? static_cast<double*>(workspace) : nullptr;
  const bool plain = p.form.epilogue == Epilogue::none || p.form.epilogue == Epilogue::reduce_a;
  with_types(p.form, [&]<class Storage, class Out>() {
    if (!plain)
      launch<finish_product<Accumulator<Storage>, Out>, Blocks::fixed>(stream, tile_launch(p.form),
                                                                       p, partial_sums);
    finish_bias_gradient<Storage, Out>(stream, p, partial_sums);
  });
}

void add_vector(Stream& stream, DType dtype, void* to, const void* from, std::int64_t count) {
  with_types({.type = dtype, .result_type = dtype}, [&]<class T, class>() {
    launch<add_elements<T>, Blocks::fixed>(stream,
                                           {.grid = blocks(count, kThreads), .block = kThreads},
                                           static_cast<T*>(to), static_cast<const T*>(from), count);
  });
}

std::unique_ptr<MatmulEngine> make_tile_engine() { return std::make_unique<TileEngine>(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

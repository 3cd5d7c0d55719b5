// Engine "openblas": products cut into tiles that depend on the shape alone, each one call of a
// single-threaded OpenBLAS on our workers, with the epilogue applied while the tile is in cache. So
// the bits of a result do not depend on how many workers there are.
//
// Tiles are cut along the rows first: OpenBLAS packs the left operand anew for each tile cut along
// the columns, which costs up to half of the time of dW = dy^T x; see README.md.
#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/device/host/language.h"
#include "core/device/host/queue.h"
#include "core/device/host/workers.h"
#include "kernels/engines/host/blas.h"
#include "kernels/engines/matmul_engine.h"
#include "kernels/gelu.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct TileShape {
  std::int64_t rows = 0, columns = 0;
};

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

/// Extent of `pieces` equal pieces, rounded up so that they stay aligned.
std::int64_t piece(std::int64_t extent, std::int64_t pieces, std::int64_t multiple) {
  return std::max(multiple,
                  round_up(divide_up(extent, std::max<std::int64_t>(1, pieces)), multiple));
}

/// Columns in multiples of 64: no two tiles share a byte of a ReLU mask, nor a cache line of most
/// rows.
TileShape default_tile(const MatmulForm& form) {
  const double work =
      double(form.rows) * double(form.columns) * double(std::max<std::int64_t>(form.inner, 1));
  if (work < 65536) return {piece(form.rows, 1, 16), piece(form.columns, 1, 64)};
  const std::int64_t row_pieces =
      form.rows >= 128 ? std::max<std::int64_t>(2, divide_up(form.rows, 256)) : 1;
  const std::int64_t column_pieces = row_pieces > 1 ? divide_up(form.columns, 1024)
                                     : form.columns >= 256
                                         ? std::max<std::int64_t>(2, divide_up(form.columns, 512))
                                         : 1;
  return {piece(form.rows, row_pieces, 16), piece(form.columns, column_pieces, 64)};
}

std::string to_detail(const TileShape& tile) { return str("tiles ", tile.rows, "x", tile.columns); }

TileShape from_detail(const std::string& detail) {
  long long rows = 0, columns = 0;
  int read = 0;
  const int fields = std::sscanf(detail.c_str(), "tiles %lldx%lld%n", &rows, &columns, &read);
  ADJOINT_CHECK(
      fields == 2 && std::size_t(read) == detail.size() && rows > 0 && columns > 0 &&
          columns % 64 == 0,
      "matmul: the engine openblas expected a detail such as 'tiles 64x512' (columns a multiple "
      "of 64), got '",
      detail, "'; remove the stored choice");
  return {rows, columns};
}

/// Memory of this worker, grown and kept: steps after the first allocate nothing.
template <class T, int Use>
T* worker_memory(std::int64_t count) {
  static thread_local std::vector<T> memory;
  if (std::int64_t(memory.size()) < count) memory.resize(std::size_t(count));
  return memory.data();
}

template <class T>
void gemm(bool transpose_a, bool transpose_b, std::int64_t rows, std::int64_t columns,
          std::int64_t inner, T alpha, const T* a, std::int64_t a_stride, const T* b,
          std::int64_t b_stride, T beta, T* c, std::int64_t c_stride) {
  const Blas& library = blas();
  const auto call = [&](Blas::Gemm<T> function) {
    function(Blas::kRowMajor, transpose_a ? Blas::kTransposed : Blas::kPlain,
             transpose_b ? Blas::kTransposed : Blas::kPlain, int(rows), int(columns), int(inner),
             alpha, a, int(a_stride), b, int(b_stride), beta, c, int(c_stride));
  };
  if constexpr (std::is_same_v<T, float>) {
    call(library.sgemm);
  } else {
    call(library.dgemm);
  }
}

/// One tile of the result and what it needs.
struct Tile {
  std::int64_t row, rows, column, columns;
};

template <class T>
const T* element(const MatrixView& matrix, bool transpose, std::int64_t batch, std::int64_t row,
                 std::int64_t column) {
  const T* const data = static_cast<const T*>(matrix.data) + batch * matrix.batch_stride;
  return transpose ? data + column * matrix.row_stride + row
                   : data + row * matrix.row_stride + column;
}

/// Copies rows x columns elements into a dense float32 matrix.
template <class Storage>
void widen(float* to, const Storage* from, std::int64_t from_stride, std::int64_t rows,
           std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i) {
    const Storage* const row = from + i * from_stride;
    float* const out = to + i * columns;
    ADJOINT_SIMD
    for (std::int64_t j = 0; j < columns; ++j) out[j] = row[j];
  }
}

/// z = alpha op(a) op(b) + beta z for float32 or float64 operands in place.
template <class T>
void multiply_in_place(const MatmulProblem& p, std::int64_t batch, const Tile& tile, T* z,
                       std::int64_t z_stride) {
  const MatmulForm& form = p.form;
  gemm<T>(form.transpose_a, form.transpose_b, tile.rows, tile.columns, form.inner, T(p.alpha),
          element<T>(p.a, form.transpose_a, batch, tile.row, 0), p.a.row_stride,
          element<T>(p.b, form.transpose_b, batch, 0, tile.column), p.b.row_stride, T(p.beta), z,
          z_stride);
}

/// The same for 16-bit operands: converted in pieces of the inner dimension that fit the caches, so
/// that the memory needed does not grow with it; products and sums in float32.
template <class Storage>
void multiply_widened(const MatmulProblem& p, std::int64_t batch, const Tile& tile, float* z,
                      std::int64_t z_stride) {
  constexpr std::int64_t kPiece = 1024;
  const MatmulForm& form = p.form;
  const std::int64_t longest = std::min(form.inner, kPiece);
  float* const a = worker_memory<float, 0>(tile.rows * longest);
  float* const b = worker_memory<float, 1>(tile.columns * longest);
  for (std::int64_t k = 0; k < form.inner; k += kPiece) {
    const std::int64_t inner = std::min(kPiece, form.inner - k);
    const Storage* const from_a = element<Storage>(p.a, form.transpose_a, batch, tile.row, k);
    const Storage* const from_b = element<Storage>(p.b, form.transpose_b, batch, k, tile.column);
    const std::int64_t a_columns = form.transpose_a ? tile.rows : inner;
    const std::int64_t b_columns = form.transpose_b ? inner : tile.columns;
    widen(a, from_a, p.a.row_stride, form.transpose_a ? inner : tile.rows, a_columns);
    widen(b, from_b, p.b.row_stride, form.transpose_b ? tile.columns : inner, b_columns);
    gemm<float>(form.transpose_a, form.transpose_b, tile.rows, tile.columns, inner, p.alpha, a,
                a_columns, b, b_columns, k == 0 ? p.beta : 1.0f, z, z_stride);
  }
}

/// z = beta z, where there is nothing to add; beta 0 reads nothing.
template <class T>
void scale(T* z, std::int64_t stride, const Tile& tile, T beta) {
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    T* const row = z + i * stride;
    if (beta == T(0)) {
      std::fill_n(row, tile.columns, T(0));
    } else {
      for (std::int64_t j = 0; j < tile.columns; ++j) row[j] *= beta;
    }
  }
}

/// Eight bits of a ReLU mask at a time; `bytes` begins at column 0 of z.
template <class T>
void write_mask(std::uint8_t* bytes, const T* z, std::int64_t columns) {
  std::int64_t j = 0;
  for (; j + 8 <= columns; j += 8) {
    int bits = 0;
    ADJOINT_PRAGMA(omp simd reduction(| : bits))
    for (int k = 0; k < 8; ++k) bits |= z[j + k] != T(0) ? 1 << k : 0;
    bytes[j / 8] = std::uint8_t(bits);
  }
  if (j == columns) return;
  int bits = 0;
  for (std::int64_t k = j; k < columns; ++k) bits |= int(z[k] != T(0)) << (k - j);
  bytes[j / 8] = std::uint8_t(bits);
}

template <class T>
void apply_mask(T* z, const std::uint8_t* bytes, std::int64_t columns) {
  std::int64_t j = 0;
  for (; j + 8 <= columns; j += 8) {
    const int bits = bytes[j / 8];
    ADJOINT_SIMD
    for (int k = 0; k < 8; ++k) z[j + k] = (bits & (1 << k)) != 0 ? z[j + k] : T(0);
  }
  for (; j < columns; ++j) z[j] = (bytes[j / 8] >> (j % 8) & 1) != 0 ? z[j] : T(0);
}

/// A row's part of a tile: z in compute precision becomes c; z and c may be the same memory.
template <class T, class Out>
void finish_row(const MatmulProblem& p, const Tile& tile, std::int64_t row, T* z, Out* c,
                double* sums) {
  const std::int64_t n = tile.columns;
  const Out* const bias = p.bias ? static_cast<const Out*>(p.bias) + tile.column : nullptr;
  std::uint8_t* const saved =
      p.saved ? static_cast<std::uint8_t*>(p.saved) + row * p.saved_row_bytes : nullptr;
  Out* const preactivation = saved ? reinterpret_cast<Out*>(saved) + tile.column : nullptr;
  switch (p.form.epilogue) {
    case Epilogue::none:
    case Epilogue::reduce_a:
      break;
    case Epilogue::bias:
      ADJOINT_SIMD
      for (std::int64_t j = 0; j < n; ++j) z[j] += T(bias[j]);
      break;
    case Epilogue::bias_relu:
      ADJOINT_SIMD
      for (std::int64_t j = 0; j < n; ++j) {
        const T value = z[j] + T(bias[j]);
        z[j] = value <= T(0) ? T(0) : value;  // NaN stays
      }
      if (saved) write_mask(saved + tile.column / 8, z, n);
      break;
    case Epilogue::bias_gelu:
      ADJOINT_SIMD
      for (std::int64_t j = 0; j < n; ++j) z[j] += T(bias[j]);
      if (preactivation)
        std::transform(z, z + n, preactivation, [](T value) { return Out(value); });
      ADJOINT_SIMD
      for (std::int64_t j = 0; j < n; ++j) z[j] = gelu_tanh(z[j]);
      break;
    case Epilogue::relu_backward:
      apply_mask(z, saved + tile.column / 8, n);
      break;
    case Epilogue::gelu_backward:
      ADJOINT_SIMD
      for (std::int64_t j = 0; j < n; ++j) z[j] *= gelu_tanh_derivative(T(preactivation[j]));
      break;
  }
  if (sums) {
    ADJOINT_SIMD
    for (std::int64_t j = 0; j < n; ++j) sums[j] += double(z[j]);
  }
  if (static_cast<void*>(c) == static_cast<void*>(z)) return;
  ADJOINT_SIMD
  for (std::int64_t j = 0; j < n; ++j) c[j] = Out(z[j]);
}

/// sums[i] = sum over the inner dimension of op(a) in row tile.row + i. In float64, in order.
template <class Storage>
void sum_rows(const MatmulProblem& p, const Tile& tile, double* sums) {
  const MatmulForm& form = p.form;
  const Storage* const a = element<Storage>(p.a, form.transpose_a, 0, tile.row, 0);
  std::fill_n(sums, tile.rows, 0.0);
  if (form.transpose_a) {
    for (std::int64_t k = 0; k < form.inner; ++k) {
      const Storage* const row = a + k * p.a.row_stride;
      ADJOINT_SIMD
      for (std::int64_t i = 0; i < tile.rows; ++i) sums[i] += double(row[i]);
    }
    return;
  }
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const Storage* const row = a + i * p.a.row_stride;
    double sum = 0;
    ADJOINT_SIMD_SUM(sum)
    for (std::int64_t k = 0; k < form.inner; ++k) sum += double(row[k]);
    sums[i] = sum;
  }
}

template <class Out>
void store_sums(void* to, std::int64_t first, const double* sums, std::int64_t count,
                bool accumulate) {
  Out* const out = static_cast<Out*>(to) + first;
  for (std::int64_t i = 0; i < count; ++i) {
    const double before = accumulate ? double(out[i]) : 0.0;
    out[i] = Out(before + sums[i]);
  }
}

template <class Storage, class Out>
void run_tile(const MatmulProblem& p, std::int64_t batch, const Tile& tile, double* column_sums) {
  using T = std::conditional_t<std::is_same_v<Storage, double>, double, float>;
  const MatmulForm& form = p.form;
  Out* const c = static_cast<Out*>(p.c.data) + batch * p.c.batch_stride +
                 tile.row * p.c.row_stride + tile.column;
  T* z;
  std::int64_t z_stride;
  if constexpr (std::is_same_v<T, Out>) {
    z = c;
    z_stride = p.c.row_stride;
  } else {
    z = worker_memory<T, 2>(tile.rows * tile.columns);
    z_stride = tile.columns;
    if (p.beta != 0) widen(z, c, p.c.row_stride, tile.rows, tile.columns);
  }
  if (form.inner == 0) {
    scale(z, z_stride, tile, T(p.beta));
  } else if constexpr (std::is_same_v<T, Storage>) {
    multiply_in_place<T>(p, batch, tile, z, z_stride);
  } else {
    multiply_widened<Storage>(p, batch, tile, z, z_stride);
  }
  if (column_sums) std::fill_n(column_sums, tile.columns, 0.0);
  const bool plain = form.epilogue == Epilogue::none || form.epilogue == Epilogue::reduce_a;
  if (!plain || !std::is_same_v<T, Out>)
    for (std::int64_t i = 0; i < tile.rows; ++i)
      finish_row(p, tile, tile.row + i, z + i * z_stride, c + i * p.c.row_stride, column_sums);
  if (form.epilogue == Epilogue::reduce_a && p.bias_gradient && tile.column == 0) {
    double* const sums = worker_memory<double, 3>(tile.rows);
    sum_rows<Storage>(p, tile, sums);
    store_sums<Out>(p.bias_gradient, tile.row, sums, tile.rows, form.accumulates_bias_gradient);
  }
}

/// Column sums of a backward epilogue: each tile leaves its own in the workspace, [row tiles,
/// columns], and they are added in the order of the rows.
bool sums_columns(const MatmulForm& form) {
  return form.bias_gradient && form.epilogue != Epilogue::reduce_a;
}

template <class Storage, class Out>
void run_tiles(const MatmulProblem& p, const TileShape& shape, double* partial_sums) {
  const MatmulForm& form = p.form;
  const std::int64_t down = divide_up(form.rows, shape.rows),
                     across = divide_up(form.columns, shape.columns);
  // The bias gradient of reduce_a does not need columns, but a tile to be summed in.
  const std::int64_t tiles_across =
      form.epilogue == Epilogue::reduce_a ? std::max<std::int64_t>(1, across) : across;
  parallel_for(form.batches * down * tiles_across, [&](std::int64_t index) {
    const std::int64_t batch = index / (down * tiles_across), i = index / tiles_across % down,
                       j = index % tiles_across;
    const Tile tile{.row = i * shape.rows,
                    .rows = std::min(shape.rows, form.rows - i * shape.rows),
                    .column = j * shape.columns,
                    .columns = std::min(shape.columns, form.columns - j * shape.columns)};
    run_tile<Storage, Out>(p, batch, tile,
                           partial_sums ? partial_sums + i * form.columns + tile.column : nullptr);
  });
  if (!partial_sums) return;
  if (down == 0) std::fill_n(partial_sums, form.columns, 0.0);
  for (std::int64_t i = 1; i < down; ++i)
    for (std::int64_t j = 0; j < form.columns; ++j)
      partial_sums[j] += partial_sums[i * form.columns + j];
  store_sums<Out>(p.bias_gradient, 0, partial_sums, form.columns, form.accumulates_bias_gradient);
}

using RunTiles = void (*)(const MatmulProblem&, const TileShape&, double*);

RunTiles function_for(DType type, DType result) {
  switch (type) {
    case DType::float32:
      return run_tiles<float, float>;
    case DType::float64:
      return run_tiles<double, double>;
    case DType::bfloat16:
      return result == type ? run_tiles<bfloat16, bfloat16> : run_tiles<bfloat16, float>;
    default:
      return result == type ? run_tiles<float16, float16> : run_tiles<float16, float>;
  }
}

class BlasEngine : public MatmulEngine {
 public:
  std::string name() const override { return "openblas"; }
  std::string library() const override { return blas().description; }

  std::vector<std::string> details(const MatmulForm& form, int limit) override {
    // OpenBLAS counts in int.
    for (std::int64_t extent : {form.rows, form.columns, form.inner, form.a_row_stride,
                                form.b_row_stride, form.c_row_stride})
      if (extent > INT_MAX) return {};
    std::vector<std::string> found;
    const auto add = [&](TileShape tile) {
      const std::string detail = to_detail(tile);
      if (int(found.size()) < limit && std::find(found.begin(), found.end(), detail) == found.end())
        found.push_back(detail);
    };
    add(default_tile(form));
    for (const auto& [down, across] : {std::pair{2, 1}, {1, 2}, {2, 2}, {4, 1}, {1, 4}, {4, 2}})
      add({piece(form.rows, down, 16), piece(form.columns, across, 64)});
    return found;
  }

  std::size_t workspace_bytes(const MatmulForm& form, const std::string& detail) override {
    blas();  // missing libraries are reported by whoever prepares, not by work on the stream
    const std::int64_t down =
        std::max<std::int64_t>(1, divide_up(form.rows, from_detail(detail).rows));
    return sums_columns(form) ? std::size_t(down * form.columns) * sizeof(double) : 0;
  }

  void run(Stream& stream, const MatmulProblem& problem, const std::string& name,
           const std::string& detail, void* workspace) override {
    const TileShape tile = from_detail(detail);
    double* const sums = sums_columns(problem.form) ? static_cast<double*>(workspace) : nullptr;
    const RunTiles function = function_for(problem.form.type, problem.form.result_type);
    enqueue(stream, WorkKind::launch, name, [=] { function(problem, tile, sums); });
  }
};

}  // namespace

std::unique_ptr<MatmulEngine> make_library_engine() { return std::make_unique<BlasEngine>(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Engines "openblas" and "onednn": products cut into tiles that depend on the shape alone, each one
// call of a library on one thread, run on our workers, with the epilogue applied while the tile is
// in cache. So the bits of a result do not depend on how many workers there are.
//
// Tiles are cut along the rows first: the libraries pack the left operand anew for each tile cut
// along the columns, which costs up to half of the time of dW = dy^T x. Where few rows meet a
// larger transposed right operand, weights, columns are cut, so that each core reads its part of
// them alone; see ../README.md.
#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/device/host/language.h"
#include "core/device/host/queue.h"
#include "core/device/host/workers.h"
#include "kernels/engines/host/tile_library.h"
#include "kernels/engines/matmul_engine.h"
#include "kernels/gelu.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// How a product is done: tiles of these extents, and whether bfloat16 operands are multiplied as
/// they are.
struct Tiling {
  std::int64_t rows = 0, columns = 0;
  bool as_bfloat16 = false;
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
Tiling default_tiling(const MatmulForm& form) {
  const double work =
      double(form.rows) * double(form.columns) * double(std::max<std::int64_t>(form.inner, 1));
  if (work < 65536) return {piece(form.rows, 1, 16), piece(form.columns, 1, 64)};
  const bool few_rows =
      form.rows <= 256 && form.columns >= 2 * form.rows && form.columns >= 256 && form.transpose_b;
  const std::int64_t row_pieces =
      form.rows >= 128 && !few_rows ? std::max<std::int64_t>(2, divide_up(form.rows, 256)) : 1;
  const std::int64_t column_pieces = row_pieces > 1 ? divide_up(form.columns, 1024)
                                     : form.columns >= 256
                                         ? std::max<std::int64_t>(2, divide_up(form.columns, 512))
                                         : 1;
  return {piece(form.rows, row_pieces, 16), piece(form.columns, column_pieces, 64)};
}

constexpr std::string_view kAsBfloat16 = " bfloat16";

std::string to_detail(const Tiling& tiling) {
  return str("tiles ", tiling.rows, "x", tiling.columns, tiling.as_bfloat16 ? kAsBfloat16 : "");
}

Tiling from_detail(const std::string& engine, const std::string& detail) {
  long long rows = 0, columns = 0;
  int read = 0;
  const int fields = std::sscanf(detail.c_str(), "tiles %lldx%lld%n", &rows, &columns, &read);
  const std::string_view rest = std::string_view(detail).substr(std::size_t(read));
  ADJOINT_CHECK(fields == 2 && (rest.empty() || rest == kAsBfloat16) && rows > 0 && columns > 0 &&
                    columns % 64 == 0,
                "matmul: the engine ", engine,
                " expected a detail such as 'tiles 64x512' (columns a multiple of 64), got '",
                detail, "'; remove the stored choice");
  return {rows, columns, !rest.empty()};
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

TileForm tile_form(const MatmulForm& form, std::int64_t rows, std::int64_t columns,
                   std::int64_t z_stride) {
  return {.transpose_a = form.transpose_a,
          .transpose_b = form.transpose_b,
          .rows = rows,
          .columns = columns,
          .inner = form.inner,
          .a_stride = form.a_row_stride,
          .b_stride = form.b_row_stride,
          .c_stride = z_stride};
}

/// z = alpha op(a) op(b) + beta z for operands in place.
template <class T, class Result>
void multiply_in_place(const TileLibrary& library, const MatmulProblem& p, std::int64_t batch,
                       const Tile& tile, Result* z, std::int64_t z_stride) {
  library.multiply(TileProduct<T>{.form = tile_form(p.form, tile.rows, tile.columns, z_stride),
                                  .alpha = Result(p.alpha),
                                  .beta = Result(p.beta),
                                  .a = element<T>(p.a, p.form.transpose_a, batch, tile.row, 0),
                                  .b = element<T>(p.b, p.form.transpose_b, batch, 0, tile.column),
                                  .c = z});
}

/// The same for 16-bit operands: converted in pieces of the inner dimension that fit the caches, so
/// that the memory needed does not grow with it; products and sums in float32.
template <class Storage>
void multiply_widened(const TileLibrary& library, const MatmulProblem& p, std::int64_t batch,
                      const Tile& tile, float* z, std::int64_t z_stride) {
  constexpr std::int64_t kPiece = 1024;
  const MatmulForm& form = p.form;
  const std::int64_t longest = std::min(form.inner, kPiece);
  float* const a = worker_memory<float, 0>(tile.rows * longest);
  float* const b = worker_memory<float, 1>(tile.columns * longest);
  for (std::int64_t k = 0; k < form.inner; k += kPiece) {
    TileForm piece = tile_form(form, tile.rows, tile.columns, z_stride);
    piece.inner = std::min(kPiece, form.inner - k);
    piece.a_stride = form.transpose_a ? tile.rows : piece.inner;
    piece.b_stride = form.transpose_b ? piece.inner : tile.columns;
    widen(a, element<Storage>(p.a, form.transpose_a, batch, tile.row, k), p.a.row_stride,
          form.transpose_a ? piece.inner : tile.rows, piece.a_stride);
    widen(b, element<Storage>(p.b, form.transpose_b, batch, k, tile.column), p.b.row_stride,
          form.transpose_b ? tile.columns : piece.inner, piece.b_stride);
    library.multiply(TileProduct<float>{
        .form = piece, .alpha = p.alpha, .beta = k == 0 ? p.beta : 1.0f, .a = a, .b = b, .c = z});
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

/// A product as an engine queues it.
struct Run {
  MatmulProblem problem;
  Tiling tiling;
  std::shared_ptr<const TileLibrary> library;
};

/// z = alpha op(a) op(b) + beta z.
template <class Storage, class T>
void multiply(const Run& run, std::int64_t batch, const Tile& tile, T* z, std::int64_t z_stride) {
  const MatmulProblem& p = run.problem;
  if (tile.rows == 0 || tile.columns == 0) return;
  if (p.form.inner == 0) return scale(z, z_stride, tile.rows, tile.columns, T(p.beta));
  if constexpr (std::is_same_v<T, Storage>) {
    multiply_in_place<T>(*run.library, p, batch, tile, z, z_stride);
  } else {
    if constexpr (std::is_same_v<Storage, bfloat16>)
      if (run.tiling.as_bfloat16)
        return multiply_in_place<bfloat16>(*run.library, p, batch, tile, z, z_stride);
    multiply_widened<Storage>(*run.library, p, batch, tile, z, z_stride);
  }
}

template <class Storage, class Out>
void run_tile(const Run& run, std::int64_t batch, const Tile& tile, double* column_sums) {
  using T = std::conditional_t<std::is_same_v<Storage, double>, double, float>;
  const MatmulProblem& p = run.problem;
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
  multiply<Storage>(run, batch, tile, z, z_stride);
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
void run_tiles(const Run& run, double* partial_sums) {
  const MatmulForm& form = run.problem.form;
  const Tiling& shape = run.tiling;
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
    run_tile<Storage, Out>(run, batch, tile,
                           partial_sums ? partial_sums + i * form.columns + tile.column : nullptr);
  });
  if (!partial_sums) return;
  if (down == 0) std::fill_n(partial_sums, form.columns, 0.0);
  for (std::int64_t i = 1; i < down; ++i)
    for (std::int64_t j = 0; j < form.columns; ++j)
      partial_sums[j] += partial_sums[i * form.columns + j];
  store_sums<Out>(run.problem.bias_gradient, 0, partial_sums, form.columns,
                  form.accumulates_bias_gradient);
}

using RunTiles = void (*)(const Run&, double*);

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

class LibraryEngine : public MatmulEngine {
 public:
  explicit LibraryEngine(std::unique_ptr<TileLibrary> library) : library_(std::move(library)) {}

  std::string name() const override { return library_->name(); }
  std::string library() const override { return library_->description(); }
  bool excels(const MatmulForm& form) override {
    const Tiling tiling = default_tiling(form);
    const std::int64_t rows = std::min(form.rows, tiling.rows),
                       columns = std::min(form.columns, tiling.columns);
    return library_->excels(tile_form(form, rows, columns, form.c_row_stride), form.type);
  }

  std::vector<std::string> details(const MatmulForm& form, int limit) override {
    // OpenBLAS counts in int.
    for (std::int64_t extent : {form.rows, form.columns, form.inner, form.a_row_stride,
                                form.b_row_stride, form.c_row_stride})
      if (extent > INT_MAX) return {};
    if (form.type == DType::float64 && !library_->has_float64()) return {};
    std::vector<std::string> found;
    const auto add = [&](const Tiling& tiling) {
      const std::string detail = to_detail(tiling);
      if (int(found.size()) < limit &&
          std::find(found.begin(), found.end(), detail) == found.end() && prepare(form, tiling))
        found.push_back(detail);
    };
    Tiling first = default_tiling(form);
    const bool is_bfloat16 = form.type == DType::bfloat16;
    for (bool as_bfloat16 : {library_->prefers_bfloat16(), !library_->prefers_bfloat16()}) {
      first.as_bfloat16 = as_bfloat16;
      if (is_bfloat16 || !as_bfloat16) add(first);
    }
    const bool as_bfloat16 = is_bfloat16 && library_->prefers_bfloat16();
    for (const auto& [down, across] : {std::pair{2, 1}, {1, 2}, {2, 2}, {4, 1}, {1, 4}, {4, 2}})
      add({piece(form.rows, down, 16), piece(form.columns, across, 64), as_bfloat16});
    return found;
  }

  std::size_t workspace_bytes(const MatmulForm& form, const std::string& detail) override {
    library();  // missing libraries are reported by whoever prepares, not by work on the stream
    const Tiling tiling = from_detail(name(), detail);
    ADJOINT_CHECK(prepare(form, tiling), "matmul: the engine ", name(), " (", library(),
                  ") cannot do ", form_name(form), " by '", detail, "'; remove the stored choice");
    const std::int64_t down = std::max<std::int64_t>(1, divide_up(form.rows, tiling.rows));
    return sums_columns(form) ? std::size_t(down * form.columns) * sizeof(double) : 0;
  }

  void run(Stream& stream, const MatmulProblem& problem, const std::string& name,
           const std::string& detail, void* workspace) override {
    double* const sums = sums_columns(problem.form) ? static_cast<double*>(workspace) : nullptr;
    const RunTiles function = function_for(problem.form.type, problem.form.result_type);
    enqueue(stream, WorkKind::launch, name,
            [function, sums, run = Run{problem, from_detail(this->name(), detail), library_}] {
              function(run, sums);
            });
  }

 private:
  /// Whether the library can; it then has what the tiles of all extents need.
  bool prepare(const MatmulForm& form, const Tiling& tiling) {
    if (!tiling.as_bfloat16) return true;
    if (form.type != DType::bfloat16) return false;
    if (form.inner == 0) return true;
    for (std::int64_t rows : extents(form.rows, tiling.rows))
      for (std::int64_t columns : extents(form.columns, tiling.columns)) {
        const std::int64_t z_stride =
            form.result_type == DType::float32 ? form.c_row_stride : columns;
        if (!library_->prepare(tile_form(form, rows, columns, z_stride))) return false;
      }
    return true;
  }

  /// Those of the whole pieces and of the last one, where there are such.
  static std::vector<std::int64_t> extents(std::int64_t whole, std::int64_t piece) {
    std::vector<std::int64_t> found;
    if (whole >= piece) found.push_back(piece);
    if (whole % piece > 0) found.push_back(whole % piece);
    return found;
  }

  std::shared_ptr<TileLibrary> library_;
};

}  // namespace

std::vector<std::unique_ptr<MatmulEngine>> make_library_engines() {
  std::vector<std::unique_ptr<MatmulEngine>> engines;
  engines.push_back(std::make_unique<LibraryEngine>(make_openblas()));
#if ADJOINT_ONEDNN
  engines.push_back(std::make_unique<LibraryEngine>(make_onednn()));
#endif
  return engines;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

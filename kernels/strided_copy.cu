// to[i] (+)= scale from[i] for i over a shape, both with strides of their own. Axes are ordered by
// the strides of `to` and merged where both tensors run through them evenly, so that most copies
// end with two axes or three, and i is split by prepared divisors. Three forms:
//
//   packs      the last axis runs through both tensors: 16 bytes at a time
//   elements   it does not, or the tensors do not lie on 16 bytes
//   tiles      the last axis runs through `to` and another through `from`, a transposition: 32 x 32
//              in shared memory, so that both are accessed along their rows
#include "kernels/strided_copy.h"

#include <algorithm>

#include "core/device/kernel.h"
#include "kernels/dispatch.h"
#include "kernels/divisor.h"
#include "kernels/kernel_body.h"
#include "kernels/run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "strided_copy";
constexpr int kMostOuter = Shape::kMaxRank - 1;
constexpr int kThreads = 256;
constexpr int kItemsPerThread = 4;
constexpr int kTile = 32;

struct Axis {
  std::int64_t extent, to, from;  // strides in elements
};

/// Offsets of an index through the outer axes.
struct Outer {
  int axes = 0;
  Divisor extent[kMostOuter];  // the last axis first
  std::int64_t to[kMostOuter] = {}, from[kMostOuter] = {};
};

struct Offsets {
  std::int64_t to, from;
};

ADJOINT_DEVICE Offsets offsets_of(const Outer& outer, std::uint32_t index) {
  Offsets offsets{0, 0};
  ADJOINT_UNROLL
  for (int a = 0; a < kMostOuter; ++a) {
    if (a >= outer.axes) break;
    const std::uint32_t next = outer.extent[a].quotient(index);
    const std::uint32_t i = index - next * outer.extent[a].value();
    offsets.to += outer.to[a] * i;
    offsets.from += outer.from[a] * i;
    index = next;
  }
  return offsets;
}

template <class T>
struct Copy {
  T* to;
  const T* from;
  Accumulate<T> scale;
  bool add;
};

/// The last axis is counted in items of N elements, and so is `items`, all there are.
struct LinearShape {
  Outer outer;
  Divisor inner;
  std::uint32_t items;
  std::int64_t to_stride, from_stride;  // of the last axis, in elements
};

template <class T, int N>
ADJOINT_KERNEL_BODY void linear_body(const LinearShape& shape, const Copy<T>& copy) {
  using A = Accumulate<T>;
  Block block;
  constexpr std::uint32_t kChunk = kThreads * kItemsPerThread;
  const std::uint32_t begin = std::uint32_t(blockIdx.x) * kChunk;
  const std::uint32_t end = begin + kChunk < shape.items ? begin + kChunk : shape.items;
  const auto scaled = [scale = copy.scale](std::int64_t, A x) { return scale * x; };
  const auto added = [scale = copy.scale](std::int64_t, A x, A old) { return old + scale * x; };
  for_runs<kItemsPerThread>(block, begin, end, shape.inner, [&](auto run, auto first, int items) {
    const Offsets offsets = offsets_of(shape.outer, run);
    const std::int64_t i = std::int64_t(first) * N;
    const Run<T> to{copy.to + offsets.to + i * shape.to_stride, shape.to_stride};
    const Run<const T> from{copy.from + offsets.from + i * shape.from_stride, shape.from_stride};
    if (copy.add)
      map_run<N>(items, to, added, from, Run<const T>{to.data, to.stride});
    else
      map_run<N>(items, to, scaled, from);
  });
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) strided_copy_kernel(LinearShape shape, Copy<T> copy) {
  linear_body<T, N>(shape, copy);
}

/// Rows lie along the axis that runs through `from`, columns along that which runs through `to`.
struct TileShape {
  Outer outer;
  Divisor row_tiles, column_tiles;
  int rows, columns;
  std::int64_t to_stride;    // between rows
  std::int64_t from_stride;  // between columns
};

template <class T>
ADJOINT_KERNEL_BODY void tile_body(const TileShape& shape, const Copy<T>& copy) {
  using A = Accumulate<T>;
  ADJOINT_SHARED(A, tile, [kTile][kTile + 1]);  // + 1: columns in different banks
  Block block;
  const std::uint32_t above = shape.column_tiles.quotient(blockIdx.x);
  const int column0 = int(blockIdx.x - above * shape.column_tiles.value()) * kTile;
  const std::uint32_t batch = shape.row_tiles.quotient(above);
  const int row0 = int(above - batch * shape.row_tiles.value()) * kTile;
  const int rows = shape.rows - row0 < kTile ? shape.rows - row0 : kTile;
  const int columns = shape.columns - column0 < kTile ? shape.columns - column0 : kTile;
  const Offsets offsets = offsets_of(shape.outer, batch);
  T* const to = copy.to + offsets.to + row0 * shape.to_stride + column0;
  const T* const from = copy.from + offsets.from + column0 * shape.from_stride + row0;
  // A warp runs along `from`, then along `to`.
  const int lanes = one_thread() ? 1 : kTile, warps = one_thread() ? 1 : kThreads / kTile;
  const int warp = block.thread / lanes, lane = block.thread % lanes;
  for (int c = warp; c < columns; c += warps) ADJOINT_SIMD
  for (int r = lane; r < rows; r += lanes)
    tile[c][r] = copy.scale * A(from[c * shape.from_stride + r]);
  block.sync();
  for (int r = warp; r < rows; r += warps) {
    T* const row = to + r * shape.to_stride;
    for (int c = lane; c < columns; c += lanes)
      row[c] = copy.add ? A(row[c]) + tile[c][r] : tile[c][r];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) transpose_kernel(TileShape shape, Copy<T> copy) {
  tile_body<T>(shape, copy);
}

/// Axes by falling strides of `to`, neighbours merged where both tensors run through them evenly.
std::vector<Axis> merged_axes(const Tensor& to, const Tensor& from) {
  std::vector<Axis> axes;
  for (int a = 0; a < to.shape().rank(); ++a)
    if (to.shape()[a] != 1) axes.push_back({to.shape()[a], to.stride(a), from.stride(a)});
  std::ranges::stable_sort(axes, std::greater{}, &Axis::to);
  std::vector<Axis> merged;
  for (const Axis& axis : axes) {
    if (!merged.empty() && merged.back().to == axis.extent * axis.to &&
        merged.back().from == axis.extent * axis.from)
      merged.back() = {merged.back().extent * axis.extent, axis.to, axis.from};
    else
      merged.push_back(axis);
  }
  if (merged.empty()) merged.push_back({1, 1, 1});
  return merged;
}

Outer outer_of(const std::vector<Axis>& axes) {
  Outer outer;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    outer.extent[outer.axes] = Divisor(std::uint32_t(axis->extent));
    outer.to[outer.axes] = axis->to;
    outer.from[outer.axes] = axis->from;
    ++outer.axes;
  }
  return outer;
}

template <class T>
void launch_tiles(Stream& stream, std::vector<Axis> axes, std::size_t row_axis,
                  const Copy<T>& copy) {
  const Axis columns = axes.back(), rows = axes[row_axis];
  axes.pop_back();
  axes.erase(axes.begin() + std::ptrdiff_t(row_axis));
  const std::int64_t row_tiles = (rows.extent + kTile - 1) / kTile;
  const std::int64_t column_tiles = (columns.extent + kTile - 1) / kTile;
  std::int64_t batches = 1;
  for (const Axis& axis : axes) batches *= axis.extent;
  launch<transpose_kernel<T>>(
      stream, {.grid = batches * row_tiles * column_tiles, .block = preferred_block(kThreads)},
      TileShape{.outer = outer_of(axes),
                .row_tiles = Divisor(std::uint32_t(row_tiles)),
                .column_tiles = Divisor(std::uint32_t(column_tiles)),
                .rows = int(rows.extent),
                .columns = int(columns.extent),
                .to_stride = rows.to,
                .from_stride = columns.from},
      copy);
}

template <class T, int N>
void launch_linear(Stream& stream, std::vector<Axis> axes, const Copy<T>& copy) {
  const Axis inner = axes.back();
  axes.pop_back();
  std::int64_t items = inner.extent / N;
  for (const Axis& axis : axes) items *= axis.extent;
  constexpr std::int64_t kChunk = kThreads * kItemsPerThread;
  launch<strided_copy_kernel<T, N>>(
      stream, {.grid = (items + kChunk - 1) / kChunk, .block = preferred_block(kThreads)},
      LinearShape{.outer = outer_of(axes),
                  .inner = Divisor(std::uint32_t(inner.extent / N)),
                  .items = std::uint32_t(items),
                  .to_stride = inner.to,
                  .from_stride = inner.from},
      copy);
}

template <class T>
bool in_packs(const std::vector<Axis>& axes, int N, const Copy<T>& copy) {
  const Axis& inner = axes.back();
  if (inner.to != 1 || inner.from != 1 || inner.extent % N != 0) return false;
  for (std::size_t a = 0; a + 1 < axes.size(); ++a)
    if (axes[a].to % N != 0 || axes[a].from % N != 0) return false;
  return aligned16(copy.to) && aligned16(copy.from);
}

template <class T>
void launch_copy(Stream& stream, const std::vector<Axis>& axes, const Copy<T>& copy) {
  std::int64_t count = 1;
  for (const Axis& axis : axes) count *= axis.extent;
  if (count >= (std::int64_t{1} << 31)) {  // indices in kernels have 32 bits
    std::vector<Axis> half = axes;
    const auto longest = std::ranges::max_element(half, {}, &Axis::extent);
    const std::int64_t first = longest->extent / 2, second = longest->extent - first;
    const Copy<T> rest{copy.to + first * longest->to, copy.from + first * longest->from, copy.scale,
                       copy.add};
    longest->extent = first;
    launch_copy<T>(stream, half, copy);
    longest->extent = second;
    return launch_copy<T>(stream, half, rest);
  }
  // A block of one thread has no lanes that would read memory side by side.
  const std::int64_t shortest = gpu_blocks() ? 4 : 8;
  const Axis& last = axes.back();
  if (last.to == 1 && last.from != 1 && last.extent >= 4)
    for (std::size_t a = 0; a + 1 < axes.size(); ++a)
      if (axes[a].from == 1 && axes[a].extent >= shortest)
        return launch_tiles<T>(stream, axes, a, copy);
  if constexpr (sizeof(T) < 8)
    if (in_packs(axes, 16 / int(sizeof(T)), copy))
      return launch_linear<T, 16 / int(sizeof(T))>(stream, axes, copy);
  launch_linear<T, 1>(stream, axes, copy);
}

}  // namespace

void strided_copy(Stream& stream, Gradient to, Tensor from, double scale) {
  if (!to.wanted()) return;
  ADJOINT_CHECK(to.tensor.defined() && from.defined() && to.tensor.type() == from.type(), kName,
                ": expected two tensors of one type and shape, got ",
                to.tensor.defined() ? str(to.tensor.type()) : std::string("nothing"), " and ",
                from.defined() ? str(from.type()) : std::string("nothing"));
  if (from.count() == 0) return;
  dispatch_floating(from.dtype(), kName, [&]<class T>() {
    launch_copy<T>(
        stream, merged_axes(to.tensor, from),
        Copy<T>{to.tensor.data<T>(), from.data<T>(), Accumulate<T>(scale), to.accumulates()});
  });
}

namespace {

struct Extents {
  std::vector<std::int64_t> shape, strides;
};
Extents extents_of(const Tensor& tensor) {
  Extents extents;
  for (int a = 0; a < tensor.shape().rank(); ++a) {
    extents.shape.push_back(tensor.shape()[a]);
    extents.strides.push_back(tensor.stride(a));
  }
  return extents;
}

}  // namespace

Tensor slice_of(const Tensor& tensor, int axis, std::int64_t begin, std::int64_t extent) {
  const int rank = tensor.shape().rank();
  ADJOINT_CHECK(axis >= -rank && axis < rank, "slice_of: there is no axis ", axis, " in ",
                tensor.type());
  const int at = axis < 0 ? axis + rank : axis;
  ADJOINT_CHECK(begin >= 0 && extent >= 0 && begin + extent <= tensor.shape()[at],
                "slice_of: expected a range within the ", tensor.shape()[at], " entries of axis ",
                axis, ", got [", begin, ", ", begin + extent, ")");
  const Extents all = extents_of(tensor);
  const std::int64_t offset = begin * tensor.stride(at) * std::int64_t(size_of(tensor.dtype()));
  return Tensor(static_cast<std::byte*>(tensor.data()) + offset, tensor.dtype(),
                tensor.shape().with(at, extent), all.strides);
}

Tensor permuted(const Tensor& tensor, const std::vector<int>& axes) {
  const Extents all = extents_of(tensor);
  ADJOINT_CHECK(axes.size() == all.shape.size(), "permuted: expected ", all.shape.size(),
                " axes, got ", axes.size());
  Extents result;
  for (int axis : axes) {
    result.shape.push_back(all.shape.at(std::size_t(axis)));
    result.strides.push_back(all.strides.at(std::size_t(axis)));
  }
  return Tensor(tensor.data(), tensor.dtype(), Shape(result.shape), result.strides);
}

Tensor broadcast_along(const Tensor& tensor, int axis, std::int64_t extent) {
  Extents all = extents_of(tensor);
  ADJOINT_CHECK(axis >= 0 && std::size_t(axis) <= all.shape.size(),
                "broadcast_along: there is no place ", axis, " for an axis in ", tensor.type());
  all.shape.insert(all.shape.begin() + axis, extent);
  all.strides.insert(all.strides.begin() + axis, 0);
  return Tensor(tensor.data(), tensor.dtype(), Shape(all.shape), all.strides);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

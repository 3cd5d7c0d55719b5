// Rows of a table [vocabulary, width] by index, and the gradient of the table:
//
//   y[p, j] = table[index_p, j]             table_grad[v, j] (+)= sum over p with index_p = v of
//                                                                 dy[p, j]
//
// Positions are sorted by their index (kernels/position_sort.cuh). Of the sorted ones, equal
// neighbours are summed in pieces that end at multiples of a length L, about the root of all
// positions: each piece in the order of positions by one block, an index that lies in one piece
// straight into its row. The sums of an index with several are added in order by a second kernel.
// So an index that occurs often costs what as many different ones do, and the order of additions
// depends on the indices alone. Rows that do not occur are cleared where the gradient is
// overwritten.
#include "kernels/embedding.h"

#include "kernels/column_sum.cuh"
#include "kernels/kernel_body.h"
#include "kernels/position_sort.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "embedding";
constexpr int kThreads = 128;
constexpr int kBlocksAtOnce = 16;  // of a multiprocessor, which is full then
constexpr std::int32_t kNowhere = std::numeric_limits<std::int32_t>::max();

/// What status holds: larger for lower positions, 0 for none.
using Status = unsigned long long;
ADJOINT_HD Status encode(std::int64_t position, std::int32_t index) {
  return (Status(kNowhere - position) << 32) | std::uint32_t(index);
}

template <class T, int N>
ADJOINT_KERNEL_BODY void forward_body(T* y, const std::int32_t* indices, const T* table,
                                      std::int64_t vocabulary, int width, Status* status) {
  Block block;
  const std::int64_t position = blockIdx.x;
  const std::int32_t index = indices[position];
  T* const to = y + position * width;
  if (index < 0 || index >= vocabulary) {
    row_fill<N>(block, width, to, T(0.0f));
    if (block.thread == 0) atomicMax(status, encode(position, index));
    return;
  }
  row_copy<N>(block, width, to, table + index * std::int64_t(width));
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    embedding_forward_kernel(T* y, const std::int32_t* indices, const T* table,
                             std::int64_t vocabulary, int width, Status* status) {
  forward_body<T, N>(y, indices, table, vocabulary, width, status);
}

/// The index of a position as a key to sort by; those that have no gradient come last.
struct KeyOfIndex {
  const std::int32_t* keys;
  std::int32_t vocabulary, padding;

  ADJOINT_DEVICE std::int32_t operator()(std::int64_t p) const {
    const std::int32_t index = keys[p];
    return index < 0 || index >= vocabulary || index == padding ? vocabulary : index;
  }
};

/// log2 of L, so that there are about as many pieces of an index as positions in each.
int piece_bits(std::int64_t positions) {
  int bits = 5;
  while (std::int64_t{1} << 2 * bits < positions) ++bits;
  return bits;
}

/// Sums that pieces may leave, no fewer for more positions: of a place, one for what goes on from
/// the place before and one for what begins in it.
std::int64_t most_partials(std::int64_t positions) {
  std::int64_t places = 1;
  while (places * places < positions) places *= 2;
  return 2 * places;
}

template <class T>
struct BackwardOperands {
  T* table_grad;             // [vocabulary, width]
  const T* dy;               // [positions, width]
  SortedPositions sorted;    // [positions]
  const std::int32_t* used;  // [vocabulary + 1], or null where rows are added to
  Accumulate<T>* partials;   // [2 places, width]
  std::int64_t positions;
  int piece_bits;  // log2 of L
  std::int32_t vocabulary;
  int width;
  bool add;

  /// Where place i begins: its multiple of L.
  ADJOINT_DEVICE std::int64_t place(std::int64_t i) const { return i << piece_bits; }
  ADJOINT_DEVICE bool equal(std::int64_t a, std::int64_t b) const {
    return sorted.keys[a] == sorted.keys[b];
  }
  ADJOINT_DEVICE Accumulate<T>* partial(std::int64_t i) const { return partials + i * width; }

  /// What puts sums of packs into the row of an index.
  ADJOINT_DEVICE auto into_row(std::int32_t index) const {
    using A = Accumulate<T>;
    return
        [to = table_grad + std::int64_t(index) * width, add = add]<int M>(int i, Pack<A, M> sums) {
          if (add) {
            const auto old = convert<A>(load_pack<M>(to + i));
            ADJOINT_UNROLL
            for (int e = 0; e < M; ++e) sums[e] += old[e];
          }
          store_pack<M>(to + i, convert<T>(sums));
        };
  }
};

/// How many of 0, 1, ..., n - 1 come before the first that does not hold; those after it do not
/// either, and 0 does. Most often it is 1.
template <class Holds>
ADJOINT_DEVICE int leading(int n, const Holds& holds) {
  int held = 0, next = 1;
  for (; next < n && holds(next); next *= 2) held = next;
  if (next > n) next = n;
  while (next - held > 1) {
    const int middle = (held + next) / 2;
    (holds(middle) ? held : next) = middle;
  }
  return next;
}

/// The piece that begins at place s of the sorted positions, if one does.
template <class T, int N>
ADJOINT_KERNEL_BODY void piece_body(const BackwardOperands<T>& in, std::int64_t s) {
  using A = Accumulate<T>;
  const Block block;
  const std::int32_t index = in.sorted.keys[s];
  const bool begins = s == 0 || !in.equal(s - 1, s);
  const std::int64_t place = s >> in.piece_bits;
  const bool at_place = s == in.place(place);
  if (index == in.vocabulary || (!begins && !at_place)) return;
  const std::int64_t left = in.positions - s, most = in.place(place + 1) - s;
  const int count =
      leading(int(left < most ? left : most), [&](int k) { return in.equal(s + k, s); });
  const std::int64_t end = s + count;
  const auto row_of = [&](int k) {
    return in.dy + std::int64_t(in.sorted.positions[s + k]) * in.width;
  };
  if (begins && (end == in.positions || !in.equal(end, s))) {
    sum_rows<N, A>(block, in.width, count, row_of, in.into_row(index));
  } else {
    A* const to = in.partial(2 * place + (at_place ? 0 : 1));
    sum_rows<N, A>(block, in.width, count, row_of,
                   [to]<int M>(int i, const Pack<A, M>& sums) { store_pack<M>(to + i, sums); });
  }
}

/// Clears the row of an index that does not occur.
template <class T, int N>
ADJOINT_DEVICE void clear_unused(const BackwardOperands<T>& in, std::int64_t index) {
  const Block block;
  if (in.used[index] == 0) row_fill<N>(block, in.width, in.table_grad + index * in.width, T(0.0f));
}

/// Blocks first for the places of sorted positions, then for the rows of the table.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    embedding_backward_kernel(BackwardOperands<T> in) {
  const std::int64_t s = blockIdx.x;
  if (s < in.positions)
    piece_body<T, N>(in, s);
  else
    clear_unused<T, N>(in, s - in.positions);
}

/// The index whose pieces go on beyond the place of this block, if they begin in it.
template <class T, int N>
ADJOINT_KERNEL_BODY void total_body(const BackwardOperands<T>& in) {
  using A = Accumulate<T>;
  const Block block;
  const std::int64_t place = blockIdx.x, first = in.place(place);
  const std::int64_t next = in.place(place + 1);
  const std::int32_t index = in.sorted.keys[next - 1];
  if (index == in.vocabulary || !in.equal(next, next - 1)) return;
  if (first > 0 && in.equal(first - 1, next - 1)) return;
  // The places from here on that it reaches.
  const int left = int((in.positions - 1) >> in.piece_bits) - int(place) + 1;
  const int count =
      leading(left, [&](int k) { return k == 0 || in.equal(in.place(place + k), next); });
  const std::int64_t begin = 2 * place + (in.equal(first, next) ? 0 : 1);
  const auto row_of = [&](int k) {
    return static_cast<const A*>(in.partial(k == 0 ? begin : 2 * (place + k)));
  };
  sum_rows<N, A>(block, in.width, count, row_of, in.into_row(index));
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    embedding_totals_kernel(BackwardOperands<T> in) {
  total_body<T, N>(in);
}

int threads_for(std::int64_t width, int N) {
  const std::int64_t packs = (width + N - 1) / N;
  return packs >= kThreads ? kThreads : packs == 0 ? 32 : int((packs + 31) / 32 * 32);
}

struct Extents {
  std::int64_t positions, vocabulary, width;
};

Extents check_embedding(const Tensor& rows, const Tensor& indices, const Tensor& table) {
  ADJOINT_CHECK(indices.defined() && table.defined() && table.shape().rank() == 2, kName,
                ": expected indices and a table [vocabulary, width]");
  const Extents extents{indices.count(), table.shape()[0], table.shape()[1]};
  ADJOINT_CHECK(extents.positions < kNowhere && extents.vocabulary < kNowhere &&
                    extents.width < (std::int64_t{1} << 30),
                kName,
                ": expected fewer than 2^31 positions and rows, of fewer than 2^30 elements");
  check_operand(kName, "indices", indices, {DType::int32, {extents.positions}});
  check_operand(kName, "table", table, table.type());
  check_operand(kName, "rows", rows, {table.dtype(), {extents.positions, extents.width}});
  return extents;
}

/// Calls function.template operator()<T, N>() with the packs that rows of these tensors allow.
template <class Function>
void dispatch_embedding(DType dtype, std::int64_t width, std::initializer_list<Tensor> operands,
                        const Function& function) {
  const bool aligned = rows_aligned(width, operands);
  dispatch_floating(dtype, kName, [&]<class T>() {
    if constexpr (sizeof(T) < 8)
      if (gpu_blocks() && aligned) return function.template operator()<T, 16 / int(sizeof(T))>();
    function.template operator()<T, 1>();
  });
}

}  // namespace

TensorType embedding_scratch(std::int64_t positions, std::int64_t vocabulary, std::int64_t width,
                             DType dtype) {
  const auto element = std::int64_t(size_of(accumulation_type(dtype)));
  const std::int64_t partials = most_partials(positions) * width * element / 4;
  return {DType::int32, {partials + vocabulary + 1 + sort_counts(positions) + 4 * positions}};
}

BadIndex embedding_bad_index(const std::int32_t status[2]) {
  // Little-endian: the index is the first word.
  if (status[1] == 0) return {-1, 0};
  return {std::int64_t(kNowhere) - status[1], status[0]};
}

void embedding_forward(Stream& stream, Tensor y, Tensor indices, Tensor table, Tensor status) {
  const Extents extents = check_embedding(y, indices, table);
  check_operand(kName, "status", status, {DType::int32, {2}});
  ADJOINT_CHECK(reinterpret_cast<std::uintptr_t>(status.data()) % sizeof(Status) == 0, kName,
                ": status: expected memory aligned to 8 bytes");
  dispatch_embedding(table.dtype(), extents.width, {y, table}, [&]<class T, int N>() {
    launch<embedding_forward_kernel<T, N>, kRowBlocks<N, 0>>(
        stream,
        {.grid = extents.positions, .block = preferred_block(threads_for(extents.width, N))},
        y.data<T>(), indices.data<std::int32_t>(), table.data<T>(), extents.vocabulary,
        int(extents.width), reinterpret_cast<Status*>(status.data()));
  });
}

void embedding_backward(Stream& stream, Gradient table_grad, Tensor indices, Tensor dy,
                        std::int64_t padding, Tensor scratch) {
  if (!table_grad.wanted()) return;
  const Extents extents = check_embedding(dy, indices, table_grad.tensor);
  const std::int64_t positions = extents.positions, vocabulary = extents.vocabulary;
  const TensorType needed = embedding_scratch(positions, vocabulary, extents.width, dy.dtype());
  ADJOINT_CHECK(scratch.defined() && scratch.dtype() == needed.dtype && scratch.contiguous() &&
                    scratch.count() >= needed.shape.count() && aligned16(scratch.data()),
                kName, ": scratch: expected at least ", needed, " on 16 bytes");
  ADJOINT_CHECK(positions + vocabulary < kNowhere, kName,
                ": expected fewer than 2^31 positions and rows together");
  const bool add = table_grad.accumulates();
  // The partial sums first, on 16 bytes.
  std::int32_t* const keys = scratch.data<std::int32_t>() + (needed.shape.count() - 4 * positions);
  SortedPositions buffers[2] = {{keys, keys + positions},
                                {keys + 2 * positions, keys + 3 * positions}};
  std::int32_t* const counts = keys - sort_counts(positions);
  // One more than rows: positions without a gradient have the key `vocabulary`.
  std::int32_t* const used = counts - (vocabulary + 1);
  if (!add) fill_bytes(stream, used, 0, std::size_t(vocabulary + 1) * sizeof(std::int32_t));
  const SortedPositions sorted = sort_positions(
      stream, positions, std::int32_t(vocabulary),
      KeyOfIndex{indices.data<std::int32_t>(), std::int32_t(vocabulary), std::int32_t(padding)},
      buffers, counts, add ? nullptr : used);
  dispatch_embedding(dy.dtype(), extents.width, {dy, table_grad.tensor}, [&]<class T, int N>() {
    const BackwardOperands<T> operands{.table_grad = table_grad.tensor.data<T>(),
                                       .dy = dy.data<T>(),
                                       .sorted = sorted,
                                       .used = add ? nullptr : used,
                                       .partials = static_cast<Accumulate<T>*>(scratch.data()),
                                       .positions = positions,
                                       .piece_bits = piece_bits(positions),
                                       .vocabulary = std::int32_t(vocabulary),
                                       .width = int(extents.width),
                                       .add = add};
    const auto block = preferred_block(threads_for(extents.width, N));
    launch<embedding_backward_kernel<T, N>, kRowBlocks<N, 0>>(
        stream, {.grid = positions + (add ? 0 : vocabulary), .block = block}, operands);
    if (positions == 0) return;
    // But for the last place, beyond which nothing goes on.
    launch<embedding_totals_kernel<T, N>, kRowBlocks<N, 0>>(
        stream, {.grid = (positions - 1) >> operands.piece_bits, .block = block}, operands);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Rows of a table [vocabulary, width] by index, and the gradient of the table:
//
//   y[p, j] = table[index_p, j]             table_grad[v, j] (+)= sum over p with index_p = v of
//                                                                 dy[p, j]
//
// The sum over equal indices has the order of their positions, without float atomics: a first
// kernel counts how often each index occurs and notes its first position (integer atomics, whose
// order does not matter); then the block of each first position goes through the positions behind
// it until it has met as many as were counted. So an index that occurs once costs no search, and k
// repeated ones cost at most k times the positions in integer comparisons. Rows that do not occur
// are cleared where the gradient is overwritten.
#include "kernels/embedding.h"

#include "core/device/kernel.h"
#include "kernels/kernel_body.h"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "embedding";
constexpr int kThreads = 128;
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
    ADJOINT_BLOCK_FOR(block, i, width) to[i] = T(0.0f);
    if (block.thread == 0) atomicMax(status, encode(position, index));
    return;
  }
  const T* const from = table + index * std::int64_t(width);
  if (one_thread()) {
    ADJOINT_SIMD
    for (int i = 0; i < width; ++i) to[i] = from[i];
  } else {
    for_packs<N, 0>(block, width,
                    [&](int, int i) { store_pack<N>(to + i, load_pack<N>(from + i)); });
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    embedding_forward_kernel(T* y, const std::int32_t* indices, const T* table,
                             std::int64_t vocabulary, int width, Status* status) {
  forward_body<T, N>(y, indices, table, vocabulary, width, status);
}

/// first[v] and count[v] of scratch, before counting.
__global__ void __launch_bounds__(kThreads)
    embedding_clear_kernel(std::int32_t* first, std::int32_t* count, std::int64_t vocabulary) {
  ADJOINT_GRID_FOR(v, vocabulary) {
    first[v] = kNowhere;
    count[v] = 0;
  }
}

__global__ void __launch_bounds__(kThreads)
    embedding_count_kernel(std::int32_t* first, std::int32_t* count, const std::int32_t* indices,
                           std::int64_t positions, std::int64_t vocabulary, std::int64_t padding) {
  ADJOINT_GRID_FOR(p, positions) {
    const std::int32_t index = indices[p];
    if (index >= 0 && index < vocabulary && index != padding) {
      atomicMin(first + index, std::int32_t(p));
      atomicAdd(count + index, 1);
    }
  }
}

template <class T>
struct BackwardOperands {
  T* table_grad;                // [vocabulary, width]
  const T* dy;                  // [positions, width]
  const std::int32_t* indices;  // [positions]
  const std::int32_t* first;    // [vocabulary]
  const std::int32_t* count;    // [vocabulary]
  std::int64_t positions, vocabulary;
  int width;
  bool add;
};

/// Rows that do not occur, where the gradient is overwritten.
template <class T, int N>
__global__ void __launch_bounds__(kThreads) embedding_unused_kernel(BackwardOperands<T> in) {
  Block block;
  const std::int64_t row = blockIdx.x;
  if (in.count[row] != 0) return;
  T* const to = in.table_grad + row * in.width;
  if (one_thread()) {
    for (int i = 0; i < in.width; ++i) to[i] = T(0.0f);
    return;
  }
  Pack<T, N> zeros;
  ADJOINT_UNROLL
  for (int k = 0; k < N; ++k) zeros[k] = T(0.0f);
  for_packs<N, 0>(block, in.width, [&](int, int i) { store_pack<N>(to + i, zeros); });
}

/// The next position after p with this index. There is one.
ADJOINT_DEVICE std::int64_t next_position(const std::int32_t* indices, std::int64_t p,
                                          std::int32_t index) {
  do ++p;
  while (indices[p] != index);
  return p;
}

/// The same, the block looking at as many positions at a time as it has threads; every thread gets
/// it.
ADJOINT_DEVICE std::int64_t next_position(Block& block, const std::int32_t* indices,
                                          std::int64_t positions, std::int64_t p,
                                          std::int32_t index) {
  if (one_thread()) return next_position(indices, p, index);
  for (std::int64_t begin = p + 1;; begin += block.threads) {
    const std::int64_t mine = begin + block.thread;
    const bool found = mine < positions && indices[mine] == index;
    // Nearer positions give larger numbers, exact in float32; 0 for none.
    const float nearest = block.max(found ? float(block.threads - block.thread) : 0.0f);
    if (nearest > 0.0f) return begin + block.threads - std::int64_t(nearest);
  }
}

template <class T, int N>
ADJOINT_KERNEL_BODY void backward_body(const BackwardOperands<T>& in) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t position = blockIdx.x;
  const std::int32_t index = in.indices[position];
  if (index < 0 || index >= in.vocabulary || in.first[index] != position) return;
  T* const to = in.table_grad + index * std::int64_t(in.width);
  const int count = in.count[index];
  // A slice of the row at a time, a pack a thread; the host's one thread takes longer packs.
  constexpr int kHostSlice = 256;
  const int slice = one_thread() ? kHostSlice : block.threads * N;
  for (int begin = 0; begin < in.width; begin += slice) {
    const int length = in.width - begin < slice ? in.width - begin : slice;
    const T* const from = in.dy + begin;
    std::int64_t p = position;
    if (one_thread()) {
      A sums[kHostSlice] = {};
      for (int k = 0; k < count; ++k) {
        if (k > 0) p = next_position(in.indices, p, index);
        const T* const row = from + p * in.width;
        ADJOINT_SIMD
        for (int i = 0; i < length; ++i) sums[i] += A(row[i]);
      }
      for (int i = 0; i < length; ++i)
        to[begin + i] = static_cast<T>(in.add ? A(to[begin + i]) + sums[i] : sums[i]);
      continue;
    }
    const int i = block.thread * N;
    Pack<A, N> sums{};
    for (int k = 0; k < count; ++k) {
      if (k > 0) p = next_position(block, in.indices, in.positions, p, index);
      if (i >= length) continue;
      const auto row = convert<A>(load_pack<N>(from + p * in.width + i));
      ADJOINT_UNROLL
      for (int e = 0; e < N; ++e) sums[e] += row[e];
    }
    if (i >= length) continue;
    if (in.add) {
      const auto old = convert<A>(load_pack<N>(to + begin + i));
      ADJOINT_UNROLL
      for (int e = 0; e < N; ++e) sums[e] += old[e];
    }
    store_pack<N>(to + begin + i, convert<T>(sums));
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) embedding_backward_kernel(BackwardOperands<T> in) {
  backward_body<T, N>(in);
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
      if (aligned) return function.template operator()<T, 16 / int(sizeof(T))>();
    function.template operator()<T, 1>();
  });
}

std::int64_t grid_for(std::int64_t n) { return (n + kThreads * 8 - 1) / (kThreads * 8); }

}  // namespace

TensorType embedding_scratch(std::int64_t vocabulary) { return {DType::int32, {2, vocabulary}}; }

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
    launch<embedding_forward_kernel<T, N>>(
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
  check_operand(kName, "scratch", scratch, embedding_scratch(extents.vocabulary));
  std::int32_t* const first = scratch.data<std::int32_t>();
  std::int32_t* const count = first + extents.vocabulary;
  const auto shape = [](std::int64_t n) {
    return LaunchShape{.grid = grid_for(n), .block = preferred_block(kThreads)};
  };
  launch<embedding_clear_kernel>(stream, shape(extents.vocabulary), first, count,
                                 extents.vocabulary);
  launch<embedding_count_kernel>(stream, shape(extents.positions), first, count,
                                 indices.data<std::int32_t>(), extents.positions,
                                 extents.vocabulary, padding);
  dispatch_embedding(dy.dtype(), extents.width, {dy, table_grad.tensor}, [&]<class T, int N>() {
    const BackwardOperands<T> operands{.table_grad = table_grad.tensor.data<T>(),
                                       .dy = dy.data<T>(),
                                       .indices = indices.data<std::int32_t>(),
                                       .first = first,
                                       .count = count,
                                       .positions = extents.positions,
                                       .vocabulary = extents.vocabulary,
                                       .width = int(extents.width),
                                       .add = table_grad.accumulates()};
    const auto block = preferred_block(threads_for(extents.width, N));
    if (!table_grad.accumulates())
      launch<embedding_unused_kernel<T, N>>(stream, {.grid = extents.vocabulary, .block = block},
                                            operands);
    launch<embedding_backward_kernel<T, N>>(stream, {.grid = extents.positions, .block = block},
                                            operands);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

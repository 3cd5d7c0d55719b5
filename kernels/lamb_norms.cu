// LAMB's moments and norms: the formulas stand in kernels/lamb_norms.h. A block sums one piece of
// one parameter; the last block of a parameter to finish adds its partial sums.
#include "kernels/lamb_norms.h"

#include "kernels/lamb_direction.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// {|p|^2, |u|^2} of a piece, with its moments updated.
template <class T, bool kMixed>
ADJOINT_DEVICE Values<double, 2> update_piece(const Block& block, const SlabPiece& piece,
                                              const T* __restrict__ master,
                                              const void* __restrict__ gradient,
                                              T* __restrict__ first, T* __restrict__ second,
                                              const SlabArrays& call, const LambNorms& options) {
  constexpr int kWidth = kUpdateWidth<T, kMixed>;
  const UpdateState& state = *call.state;
  const LambDirection<T> direction(options.epsilon,
                                   SlabStep{state, 0, piece.weight_decay, piece.parameter});
  const T scale = T(state.gradient_scale);
  const T limit = call.clip_value > 0 ? T(call.clip_value) : std::numeric_limits<T>::infinity();
  const T gain1 = T(1 - options.beta1), beta2 = T(options.beta2), gain2 = T(1 - options.beta2);
  double parameter_sums[kWidth] = {}, update_sums[kWidth] = {};
  for_slab<kWidth>(block, piece.length, [&](int i, auto n) {
    const std::int64_t at = piece.begin + i;
    const auto g = load_gradient<T, n, kMixed>(gradient, call.gradient_type, at);
    const auto p = load_slab<T, n>(master + at);
    auto m = load_slab<T, n>(first + at);
    auto v = load_slab<T, n>(second + at);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) {
      const T clipped = clamped(g[j] * scale, limit);
      m[j] = without_subnormals(m[j] + gain1 * (clipped - m[j]));
      v[j] = without_subnormals(beta2 * v[j] + gain2 * clipped * clipped);
      const double u = double(direction(p[j], m[j], v[j]));
      parameter_sums[j] += double(p[j]) * double(p[j]);
      update_sums[j] += u * u;
    }
    store_slab(first + at, m);
    store_slab(second + at, v);
  });
  Values<double, 2> sums{};
  ADJOINT_UNROLL
  for (int j = 0; j < kWidth; ++j) {
    sums[0] += parameter_sums[j];
    sums[1] += update_sums[j];
  }
  return sums;
}

template <class T, bool kMixed>
// With 16-bit tensors ptxas is held to the registers of three blocks; 0 asks nothing.
__global__ void __launch_bounds__(kSlabThreads, kMixed ? 3 : 0)
    lamb_norms_kernel(const T* __restrict__ master, const void* __restrict__ gradient,
                      T* __restrict__ first, T* __restrict__ second, SlabArrays call,
                      ParameterNorms norms, LambNorms options) {
  if (call.state->finite == 0) return;
  Block block;
  const SlabPiece piece = call.pieces[blockIdx.x];
  const PieceRange range = norms.pieces[piece.parameter];
  Values<double, 2> sums = block.sum(
      update_piece<T, kMixed>(block, piece, master, gradient, first, second, call, options));

  bool last = false;
  if (block.thread == 0) {
    norms.partial_sums[2 * std::int64_t(blockIdx.x)] = sums[0];
    norms.partial_sums[2 * std::int64_t(blockIdx.x) + 1] = sums[1];
    __threadfence();  // the partial sums are visible before their arrival is counted
    last = atomicAdd(norms.arrived + piece.parameter, 1u) == unsigned(range.count) - 1;
  }
  if (!block.any(last)) return;
  __threadfence();  // and are read after all arrivals were

  sums = {};
  ADJOINT_BLOCK_FOR(block, i, range.count) {
    const double* const from = norms.partial_sums + 2 * (std::int64_t(range.first) + i);
    sums[0] += __ldcg(from);
    sums[1] += __ldcg(from + 1);
  }
  sums = block.sum(sums);
  if (block.thread == 0) {
    norms.arrived[piece.parameter] = 0;  // for the next step
    norms.ratio[piece.parameter] = sums[0] > 0 && sums[1] > 0 ? std::sqrt(sums[0] / sums[1]) : 1.0;
  }
}

}  // namespace

void lamb_norms(Stream& stream, const SlabUpdate& call, const LambNorms& options) {
  check_slab_update("lamb_norms", call);
  ADJOINT_CHECK(call.moments[0].defined() && call.moments[1].defined(),
                "lamb_norms: expected two moments");
  ADJOINT_CHECK(call.norms.ratio != nullptr, "lamb_norms: expected memory for the norms");
  dispatch_update("lamb_norms", call, [&]<class T, bool kMixed>() {
    launch<lamb_norms_kernel<T, kMixed>>(
        stream, {.grid = call.piece_count, .block = preferred_block(kSlabThreads)},
        call.master.data<T>(), static_cast<const void*>(call.gradient.data()),
        call.moments[0].data<T>(), call.moments[1].data<T>(), slab_arrays(call), call.norms,
        options);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// SGD with momentum: the formulas stand in kernels/sgd.h. Bound by memory: every array is read and
// written once, 16 bytes at a time; without momentum there is no velocity to move.
#include "kernels/sgd.h"

#include "core/device/kernel.h"
#include "kernels/slab.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

template <class T, class Gradient, class Compute, bool kMomentum>
__global__ void __launch_bounds__(kSlabThreads)
    sgd_kernel(T* __restrict__ master, const Gradient* __restrict__ gradient, T* __restrict__ v,
               Compute* __restrict__ compute, std::int64_t count, double momentum,
               double weight_decay, const UpdateState* __restrict__ state) {
  if (state->finite == 0) return;
  const Block block;
  const T gradient_scale = T(state->gradient_scale), decay = T(weight_decay);
  const T rate = T(state->learning_rate), kept = T(momentum);
  const std::int64_t begin = std::int64_t(blockIdx.x) * kSlabPiece;
  const int length = int(count - begin < kSlabPiece ? count - begin : kSlabPiece);

  for_slab<kSlabWidth<NarrowestOf<Gradient, Compute>>>(block, length, [&](int i, auto n) {
    const std::int64_t at = begin + i;
    const auto g = load_slab<T, n>(gradient + at);
    auto p = load_slab<T, n>(master + at);
    SlabPack<T, n> velocity;
    if constexpr (kMomentum) velocity = load_slab<T, n>(v + at);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) {
      const T total = g[j] * gradient_scale + decay * p[j];
      velocity[j] = kMomentum ? kept * velocity[j] + total : total;
      p[j] -= rate * velocity[j];
    }
    store_slab(master + at, p);
    if constexpr (kMomentum) store_slab(v + at, velocity);
    if constexpr (!std::is_void_v<Compute>) store_slab(compute + at, p);
  });
}

template <bool kMomentum>
void launch_sgd(Stream& stream, const SgdUpdate& call) {
  const std::int64_t count = call.master.count();
  dispatch_slab(
      "sgd", call.master, call.gradient, call.compute,
      [&]<class T, class Gradient, class Compute>() {
        launch<sgd_kernel<T, Gradient, Compute, kMomentum>>(
            stream,
            {.grid = (count + kSlabPiece - 1) / kSlabPiece, .block = preferred_block(kSlabThreads)},
            call.master.data<T>(), call.gradient.data<Gradient>(), static_cast<T*>(call.v.data()),
            static_cast<Compute*>(call.compute.data()), count, call.momentum, call.weight_decay,
            call.state);
      });
}

}  // namespace

void sgd(Stream& stream, const SgdUpdate& call) {
  check_slab("sgd", "master", call.master);
  const TensorType type = call.master.type();
  check_slab("sgd", "gradient", call.gradient, {call.gradient.dtype(), type.shape});
  if (call.compute.defined()) {
    check_slab("sgd", "compute", call.compute, {call.compute.dtype(), type.shape});
  }
  if (call.momentum == 0) return launch_sgd<false>(stream, call);
  check_slab("sgd", "v", call.v, type);
  launch_sgd<true>(stream, call);
}

}  // namespace adjoint::inline ADJOINT_BACKEND

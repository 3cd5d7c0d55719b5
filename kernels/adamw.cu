// AdamW: the formulas stand in kernels/adamw.h. Bound by memory: of float32 parameters it reads 16
// bytes each (p, gradient, m, v) and writes 12, every array once and 16 bytes at a time.
#include "kernels/adamw.h"

#include <cmath>

#include "core/device/kernel.h"
#include "kernels/slab.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

struct AdamWConstants {
  double beta1, beta2, epsilon, weight_decay;
};

/// The scalars of this step in the type of the arithmetic, from those that the device keeps.
template <class T>
struct AdamWFactors {
  T gradient_scale, decay, one_minus_beta1, beta2, one_minus_beta2, root_factor, epsilon, step_size;

  ADJOINT_DEVICE AdamWFactors(const AdamWConstants& constants, const UpdateState& state)
      : gradient_scale(T(state.gradient_scale)),
        decay(T(1 - state.learning_rate * constants.weight_decay)),
        one_minus_beta1(T(1 - constants.beta1)),
        beta2(T(constants.beta2)),
        one_minus_beta2(T(1 - constants.beta2)),
        root_factor(T(state.second_factor)),
        epsilon(T(constants.epsilon)),
        step_size(T(state.learning_rate * state.first_factor)) {}
};

template <class T, class Gradient, class Compute>
__global__ void __launch_bounds__(kSlabThreads)
    adamw_kernel(T* __restrict__ master, const Gradient* __restrict__ gradient, T* __restrict__ m,
                 T* __restrict__ v, Compute* __restrict__ compute, std::int64_t count,
                 AdamWConstants constants, const UpdateState* __restrict__ state) {
  if (state->finite == 0) return;
  const Block block;
  const AdamWFactors<T> f(constants, *state);
  const std::int64_t begin = std::int64_t(blockIdx.x) * kSlabPiece;
  const int length = int(count - begin < kSlabPiece ? count - begin : kSlabPiece);

  for_slab<kSlabWidth<NarrowestOf<Gradient, Compute>>>(block, length, [&](int i, auto n) {
    const std::int64_t at = begin + i;
    const auto g = load_slab<T, n>(gradient + at);
    auto p = load_slab<T, n>(master + at);
    auto first = load_slab<T, n>(m + at);
    auto second = load_slab<T, n>(v + at);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) {
      const T mean = g[j] * f.gradient_scale;
      first[j] += f.one_minus_beta1 * (mean - first[j]);
      second[j] = f.beta2 * second[j] + f.one_minus_beta2 * mean * mean;
      const T denominator = std::sqrt(second[j]) * f.root_factor + f.epsilon;
      p[j] = p[j] * f.decay - f.step_size * (first[j] / denominator);
    }
    store_slab(master + at, p);
    store_slab(m + at, first);
    store_slab(v + at, second);
    if constexpr (!std::is_void_v<Compute>) store_slab(compute + at, p);
  });
}

}  // namespace

void adamw(Stream& stream, const AdamWUpdate& call) {
  check_slab("adamw", "master", call.master);
  const TensorType type = call.master.type();
  check_slab("adamw", "gradient", call.gradient, {call.gradient.dtype(), type.shape});
  check_slab("adamw", "m", call.m, type);
  check_slab("adamw", "v", call.v, type);
  if (call.compute.defined()) {
    check_slab("adamw", "compute", call.compute, {call.compute.dtype(), type.shape});
  }
  const AdamWConstants constants{call.beta1, call.beta2, call.epsilon, call.weight_decay};
  const std::int64_t count = call.master.count();
  dispatch_slab(
      "adamw", call.master, call.gradient, call.compute,
      [&]<class T, class Gradient, class Compute>() {
        launch<adamw_kernel<T, Gradient, Compute>>(
            stream,
            {.grid = (count + kSlabPiece - 1) / kSlabPiece, .block = preferred_block(kSlabThreads)},
            call.master.data<T>(), call.gradient.data<Gradient>(), call.m.data<T>(),
            call.v.data<T>(), static_cast<Compute*>(call.compute.data()), count, constants,
            call.state);
      });
}

}  // namespace adjoint::inline ADJOINT_BACKEND

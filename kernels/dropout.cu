// Inverted dropout (Srivastava et al. 2014): y_i = x_i keep_i / (1 - p), P(keep_i) = 1 - p; the
// gradient is dx_i = dy_i keep_i / (1 - p). keep_i is word i % 4 of Philox(seed, (i / 4, place,
// step)), at or above p 2^32.
#include "kernels/dropout.h"

#include <cmath>

#include "core/device/philox.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// A function of packs for map_packs(): multiplies by 0 or `scale`, adds what lies there if asked.
template <class A>
struct Dropout {
  std::uint64_t seed, place, step;
  std::uint64_t threshold;  // keep words >= this; 2^32 keeps none
  A scale;                  // 1 / (1 - p)

  ADJOINT_DEVICE PhiloxWords words(std::int64_t group) const {
    return philox(seed, philox_counter(std::uint64_t(group), place, step));
  }

  template <int N>
  ADJOINT_DEVICE Pack<A, N> operator()(std::int64_t i, const Pack<A, N>& in) const {
    Pack<A, N> out;
    if constexpr (N % 4 == 0) {
      Pack<std::uint32_t, N> random;
      ADJOINT_SIMD
      for (int group = 0; group < N / 4; ++group) {
        const PhiloxWords drawn = words(i / 4 + group);
        random[4 * group] = drawn.x;
        random[4 * group + 1] = drawn.y;
        random[4 * group + 2] = drawn.z;
        random[4 * group + 3] = drawn.w;
      }
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) out[k] = random[k] >= threshold ? in[k] * scale : A(0);
    } else {
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) {
        const PhiloxWords drawn = words((i + k) / 4);
        const int lane = int((i + k) % 4);
        const std::uint32_t random = lane == 0   ? drawn.x
                                     : lane == 1 ? drawn.y
                                     : lane == 2 ? drawn.z
                                                 : drawn.w;
        out[k] = random >= threshold ? in[k] * scale : A(0);
      }
    }
    return out;
  }

  template <int N>
  ADJOINT_DEVICE Pack<A, N> operator()(std::int64_t i, const Pack<A, N>& in,
                                       const Pack<A, N>& old) const {
    Pack<A, N> out = (*this)(i, in);
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) out[k] += old[k];
    return out;
  }
};

template <class T, int N, bool kAdd>
__global__ void __launch_bounds__(kMapThreads, 4)
    dropout_kernel(MapShape shape, T* out, const T* in, Dropout<Accumulate<T>> dropout,
                   const std::uint64_t* step) {
  dropout.step = *step;
  if constexpr (kAdd)
    map_packs<N>(shape, out, dropout, in, static_cast<const T*>(out));
  else
    map_packs<N>(shape, out, dropout, in);
}

}  // namespace

void dropout(Stream& stream, Gradient out, Tensor in, double p, const RandomState& random,
             std::uint64_t place) {
  if (!out.wanted()) return;
  ADJOINT_CHECK(p >= 0.0 && p <= 1.0, "dropout: expected a probability in [0, 1], got ", p);
  ADJOINT_CHECK(random.step != nullptr, "dropout: expected a step counter in device memory");
  check_operand("dropout", "in", in, {out.tensor.dtype(), in.shape()});
  check_operand("dropout", "out", out.tensor, {in.dtype(), in.shape()});
  // Rounded last: of float32's 0.999 it would be 1000.013.
  const double scale = p < 1.0 ? 1.0 / (1.0 - p) : 0.0;
  dispatch_floating(in.dtype(), "dropout", [&]<class T>() {
    const Dropout<Accumulate<T>> drop{.seed = random.seed,
                                      .place = place,
                                      .step = 0,
                                      .threshold = std::uint64_t(std::llround(p * 4294967296.0)),
                                      .scale = Accumulate<T>(scale)};
    const auto run = [&]<int N>(MapShape map, LaunchShape shape) {
      if (out.accumulates())
        launch<dropout_kernel<T, N, true>>(stream, shape, map, out.tensor.data<T>(), in.data<T>(),
                                           drop, random.step);
      else
        launch<dropout_kernel<T, N, false>>(stream, shape, map, out.tensor.data<T>(), in.data<T>(),
                                            drop, random.step);
    };
    dispatch_map<kMapPack<T>>(in.count(), {out.tensor, in}, run, /*aligned_groups=*/true);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The update kernel of all optimizers. An optimizer is a functor over one element (its `Step`), a
// template over the type of the arithmetic:
//
//   template <class T>
//   struct SgdStep {
//     static constexpr int kMoments = 1;
//     ADJOINT_DEVICE SgdStep(const SgdOptions& options, const SlabStep& at);  // once a piece
//     ADJOINT_DEVICE void operator()(T g, T& p, T& v) const;                  // an element
//   };
//   launch_slab_update<SgdStep>(stream, call, options);
//
// with g = gradient_scale gradient, clamped to the clip value. A block takes one piece of the slab
// and its scalars are computed once; every array is read and written once, 16 bytes at a time. A
// step whose gradient is not finite touches nothing.
//
// Three instances for each optimizer: float64, float32, and float32 with 16-bit tensors, which are
// told apart at run time: the branch is the same for a whole launch and costs nothing beside
// memory, while an instance for each combination would double the compile time.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/kernel_body.h"
#include "kernels/slab.h"
#include "kernels/slab_update.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What of a step is the same for one piece.
struct SlabStep {
  const UpdateState& state;
  double rate;  ///< learning rate of this piece
  double weight_decay;
  std::int32_t parameter;
};

/// The arrays beside master as the kernel sees them.
struct SlabArrays {
  DType gradient_type, compute_type;
  double clip_value;
  const SlabPiece* pieces;
  const UpdateState* state;
};

/// A Step may say that it needs no gradient and changes no moment.
template <class Step>
concept ReadsMomentsOnly = requires {
  typename Step::ReadsMomentsOnly;
};

/// Elements at once: 16 bytes of the narrowest array, see kSlabWidth.
template <class T, bool kMixed>
inline constexpr int kUpdateWidth = kSlabWidth<std::conditional_t<kMixed, bfloat16, T>>;

template <class T, int N, bool kMixed>
ADJOINT_DEVICE SlabPack<T, N> load_gradient(const void* gradient, DType type, std::int64_t at) {
  if constexpr (kMixed) {
    if (type == DType::bfloat16)
      return load_slab<T, N>(static_cast<const bfloat16*>(gradient) + at);
    if (type == DType::float16) return load_slab<T, N>(static_cast<const float16*>(gradient) + at);
  }
  return load_slab<T, N>(static_cast<const T*>(gradient) + at);
}

template <class T, int N>
ADJOINT_DEVICE void store_compute(void* compute, DType type, std::int64_t at,
                                  const SlabPack<T, N>& p) {
  if (type == DType::bfloat16)
    store_slab(static_cast<bfloat16*>(compute) + at, p);
  else
    store_slab(static_cast<float16*>(compute) + at, p);
}

template <class T, int N>
ADJOINT_DEVICE SlabPack<T, N> load_moment(const T* moment, std::int64_t at) {
  if (moment != nullptr) return load_slab<T, N>(moment + at);
  return {};
}

/// Within [-limit, limit]; NaN stays.
template <class T>
ADJOINT_DEVICE T clamped(T value, T limit) {
  return value > limit ? limit : value < -limit ? -limit : value;
}

/// x, or 0 where it is subnormal. A moment decays by a factor a step, so those of units and rows of
/// tables that get no gradient end among the subnormals and stay there, whose arithmetic takes
/// processors ten times as long; in an update they are nothing.
template <class T>
ADJOINT_DEVICE T without_subnormals(T x) {
  return std::abs(x) < std::numeric_limits<T>::min() ? T(0) : x;
}

template <class Step, class T>
ADJOINT_DEVICE void update_element(const Step& step, T g, T& p, T& a, T& b, T& c) {
  if constexpr (Step::kMoments == 0) step(g, p);
  if constexpr (Step::kMoments == 1) step(g, p, a);
  if constexpr (Step::kMoments == 2) step(g, p, a, b);
  if constexpr (Step::kMoments == 3) step(g, p, a, b, c);
  a = without_subnormals(a), b = without_subnormals(b), c = without_subnormals(c);
}

template <template <class> class StepOf, class Options, class T, bool kMixed>
ADJOINT_KERNEL_BODY void slab_update_body(T* __restrict__ master, const void* __restrict__ gradient,
                                          T* __restrict__ first, T* __restrict__ second,
                                          T* __restrict__ third, void* __restrict__ compute,
                                          T* __restrict__ average, SlabArrays call,
                                          Options options) {
  using Step = StepOf<T>;
  const UpdateState& state = *call.state;
  if (state.finite == 0) return;
  const Block block;
  const SlabPiece piece = call.pieces[blockIdx.x];
  const Step step(options, SlabStep{state, state.learning_rate * piece.rate_scale,
                                    piece.weight_decay, piece.parameter});
  const T scale = T(state.gradient_scale);
  const T limit = call.clip_value > 0 ? T(call.clip_value) : std::numeric_limits<T>::infinity();
  const T kept = T(state.average_kept);

  for_slab<kUpdateWidth<T, kMixed>>(block, piece.length, [&](int i, auto n) {
    const std::int64_t at = piece.begin + i;
    SlabPack<T, n> g{}, a{}, b{}, c{};
    if constexpr (!ReadsMomentsOnly<Step>)
      g = load_gradient<T, n, kMixed>(gradient, call.gradient_type, at);
    auto p = load_slab<T, n>(master + at);
    if constexpr (Step::kMoments > 0) a = load_moment<T, n>(first, at);
    if constexpr (Step::kMoments > 1) b = load_moment<T, n>(second, at);
    if constexpr (Step::kMoments > 2) c = load_moment<T, n>(third, at);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) {
      update_element(step, clamped(g[j] * scale, limit), p[j], a[j], b[j], c[j]);
    }
    store_slab(master + at, p);
    if constexpr (!ReadsMomentsOnly<Step>) {
      if (Step::kMoments > 0 && first != nullptr) store_slab(first + at, a);
      if (Step::kMoments > 1 && second != nullptr) store_slab(second + at, b);
      if (Step::kMoments > 2 && third != nullptr) store_slab(third + at, c);
    }
    if constexpr (kMixed) store_compute(compute, call.compute_type, at, p);
    if (average != nullptr) {
      auto mean = load_slab<T, n>(average + at);
      ADJOINT_SIMD
      for (int j = 0; j < n; ++j) mean[j] = averaged_with(mean[j], p[j], kept);
      store_slab(average + at, mean);
    }
  });
}

template <template <class> class StepOf, class Options, class T, bool kMixed>
__global__ void __launch_bounds__(kSlabThreads)
    slab_update_kernel(T* __restrict__ master, const void* __restrict__ gradient,
                       T* __restrict__ first, T* __restrict__ second, T* __restrict__ third,
                       void* __restrict__ compute, T* __restrict__ average, SlabArrays call,
                       Options options) {
  slab_update_body<StepOf, Options, T, kMixed>(master, gradient, first, second, third, compute,
                                               average, call, options);
}

/// Throws Error for tensors of one update that do not fit each other, `kernel` being its name.
inline void check_slab_update(std::string_view kernel, const SlabUpdate& call) {
  check_slab(kernel, "master", call.master);
  const TensorType type = call.master.type();
  check_slab(kernel, "gradient", call.gradient, {call.gradient.dtype(), type.shape});
  for (const Tensor& moment : call.moments)
    if (moment.defined()) check_slab(kernel, "moment", moment, type);
  if (call.average.defined()) check_slab(kernel, "average", call.average, type);
  if (call.compute.defined())
    check_slab(kernel, "compute", call.compute, {call.compute.dtype(), type.shape});
}

/// Calls function.template operator()<T, kMixed>() for the combinations of types that graphs make:
/// float64 throughout; float32; float32 with a 16-bit copy and a gradient of that type or float32.
template <class Function>
void dispatch_update(std::string_view kernel, const SlabUpdate& call, const Function& function) {
  const DType m = call.master.dtype(), g = call.gradient.dtype();
  if (!call.compute.defined()) {
    if (m == DType::float32 && g == m) return function.template operator()<float, false>();
    if (m == DType::float64 && g == m) return function.template operator()<double, false>();
  } else {
    const DType c = call.compute.dtype();
    if (m == DType::float32 && (c == DType::bfloat16 || c == DType::float16) && (g == m || g == c))
      return function.template operator()<float, true>();
  }
  ADJOINT_FAIL(kernel, ": no update for ", name(m), " master parameters with ", name(g),
               " gradients and ", call.compute.defined() ? name(call.compute.dtype()) : "no",
               " compute copy; expected float32 or float64 throughout, or float32 with a 16-bit "
               "copy and a gradient of either type");
}

inline SlabArrays slab_arrays(const SlabUpdate& call) {
  return {.gradient_type = call.gradient.dtype(),
          .compute_type = call.compute.defined() ? call.compute.dtype() : DType::float32,
          .clip_value = call.clip_value,
          .pieces = call.pieces,
          .state = call.state};
}

/// Puts one kernel on the stream. Throws Error for types, shapes or alignments that do not fit.
template <template <class> class StepOf, class Options>
void launch_slab_update(Stream& stream, const SlabUpdate& call, const Options& options) {
  check_slab_update(Options::kType, call);
  dispatch_update(Options::kType, call, [&]<class T, bool kMixed>() {
    const auto moment = [&](int i) { return static_cast<T*>(call.moments[std::size_t(i)].data()); };
    launch<slab_update_kernel<StepOf, Options, T, kMixed>>(
        stream, {.grid = call.piece_count, .block = preferred_block(kSlabThreads)},
        call.master.data<T>(), static_cast<const void*>(call.gradient.data()), moment(0), moment(1),
        moment(2), call.compute.data(), static_cast<T*>(call.average.data()), slab_arrays(call),
        options);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

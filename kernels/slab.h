// Loops over slabs: the flat, 16-byte aligned ranges in which all parameters of a model lie, and
// their gradients and moments beside them. A block takes one contiguous piece, its threads take
// packs of kWidth elements in turn, so that each array is read and written 16 bytes at a time; the
// elements after the last whole pack go one by one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/device/kernel.h"
#include "core/tensor/tensor.h"
#include "kernels/totals.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Elements of one block's piece in an update: whole packs of every type.
inline constexpr int kSlabPiece = 4096;
inline constexpr int kSlabThreads = 256;

/// Elements a thread takes at once where the narrowest array is one of T: 16 bytes of it. On the
/// host a thread is a loop, whose vectors are wider and want several in flight. kSlabChains: as
/// many float64 sums, one for each place in a pack; the host's vectors of four doubles want eight.
#if defined(__CUDACC__)
template <class Narrowest>
inline constexpr int kSlabWidth = 16 / int(sizeof(Narrowest));
template <class T>
inline constexpr int kSlabChains = kSlabWidth<T>;
#else
template <class Narrowest>
inline constexpr int kSlabWidth = 16;
template <class T>
inline constexpr int kSlabChains = 32;
#endif

/// The narrower of a gradient's and a compute copy's type; Compute may be void.
template <class Gradient, class Compute>
using NarrowestOf = std::conditional_t<std::is_void_v<Compute>, Gradient, Compute>;

/// N elements in registers, in the type that is computed in.
template <class T, int N>
struct SlabPack {
  T v[N];

  ADJOINT_DEVICE T& operator[](int i) { return v[i]; }
  ADJOINT_DEVICE const T& operator[](int i) const { return v[i]; }
};

/// What one memory instruction moves.
template <class T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) SlabWord {
  T v[N];
};

/// Reads N elements as values of type T; `from` is aligned to all of them or to 16 bytes.
template <class T, int N, class Stored>
ADJOINT_DEVICE SlabPack<T, N> load_slab(const Stored* from) {
#if defined(__CUDACC__)
  const auto word = *reinterpret_cast<const SlabWord<Stored, N>*>(from);
#else
  // In place: a copy to be converted would go through the stack.
  const auto& word = *reinterpret_cast<const SlabWord<Stored, N>*>(from);
#endif
  SlabPack<T, N> pack;
  ADJOINT_UNROLL
  for (int i = 0; i < N; ++i) pack[i] = T(word.v[i]);
  return pack;
}

/// The reverse, rounding to the stored type. Each number is assigned, which the host's compiler
/// rounds many at a time, where objects made of them would be rounded one by one.
template <class T, int N, class Stored>
ADJOINT_DEVICE void store_slab(Stored* to, const SlabPack<T, N>& pack) {
  SlabWord<Stored, N> word;
  if constexpr (std::is_same_v<T, Stored>) {
    ADJOINT_UNROLL
    for (int i = 0; i < N; ++i) word.v[i] = pack[i];
  } else {
    ADJOINT_SIMD
    for (int i = 0; i < N; ++i) word.v[i] = pack[i];
  }
  *reinterpret_cast<SlabWord<Stored, N>*>(to) = word;
}

/// Throws Error unless the tensor is one contiguous, 16-byte aligned range. Any number of elements.
inline void check_slab(std::string_view kernel, std::string_view operand, const Tensor& tensor) {
  ADJOINT_CHECK(tensor.defined() && tensor.shape().rank() == 1 && tensor.contiguous(), kernel, ": ",
                operand, ": expected one contiguous axis, got ",
                tensor.defined() ? str(tensor.type()) : std::string("nothing"));
  ADJOINT_CHECK(reinterpret_cast<std::uintptr_t>(tensor.data()) % 16 == 0, kernel, ": ", operand,
                ": expected memory aligned to 16 bytes; place it at the start of a buffer");
}

/// The same, and of this type and length.
inline void check_slab(std::string_view kernel, std::string_view operand, const Tensor& tensor,
                       const TensorType& expected) {
  check_slab(kernel, operand, tensor);
  ADJOINT_CHECK(tensor.type() == expected, kernel, ": ", operand, ": expected ", expected,
                " like the master parameters, got ", tensor.type());
}

/// Calls function.template operator()<Master, Gradient, Compute>() for the combinations of types
/// that graphs make: float64 throughout; float32; float32 with a 16-bit compute copy and a gradient
/// of that type or float32. Compute is void without a copy.
template <class Function>
void dispatch_slab(std::string_view kernel, const Tensor& master, const Tensor& gradient,
                   const Tensor& compute, const Function& function) {
  const DType m = master.dtype(), g = gradient.dtype();
  if (!compute.defined()) {
    if (m == DType::float32 && g == m) return function.template operator()<float, float, void>();
    if (m == DType::float64 && g == m) return function.template operator()<double, double, void>();
  } else if (m == DType::float32) {
    const DType c = compute.dtype();
    if (c == DType::bfloat16 && g == m)
      return function.template operator()<float, float, bfloat16>();
    if (c == DType::bfloat16 && g == c)
      return function.template operator()<float, bfloat16, bfloat16>();
    if (c == DType::float16 && g == m) return function.template operator()<float, float, float16>();
    if (c == DType::float16 && g == c)
      return function.template operator()<float, float16, float16>();
  }
  ADJOINT_FAIL(kernel, ": no update for ", name(m), " master parameters with ", name(g),
               " gradients and ", compute.defined() ? name(compute.dtype()) : "no",
               " compute copy; expected float32 or float64 throughout, or float32 with a 16-bit "
               "copy and a gradient of either type");
}

/// A loss's totals (kernels/totals.h) as the device sees them: float32, of a float64 loss float64.
struct LossTotals {
  const float* narrow = nullptr;
  const double* wide = nullptr;

  ADJOINT_DEVICE double operator[](int i) const {
    return wide != nullptr ? wide[i] : double(narrow[i]);
  }
};

/// Throws Error unless the tensor is float32 or float64 totals.
inline LossTotals loss_totals(std::string_view kernel, const Tensor& totals) {
  const bool wide = totals.defined() && totals.dtype() == DType::float64;
  ADJOINT_CHECK(totals.defined() && (wide || totals.dtype() == DType::float32) &&
                    is_totals(totals.shape()) && totals.contiguous(),
                kernel, ": totals: expected contiguous float32 [3] or float64 [3], got ",
                totals.defined() ? str(totals.type()) : std::string("nothing"),
                "; [4] where the sum is not to be divided");
  return wide ? LossTotals{.wide = totals.data<double>()}
              : LossTotals{.narrow = totals.data<float>()};
}

/// The number of elements body() takes, as a type.
template <int N>
using SlabCount = std::integral_constant<int, N>;

/// Calls body(i, SlabCount<n>) so that every i in [0, length) is covered once: by packs of kWidth,
/// then by single elements.
template <int kWidth, class Body>
ADJOINT_DEVICE void for_slab(const Block& block, int length, const Body& body) {
  const int packs = length / kWidth;
  ADJOINT_BLOCK_FOR(block, pack, packs) body(pack * kWidth, SlabCount<kWidth>{});
  const int rest = packs * kWidth;
  ADJOINT_BLOCK_FOR(block, i, length - rest) body(rest + i, SlabCount<1>{});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

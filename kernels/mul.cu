// y_i (+)= a_i b_i. Any shape; i over all elements.
#include "kernels/mul.h"

#include "kernels/kernel_body.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T, int N, bool kAdd>
ADJOINT_KERNEL_BODY void mul_body(const MapShape& shape, T* y, const T* a, const T* b) {
  using A = Accumulate<T>;
  if constexpr (kAdd)
    map<N>(
        shape, y, [](std::int64_t, A a, A b, A old) { return old + a * b; }, a, b,
        static_cast<const T*>(y));
  else
    map<N>(
        shape, y, [](std::int64_t, A a, A b) { return a * b; }, a, b);
}

template <class T, int N, bool kAdd>
__global__ void __launch_bounds__(kMapThreads, 4)
    mul_kernel(MapShape shape, T* y, const T* a, const T* b) {
  mul_body<T, N, kAdd>(shape, y, a, b);
}

}  // namespace

void mul(Stream& stream, Gradient y, Tensor a, Tensor b) {
  if (!y.wanted()) return;
  const TensorType type = y.tensor.type();
  check_operand("mul", "y", y.tensor, type);
  check_operand("mul", "a", a, type);
  check_operand("mul", "b", b, type);
  dispatch_floating(type.dtype, "mul", [&]<class T>() {
    dispatch_map<kMapPack<T>>(
        a.count(), {y.tensor, a, b}, [&]<int N>(MapShape map, LaunchShape shape) {
          T* const to = y.tensor.data<T>();
          if (y.accumulates())
            launch<mul_kernel<T, N, true>>(stream, shape, map, to, a.data<T>(), b.data<T>());
          else
            launch<mul_kernel<T, N, false>>(stream, shape, map, to, a.data<T>(), b.data<T>());
        });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

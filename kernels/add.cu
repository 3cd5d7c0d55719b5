// y_i = a_i + b_i, and the gradient of a value used twice: dx_i (+)= dy_i. Any shape; i over all
// elements.
#include "kernels/add.h"

#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class Y, class A, class B, int N>
__global__ void __launch_bounds__(kMapThreads, 4)
    add_kernel(MapShape shape, Y* y, const A* a, const B* b) {
  map<N>(
      shape, y, [](std::int64_t, Accumulate<A> a, Accumulate<B> b) { return a + b; }, a, b);
}

template <class Out, class In, int N>
__global__ void __launch_bounds__(kMapThreads, 4)
    copy_kernel(MapShape shape, Out* out, const In* in) {
  map<N>(
      shape, out, [](std::int64_t, Accumulate<In> value) { return value; }, in);
}

template <class Out, class In>
void contribute_as(Stream& stream, const Gradient& dx, const Tensor& dy) {
  dispatch_map<kMapPack<Out, In>>(
      dy.count(), {dx.tensor, dy}, [&]<int N>(MapShape map, LaunchShape shape) {
        Out* const out = dx.tensor.data<Out>();
        if (dx.accumulates())
          launch<add_kernel<Out, Out, In, N>>(stream, shape, map, out, out, dy.data<In>());
        else
          launch<copy_kernel<Out, In, N>>(stream, shape, map, out, dy.data<In>());
      });
}

}  // namespace

void add(Stream& stream, Tensor y, Tensor a, Tensor b) {
  ADJOINT_CHECK(y.defined(), "add: expected a tensor for y");
  check_operand("add", "y", y, y.type());
  check_operand("add", "a", a, y.type());
  check_operand("add", "b", b, y.type());
  dispatch_floating(y.dtype(), "add", [&]<class T>() {
    dispatch_map<kMapPack<T>>(y.count(), {y, a, b}, [&]<int N>(MapShape map, LaunchShape shape) {
      launch<add_kernel<T, T, T, N>>(stream, shape, map, y.data<T>(), a.data<T>(), b.data<T>());
    });
  });
}

void contribute(Stream& stream, Gradient dx, Tensor dy) {
  if (!dx.wanted()) return;
  const DType dtype = dx.tensor.dtype();
  ADJOINT_CHECK(dtype == dy.dtype() || dtype == DType::float32, "contribute: dx: expected ",
                name(dy.dtype()), " or float32, got ", name(dtype));
  check_operand("contribute", "dx", dx.tensor, {dtype, dy.shape()});
  check_operand("contribute", "dy", dy, dy.type());
  if (dx.tensor.data() == dy.data() && !dx.accumulates()) return;
  dispatch_floating(dy.dtype(), "contribute", [&]<class T>() {
    if (dtype == dy.dtype())
      contribute_as<T, T>(stream, dx, dy);
    else
      contribute_as<float, T>(stream, dx, dy);
  });
}

void contribute_zeros(Stream& stream, const Gradient& dx) {
  if (!dx.wanted() || dx.accumulates()) return;
  ADJOINT_CHECK(dx.tensor.contiguous(), "contribute_zeros: expected a contiguous dx");
  fill_bytes(stream, dx.tensor.data(), 0, dx.tensor.bytes());
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

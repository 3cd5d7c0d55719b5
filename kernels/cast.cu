// y_i = scale x_i in another floating type; i over all elements. The product is formed in x's
// accumulation type and rounded once.
#include "kernels/cast.h"

#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class Y, class X, int N>
__global__ void __launch_bounds__(kMapThreads, 4)
    cast_kernel(MapShape shape, Y* y, const X* x, Accumulate<X> scale) {
  map<N>(
      shape, y, [scale](std::int64_t, Accumulate<X> x) { return Accumulate<Y>(scale * x); }, x);
}

}  // namespace

void cast(Stream& stream, Tensor y, Tensor x, float scale) {
  ADJOINT_CHECK(
      x.defined() && y.defined() && x.contiguous() && y.contiguous() && x.count() == y.count(),
      "cast: expected contiguous tensors of one count, got ", y.type(), " and ", x.type());
  dispatch_floating(x.dtype(), "cast", [&]<class X>() {
    dispatch_floating(y.dtype(), "cast", [&]<class Y>() {
      dispatch_map<kMapPack<X, Y>>(x.count(), {y, x}, [&]<int N>(MapShape map, LaunchShape shape) {
        launch<cast_kernel<Y, X, N>>(stream, shape, map, y.data<Y>(), x.data<X>(), scale);
      });
    });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

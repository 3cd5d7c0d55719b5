// a[i], b[i] = b[i], a[i]; 16 bytes at a time.
#include "kernels/swap_slabs.h"

#include "core/device/kernel.h"
#include "kernels/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
__global__ void __launch_bounds__(kSlabThreads)
    swap_slabs_kernel(T* __restrict__ a, T* __restrict__ b, std::int64_t count,
                      const UpdateState* __restrict__ state) {
  if (state != nullptr && state->step == 0) return;
  const Block block;
  const std::int64_t begin = std::int64_t(blockIdx.x) * kSlabPiece;
  const int length = int(count - begin < kSlabPiece ? count - begin : kSlabPiece);
  for_slab<kSlabWidth<T>>(block, length, [&](int i, auto n) {
    const auto x = load_slab<T, n>(a + begin + i);
    const auto y = load_slab<T, n>(b + begin + i);
    store_slab(a + begin + i, y);
    store_slab(b + begin + i, x);
  });
}

}  // namespace

void swap_slabs(Stream& stream, const Tensor& a, const Tensor& b, const UpdateState* state) {
  check_slab("swap_slabs", "a", a);
  check_slab("swap_slabs", "b", b, a.type());
  const auto run = [&]<class T>() {
    launch<swap_slabs_kernel<T>>(
        stream,
        {.grid = (a.count() + kSlabPiece - 1) / kSlabPiece, .block = preferred_block(kSlabThreads)},
        a.data<T>(), b.data<T>(), a.count(), state);
  };
  if (a.dtype() == DType::float32) return run.template operator()<float>();
  if (a.dtype() == DType::float64) return run.template operator()<double>();
  ADJOINT_FAIL("swap_slabs: expected float32 or float64, got ", name(a.dtype()));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

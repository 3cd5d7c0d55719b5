// Gradients of a row, for losses that keep rows in registers (kernels/row.h).
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/loss.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Where rows of a gradient go: nowhere, over what is there, or added to it.
template <class T>
struct GradientRows {
  T* data;  // [rows, cols], or null
  bool add;
};

/// Checks that a gradient wanted has this type.
template <class T>
GradientRows<T> gradient_rows(std::string_view kernel, const Gradient& gradient,
                              const TensorType& type) {
  if (!gradient.wanted()) return {nullptr, false};
  check_operand(kernel, "gradient", gradient.tensor, type);
  return {gradient.tensor.data<T>(), gradient.accumulates()};
}

/// to (+)= function(i, x, a, b) for the row at `base`; nothing if it is not wanted. Written after
/// what stood before it in the kernel, also where two gradients share memory: a thread sees the
/// same elements each time.
template <class T, class Function, class X, class A, class B>
ADJOINT_DEVICE void write_gradient(const Block& block, int cols, const GradientRows<T>& to,
                                   std::int64_t base, const Function& function, const X& x,
                                   const A& a, const B& b) {
  using Number = Accumulate<T>;
  if (to.data == nullptr) return;
  T* const row = to.data + base;
  if (to.add) {
    const auto added = [&](int i, Number x, Number a, Number b, Number old) {
      return old + function(i, x, a, b);
    };
    row_map(block, cols, row, added, x, a, b, Memory{static_cast<const T*>(row)});
  } else {
    row_map(block, cols, row, function, x, a, b);
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

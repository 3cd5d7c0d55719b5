// The direction of LAMB's update, which its two kernels share: kernels/lamb_norms.h has the
// formula.
#pragma once

#include <cmath>

#include "kernels/slab_update.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

template <class T>
struct LambDirection {
  T first_factor, root_factor, epsilon, weight_decay;

  ADJOINT_DEVICE LambDirection(double epsilon, const SlabStep& at)
      : first_factor(T(at.state.first_factor)),
        root_factor(T(at.state.second_factor)),
        epsilon(T(epsilon)),
        weight_decay(T(at.weight_decay)) {}
  ADJOINT_DEVICE T operator()(T p, T m, T v) const {
    return m * first_factor / (std::sqrt(v) * root_factor + epsilon) + weight_decay * p;
  }
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// OpenBLAS, loaded when the first product needs it. Loaded rather than linked, because what it
// knows of the processor is fixed while it loads: version 0.3.21 takes newer AMD processors with
// AVX-512 for older ones without, and the variable that corrects it must be set before. So a
// program that multiplies nothing does not need it either.
#pragma once

#include <string>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// cblas_sgemm and cblas_dgemm by their C interface; layouts and transposes are CBLAS's numbers.
struct Blas {
  static constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

  template <class T>
  using Gemm = void (*)(int layout, int transpose_a, int transpose_b, int rows, int columns,
                        int inner, T alpha, const T* a, int a_stride, const T* b, int b_stride,
                        T beta, T* c, int c_stride);
  Gemm<float> sgemm = nullptr;
  Gemm<double> dgemm = nullptr;
  std::string description;  ///< "OpenBLAS 0.3.21 SkylakeX"
};

/// The library, one thread per call. Throws Error naming the package to install if there is none.
const Blas& blas();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

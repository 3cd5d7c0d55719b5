// The one door for matrix products. Behind it stand cuBLASLt (cuda) or OpenBLAS on tiles fixed by
// shape (host), and on both a tile kernel of ours; which of them runs is chosen once per problem:
// the first deterministic choice unless tuned by timing.
#pragma once

#include <cstdint>

#include "core/tensor/tensor.h"
#include "kernels/engines/engine_choices.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What happens to a product while it is still in registers (cuda) or cache (host). With
/// z = alpha op(a) op(b) + beta c, for a result of `rows` x `columns`:
enum class Epilogue : std::uint8_t {
  none,           ///< c = z
  bias,           ///< c = z + bias
  bias_relu,      ///< c = max(z + bias, 0)          `saved`: one bit per element, whether c > 0
  bias_gelu,      ///< c = gelu(z + bias), tanh form; `saved`: z + bias
  relu_backward,  ///< c = z where `saved` says so, else 0; bias_gradient = column sums of c
  gelu_backward,  ///< c = z gelu'(saved);                  bias_gradient = column sums of c
  /// c = z, and bias_gradient = sums of op(a) over `inner`, for the product that makes a weight's
  /// gradient: dW [out, in] = dy^T x with a = dy transposed, so bias_gradient = column sums of dy.
  reduce_a,
};

/// c = epilogue(alpha op(a) op(b) + beta c). Matrices are row-major and may have a row stride (last
/// axis contiguous); a third, leading axis is a batch, with any stride, and then the epilogue must
/// be `none`. op(a) is [rows, inner], op(b) is [inner, columns], c is [rows, columns]. a and b have
/// one floating type and c the same; products of 16-bit types accumulate in float32, and c may be
/// float32 then. Zero rows, columns or inner are legal (inner 0 gives z = beta c). c may not
/// overlap a or b.
struct Matmul {
  Tensor a, b, c;
  bool transpose_a = false;
  bool transpose_b = false;
  float alpha = 1.0f;
  float beta = 0.0f;  ///< 0 never reads c, 1 accumulates
  Epilogue epilogue = Epilogue::none;
  Tensor bias;   ///< [columns], type of c; for bias, bias_relu and bias_gelu
  Tensor saved;  ///< of matmul_saved_type(); optional forward (inference), required backward
  /// Optional, type of c: [columns] for relu_backward and gelu_backward, [rows] for reduce_a.
  Tensor bias_gradient;
  bool accumulate_bias_gradient = false;
};

/// Type and shape of `Matmul::saved` for the activation of a [rows, columns] result of type
/// `dtype`, given its forward or its backward epilogue; all engines agree on it. As cuBLASLt lays
/// its auxiliary matrices out, rows are padded: ReLU has uint8 [rows, columns / 8] with the columns
/// rounded up to a multiple of 128 and the bit of column j at j % 8 counted from the lowest, GELU
/// has dtype [rows, columns] with the columns rounded up to a multiple of 8. Padding is undefined.
TensorType matmul_saved_type(Epilogue activation, std::int64_t rows, std::int64_t columns,
                             DType dtype);

/// Puts the product on the context's main stream. Throws Error naming the matrices if shapes, types
/// or strides do not fit. Chooses an engine on first sight of a problem, which is not possible
/// during capture: call prepare_matmul before.
void matmul(Context& context, const Matmul& product);

/// Chooses the engine for products of this form and sizes the workspace. Of addresses only the
/// alignment matters (null is aligned to 16 bytes, and others should be). May allocate; launches
/// nothing unless tuning.
void prepare_matmul(Context& context, const Matmul& product);

/// The engines of matrix products and what was chosen among them: the library's engine first, then
/// "tile", our own.
EngineKind& matmul_engines(Context& context);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

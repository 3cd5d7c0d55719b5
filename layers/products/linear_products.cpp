#include "layers/products/linear_products.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Matmul linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y) {
  return {.a = x.as_matrix(),
          .b = weight,
          .c = y.as_matrix(),
          .transpose_b = true,
          .epilogue = bias.defined() ? Epilogue::bias : Epilogue::none,
          .bias = bias};
}

Matmul linear_weight_gradient(const Tensor& x, const Tensor& dy, const Gradient& weight,
                              const Gradient& bias) {
  return {.a = dy.as_matrix(),
          .b = x.as_matrix(),
          .c = weight.tensor,
          .transpose_a = true,
          .beta = weight.accumulates() ? 1.0f : 0.0f,
          .epilogue = bias.wanted() ? Epilogue::reduce_a : Epilogue::none,
          .bias_gradient = bias.wanted() ? bias.tensor : Tensor(),
          .accumulate_bias_gradient = bias.accumulates()};
}

Matmul linear_input_gradient(const Tensor& dy, const Tensor& weight, const Gradient& dx) {
  return {.a = dy.as_matrix(),
          .b = weight,
          .c = dx.tensor.as_matrix(),
          .beta = dx.accumulates() ? 1.0f : 0.0f};
}

void prepare_linear(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensor& y, const Gradient& dweight, const Gradient& dbias) {
  prepare_matmul(context, linear_forward(x, weight, bias, y));
  for (const GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
    const auto in_mode = [&](const Gradient& gradient) {
      return gradient.wanted() ? Gradient{gradient.tensor, mode} : Gradient{};
    };
    if (dweight.wanted())
      prepare_matmul(context, linear_weight_gradient(x, y, in_mode(dweight), in_mode(dbias)));
    prepare_matmul(context, linear_input_gradient(y, weight, {x, mode}));
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

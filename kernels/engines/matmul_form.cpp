// What is known of a product's form: its name, its hash, and what its epilogue is.
#include <algorithm>
#include <array>

#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace {
constexpr std::array<const char*, 7> kEpilogueNames{
    "none", "bias", "bias_relu", "bias_gelu", "relu_backward", "gelu_backward", "reduce_a"};
}  // namespace

bool is_forward(Epilogue e) {
  return e == Epilogue::bias || e == Epilogue::bias_relu || e == Epilogue::bias_gelu;
}
bool is_backward(Epilogue e) {
  return e == Epilogue::relu_backward || e == Epilogue::gelu_backward;
}
bool has_saved(Epilogue e) {
  return e == Epilogue::bias_relu || e == Epilogue::bias_gelu || is_backward(e);
}

const char* epilogue_name(Epilogue epilogue) { return kEpilogueNames.at(std::size_t(epilogue)); }

std::string form_name(const MatmulForm& form) {
  std::string text = str(name(form.type), " ", form.rows, "x", form.columns, "x", form.inner, " ",
                         form.transpose_a ? "t" : "n", form.transpose_b ? "t" : "n");
  if (form.result_type != form.type) text += str(" to ", name(form.result_type));
  if (form.batches != 1) text += str(" batch ", form.batches);
  if (form.epilogue != Epilogue::none) text += str(" ", epilogue_name(form.epilogue));
  if (form.saves) text += " saved";
  if (form.bias_gradient)
    text += form.accumulates_bias_gradient ? " bias_gradient+=" : " bias_gradient";
  if (form.reads_c) text += " +c";
  const std::int64_t a = form.transpose_a ? form.rows : form.inner,
                     b = form.transpose_b ? form.inner : form.columns;
  const auto dense = [](std::int64_t columns) { return std::max<std::int64_t>(1, columns); };
  if (form.a_row_stride != dense(a) || form.b_row_stride != dense(b) ||
      form.c_row_stride != dense(form.columns))
    text += str(" strides ", form.a_row_stride, ",", form.b_row_stride, ",", form.c_row_stride);
  if (form.alignment < 16) text += str(" align ", form.alignment);
  return text;
}

std::size_t form_hash(const MatmulForm& form) {
  std::uint64_t hash = 0;
  const auto add = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u ^ (hash >> 29);
  };
  for (std::int64_t value : {form.rows, form.columns, form.inner, form.batches, form.a_row_stride,
                             form.b_row_stride, form.c_row_stride})
    add(std::uint64_t(value));
  add(std::uint64_t(form.type) | std::uint64_t(form.result_type) << 8 |
      std::uint64_t(form.epilogue) << 16 | std::uint64_t(form.alignment) << 24 |
      std::uint64_t(form.transpose_a) << 32 | std::uint64_t(form.transpose_b) << 33 |
      std::uint64_t(form.reads_c) << 34 | std::uint64_t(form.saves) << 35 |
      std::uint64_t(form.bias_gradient) << 36 |
      std::uint64_t(form.accumulates_bias_gradient) << 37);
  return std::size_t(hash);
}

TensorType matmul_saved_type(Epilogue activation, std::int64_t rows, std::int64_t columns,
                             DType dtype) {
  ADJOINT_CHECK(has_saved(activation), "matmul_saved_type: the epilogue ",
                epilogue_name(activation), " saves nothing");
  if (activation == Epilogue::bias_relu || activation == Epilogue::relu_backward)
    return {DType::uint8, {rows, (columns + 127) / 128 * 16}};
  return {dtype, {rows, (columns + 7) / 8 * 8}};
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The door: checks a product, reduces it to a MatmulProblem, and hands it to the engine that is
// chosen for its form.
#include "kernels/engines/matmul.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "core/base/error.h"
#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// Largest power of two up to 16 that divides all the values, which are addresses and strides in
/// bytes.
int common_alignment(std::initializer_list<std::uint64_t> values) {
  std::uint64_t bits = 16;
  for (std::uint64_t value : values) bits |= value;
  return int(bits & -bits);
}

/// A matrix of the product, its strides checked. Extents are as stored, before any transpose.
struct Stored {
  MatrixView view;
  std::int64_t batches = 1, rows = 0, columns = 0;
};

Stored stored_matrix(const Tensor& tensor, const char* which) {
  ADJOINT_CHECK(tensor.defined(), "matmul: the matrix ", which, " is not defined");
  const Shape& shape = tensor.shape();
  ADJOINT_CHECK(shape.rank() == 2 || shape.rank() == 3, "matmul: expected ", which,
                " to be [rows, columns] or [batch, rows, columns], got ", shape);
  Stored stored{.rows = shape[-2], .columns = shape[-1]};
  ADJOINT_CHECK(stored.columns <= 1 || tensor.stride(-1) == 1, "matmul: expected the last axis of ",
                which, " ", shape, " to be contiguous, got a stride of ", tensor.stride(-1),
                "; transpose by flag, not by strides");
  // With a single row its stride means nothing, and libraries check it nevertheless.
  const std::int64_t stride =
      stored.rows <= 1 ? std::max<std::int64_t>(1, stored.columns) : tensor.stride(-2);
  ADJOINT_CHECK(stride >= stored.columns, "matmul: expected the rows of ", which, " ", shape,
                " not to overlap, got a row stride of ", stride);
  stored.view = {.data = tensor.data(), .row_stride = std::max<std::int64_t>(1, stride)};
  if (shape.rank() == 3) {
    stored.batches = shape[0];
    stored.view.batch_stride = tensor.stride(0);
  }
  return stored;
}

void check_types(const Matmul& m) {
  const DType type = m.a.dtype(), result = m.c.dtype();
  ADJOINT_CHECK(is_floating(type), "matmul: expected a floating type, got ", m.a.type(), " for a");
  ADJOINT_CHECK(m.b.dtype() == type, "matmul: expected a and b of one type, got ", m.a.type(),
                " and ", m.b.type());
  const bool widened = size_of(type) == 2 && result == DType::float32;
  ADJOINT_CHECK(result == type || widened, "matmul: expected c of type ", name(type),
                size_of(type) == 2 ? " or float32" : "", ", got ", m.c.type());
}

void check_vector(const Tensor& vector, const char* what, const Matmul& m, std::int64_t count) {
  const TensorType expected{m.c.dtype(), {count}};
  ADJOINT_CHECK(vector.type() == expected && vector.contiguous(), "matmul: expected ", what,
                " to be ", expected, " and contiguous, got ", vector.type());
}

void check_absent(const Tensor& tensor, const char* what, const Matmul& m) {
  ADJOINT_CHECK(!tensor.defined(), "matmul: the epilogue ", epilogue_name(m.epilogue),
                " has no use for ", what);
}

/// Everything that goes with the epilogue.
void check_epilogue(const Matmul& m, std::int64_t rows, std::int64_t columns, int rank) {
  ADJOINT_CHECK(m.epilogue == Epilogue::none || rank == 2,
                "matmul: expected the epilogue none for batches, got ", epilogue_name(m.epilogue),
                "; fold the batch into the rows");
  if (is_forward(m.epilogue)) {
    ADJOINT_CHECK(m.bias.defined(), "matmul: the epilogue ", epilogue_name(m.epilogue),
                  " needs a bias");
    check_vector(m.bias, "the bias", m, columns);
  } else {
    check_absent(m.bias, "a bias", m);
  }
  if (has_saved(m.epilogue)) {
    ADJOINT_CHECK(m.saved.defined() || !is_backward(m.epilogue), "matmul: the epilogue ",
                  epilogue_name(m.epilogue), " needs what its forward saved");
    const TensorType expected = matmul_saved_type(m.epilogue, rows, columns, m.c.dtype());
    ADJOINT_CHECK(!m.saved.defined() || (m.saved.type() == expected && m.saved.contiguous()),
                  "matmul: expected saved to be ", expected, " and contiguous, got ",
                  m.saved.type());
  } else {
    check_absent(m.saved, "saved", m);
  }
  if (is_backward(m.epilogue) || m.epilogue == Epilogue::reduce_a) {
    if (m.bias_gradient.defined())
      check_vector(m.bias_gradient, "the bias gradient", m,
                   m.epilogue == Epilogue::reduce_a ? rows : columns);
  } else {
    check_absent(m.bias_gradient, "a bias gradient", m);
  }
}

MatmulProblem make_problem(const Matmul& m) {
  const Stored a = stored_matrix(m.a, "a"), b = stored_matrix(m.b, "b"),
               c = stored_matrix(m.c, "c");
  check_types(m);
  const auto [rows, inner] =
      m.transpose_a ? std::pair(a.columns, a.rows) : std::pair(a.rows, a.columns);
  const auto [b_inner, columns] =
      m.transpose_b ? std::pair(b.columns, b.rows) : std::pair(b.rows, b.columns);
  ADJOINT_CHECK(inner == b_inner && c.rows == rows && c.columns == columns &&
                    m.a.shape().rank() == m.b.shape().rank() &&
                    m.a.shape().rank() == m.c.shape().rank() && a.batches == b.batches &&
                    a.batches == c.batches,
                "matmul: expected op(a) [rows, inner] times op(b) [inner, columns] in c [rows, "
                "columns], with the same "
                "batch or none, got a ",
                m.a.shape(), m.transpose_a ? " transposed" : "", ", b ", m.b.shape(),
                m.transpose_b ? " transposed" : "", ", c ", m.c.shape());
  check_epilogue(m, rows, columns, m.c.shape().rank());

  const std::uint64_t element = size_of(m.a.dtype()), result = size_of(m.c.dtype());
  const auto address = [](const Tensor& tensor) {
    return reinterpret_cast<std::uint64_t>(tensor.data());
  };
  MatmulProblem p{.a = a.view, .b = b.view, .c = c.view, .alpha = m.alpha, .beta = m.beta};
  p.form = {
      .rows = rows,
      .columns = columns,
      .inner = inner,
      .batches = a.batches,
      .a_row_stride = a.view.row_stride,
      .b_row_stride = b.view.row_stride,
      .c_row_stride = c.view.row_stride,
      .type = m.a.dtype(),
      .result_type = m.c.dtype(),
      .transpose_a = m.transpose_a,
      .transpose_b = m.transpose_b,
      .reads_c = m.beta != 0,
      .epilogue = m.epilogue,
      .saves = is_forward(m.epilogue) && m.saved.defined(),
      .bias_gradient = m.bias_gradient.defined(),
      .accumulates_bias_gradient = m.bias_gradient.defined() && m.accumulate_bias_gradient,
      .alignment = common_alignment(
          {address(m.a), address(m.b), address(m.c), address(m.bias), address(m.saved),
           address(m.bias_gradient), std::uint64_t(a.view.row_stride) * element,
           std::uint64_t(b.view.row_stride) * element, std::uint64_t(c.view.row_stride) * result,
           std::uint64_t(a.view.batch_stride) * element,
           std::uint64_t(b.view.batch_stride) * element,
           std::uint64_t(c.view.batch_stride) * result})};
  if (is_forward(m.epilogue)) p.bias = m.bias.data();
  if (m.saved.defined()) {
    p.saved = m.saved.data();
    p.saved_row_bytes = m.saved.shape()[1] * std::int64_t(size_of(m.saved.dtype()));
  }
  if (m.bias_gradient.defined()) p.bias_gradient = m.bias_gradient.data();
  return p;
}

/// The decision for the problem, whose form is changed to what it was made for.
const MatmulEngines::Decision& decide(Context& context, MatmulProblem& problem) {
  auto& engines = context.part<MatmulEngines>();
  engines.settle(problem.form);
  return engines.find(problem.form);
}

}  // namespace

void matmul(Context& context, const Matmul& product) {
  MatmulProblem problem = make_problem(product);
  const MatmulEngines::Decision& decision = decide(context, problem);
  void* const workspace =
      decision.workspace_bytes > 0 ? context.workspace(decision.workspace_bytes) : nullptr;
  decision.engine->run(context.stream(), problem, decision.choice.problem, decision.choice.detail,
                       workspace);
}

void prepare_matmul(Context& context, const Matmul& product) {
  MatmulProblem problem = make_problem(product);
  context.workspace(decide(context, problem).workspace_bytes);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

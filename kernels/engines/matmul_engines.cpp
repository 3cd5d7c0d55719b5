// The engines of matrix products, and products on scratch data to time them on.
#include <algorithm>

#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::vector<std::unique_ptr<MatmulEngine>> all_engines() {
  std::vector<std::unique_ptr<MatmulEngine>> engines = make_library_engines();
  engines.push_back(make_tile_engine());
  return engines;
}

/// Memory of the extents and strides of a form, filled with zeros.
class ScratchProblem {
 public:
  ScratchProblem(Context& context, const MatmulForm& form) : context_(context) {
    const auto matrix = [&](std::int64_t rows, std::int64_t row_stride, DType dtype) {
      return MatrixView{allocate(rows * row_stride * form.batches, dtype), row_stride,
                        rows * row_stride};
    };
    problem_.form = form;
    problem_.a = matrix(form.transpose_a ? form.inner : form.rows, form.a_row_stride, form.type);
    problem_.b = matrix(form.transpose_b ? form.columns : form.inner, form.b_row_stride, form.type);
    problem_.c = matrix(form.rows, form.c_row_stride, form.result_type);
    problem_.beta = form.reads_c ? 1.0f : 0.0f;
    if (is_forward(form.epilogue)) problem_.bias = allocate(form.columns, form.result_type);
    if (form.saves || is_backward(form.epilogue)) {
      const TensorType saved =
          matmul_saved_type(form.epilogue, form.rows, form.columns, form.result_type);
      problem_.saved = allocate(saved.shape.count(), saved.dtype);
      problem_.saved_row_bytes = saved.shape[1] * std::int64_t(size_of(saved.dtype));
    }
    if (form.bias_gradient)
      problem_.bias_gradient = allocate(std::max(form.rows, form.columns), form.result_type);
  }
  const MatmulProblem& problem() const { return problem_; }

 private:
  void* allocate(std::int64_t count, DType dtype) {
    const std::size_t bytes = std::size_t(count) * size_of(dtype);
    buffers_.push_back(context_.memory().allocate(bytes, "matmul tuning"));
    if (bytes > 0) fill_bytes(context_.stream(), buffers_.back().data(), 0, bytes);
    return buffers_.back().data();
  }

  Context& context_;
  MatmulProblem problem_;
  std::vector<Buffer> buffers_;
};

const bool kRegistered = register_engine_kind(matmul_engines);

}  // namespace

MatmulEngines::MatmulEngines(Context& context) : EngineChoices(context, "matmul", all_engines()) {}

void MatmulEngines::settle(MatmulForm& form) {
  if (!preferred().needs_alignment()) form.alignment = 16;
}

std::function<void(const MatmulEngines::Decision&)> MatmulEngines::rehearsal(
    const MatmulForm& form) {
  return [this,
          scratch = std::make_shared<ScratchProblem>(context(), form)](const Decision& decision) {
    decision.engine->run(context().stream(), scratch->problem(), decision.choice.problem,
                         decision.choice.detail, context().workspace(decision.workspace_bytes));
  };
}

EngineKind& matmul_engines(Context& context) { return context.part<MatmulEngines>(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

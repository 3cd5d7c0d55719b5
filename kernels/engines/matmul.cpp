// The door: checks a product, reduces it to a MatmulProblem, finds or makes the engine's choice for
// its form, and hands it over.
#include "kernels/engines/matmul.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::array<const char*, 7> kEpilogueNames{
    "none", "bias", "bias_relu", "bias_gelu", "relu_backward", "gelu_backward", "reduce_a"};

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

struct FormHash {
  std::size_t operator()(const MatmulForm& form) const {
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
};

/// A choice with what running it needs.
struct Decision {
  MatmulChoice choice;
  MatmulEngine* engine = nullptr;
  std::size_t workspace_bytes = 0;
};

constexpr int kCandidates = 8, kTimedRuns = 5;

}  // namespace

struct MatmulEngines::State {
  explicit State(Context& context) : context(context) {
    engines.push_back(make_library_engine());
    engines.push_back(make_tile_engine());
  }

  Context& context;
  std::vector<std::unique_ptr<MatmulEngine>> engines;  ///< preferred first
  // A deque, because queued work refers to the names.
  std::deque<Decision> decisions;
  std::unordered_map<MatmulForm, const Decision*, FormHash> by_form;
  std::map<std::string, MatmulChoice> restored;
  std::string forced;
  bool tuning = false;

  MatmulEngine& engine(const std::string& name) {
    std::string known;
    for (const auto& engine : engines) {
      if (engine->name() == name) return *engine;
      known += (known.empty() ? "" : ", ") + engine->name();
    }
    ADJOINT_FAIL("matmul: there is no engine '", name, "' in this build; known: ", known);
  }

  Decision decision_of(const MatmulForm& form, MatmulEngine& engine, const std::string& detail,
                       double milliseconds) {
    return {.choice = {matmul_form_name(form), engine.name(), detail, milliseconds},
            .engine = &engine,
            .workspace_bytes = engine.workspace_bytes(form, detail)};
  }

  /// The ways to run the form, preferred first. A forced engine that has none leaves it to the tile
  /// engine.
  std::vector<Decision> candidates(const MatmulForm& form, int limit) {
    std::vector<Decision> found;
    const auto add = [&](MatmulEngine& engine) {
      for (const std::string& detail : engine.details(form, limit))
        if (int(found.size()) < limit) found.push_back(decision_of(form, engine, detail, 0));
    };
    for (const auto& engine : engines)
      if (forced.empty() || engine->name() == forced) add(*engine);
    if (found.empty()) add(*engines.back());
    ADJOINT_CHECK(!found.empty(), "matmul: no engine can multiply ", matmul_form_name(form));
    return found;
  }

  Decision decide(const MatmulForm& form);
  Decision fastest(const MatmulForm& form);

  const Decision& find(MatmulForm& form) {
    if (!engines.front()->needs_alignment()) form.alignment = 16;
    const auto known = by_form.find(form);
    if (known != by_form.end()) return *known->second;
    ADJOINT_CHECK(!context.stream().capturing(), "matmul: no engine was chosen for ",
                  matmul_form_name(form), " before the capture; call prepare_matmul for it");
    decisions.push_back(decide(form));
    by_form[form] = &decisions.back();
    return decisions.back();
  }
};

Decision MatmulEngines::State::decide(const MatmulForm& form) {
  const auto stored = restored.find(matmul_form_name(form));
  if (stored != restored.end() && forced.empty()) {
    const MatmulChoice& choice = stored->second;
    return decision_of(form, engine(choice.engine), choice.detail, choice.milliseconds);
  }
  return tuning ? fastest(form) : candidates(form, 1).front();
}

namespace {

/// Memory of the extents and strides of a form, filled with zeros, to time engines on.
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

double median_milliseconds(Context& context, const Decision& decision,
                           const MatmulProblem& problem) {
  void* const workspace = context.workspace(decision.workspace_bytes);
  Stream& stream = context.stream();
  std::vector<double> times;
  for (int run = -1; run < kTimedRuns; ++run) {  // the first, untimed, warms up
    Event begin, end;
    begin.record(stream);
    decision.engine->run(stream, problem, decision.choice.problem, decision.choice.detail,
                         workspace);
    end.record(stream);
    end.synchronize();
    if (run >= 0) times.push_back(elapsed_milliseconds(begin, end));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

}  // namespace

Decision MatmulEngines::State::fastest(const MatmulForm& form) {
  std::vector<Decision> found = candidates(form, kCandidates);
  const ScratchProblem scratch(context, form);
  for (Decision& decision : found)
    decision.choice.milliseconds = median_milliseconds(context, decision, scratch.problem());
  context.stream().synchronize();
  return *std::min_element(found.begin(), found.end(), [](const Decision& a, const Decision& b) {
    return a.choice.milliseconds < b.choice.milliseconds;
  });
}

std::string matmul_form_name(const MatmulForm& form) {
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

TensorType matmul_saved_type(Epilogue activation, std::int64_t rows, std::int64_t columns,
                             DType dtype) {
  ADJOINT_CHECK(has_saved(activation), "matmul_saved_type: the epilogue ",
                epilogue_name(activation), " saves nothing");
  if (activation == Epilogue::bias_relu || activation == Epilogue::relu_backward)
    return {DType::uint8, {rows, (columns + 127) / 128 * 16}};
  return {dtype, {rows, (columns + 7) / 8 * 8}};
}

void matmul(Context& context, const Matmul& product) {
  MatmulProblem problem = make_problem(product);
  const Decision& decision = context.matmul_engines().state().find(problem.form);
  void* const workspace =
      decision.workspace_bytes > 0 ? context.workspace(decision.workspace_bytes) : nullptr;
  decision.engine->run(context.stream(), problem, decision.choice.problem, decision.choice.detail,
                       workspace);
}

void prepare_matmul(Context& context, const Matmul& product) {
  MatmulForm form = make_problem(product).form;
  const Decision& decision = context.matmul_engines().state().find(form);
  context.workspace(decision.workspace_bytes);
}

MatmulEngines::MatmulEngines(Context& context) : state_(std::make_unique<State>(context)) {}
MatmulEngines::~MatmulEngines() = default;

std::vector<std::string> MatmulEngines::names() const {
  std::vector<std::string> names;
  for (const auto& engine : state_->engines) names.push_back(engine->name());
  return names;
}

std::string MatmulEngines::library() const { return state_->engines.front()->library(); }

std::vector<MatmulChoice> MatmulEngines::choices() const {
  std::vector<MatmulChoice> made;
  for (const Decision& decision : state_->decisions) made.push_back(decision.choice);
  return made;
}

void MatmulEngines::restore(const std::vector<MatmulChoice>& choices) {
  for (const MatmulChoice& choice : choices) state_->restored[choice.problem] = choice;
}

void MatmulEngines::set_tuning(bool tune) { state_->tuning = tune; }

void MatmulEngines::force_engine(const std::string& engine) {
  if (!engine.empty()) state_->engine(engine);
  state_->forced = engine;
  state_->by_form.clear();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "core/train/judging/evaluator.h"

#include <array>
#include <optional>
#include <span>

#include "core/base/error.h"
#include "core/base/text.h"
#include "kernels/accumulate_totals.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

std::int64_t next_counted(const BatchSource& source, const Model& model) {
  const std::int64_t size = source.next_size();
  return model.classes > 0 ? size - source.next_with_label(model.ignored_label) : size;
}

double accuracy_of(const Model& model, double correct, double divisor, double counted) {
  if (model.predicts_logits) return correct / divisor;
  return model.classes > 0 ? correct / counted : 0.0;
}

void check_inputs(const BatchSource& source, const Model& model) {
  std::vector<std::string> names;
  for (const BatchField& field : source.fields()) names.push_back(field.name);
  for (const auto& [name, value] : model.inputs) {
    const BatchField* const field = find_field(source.fields(), name);
    ADJOINT_CHECK(field != nullptr, "the model takes '", name, "', and ", source.name(),
                  " has no array of that name; it has ", join(names, ", "));
    const Shape& whole = value.shape();
    const Shape wanted = field->per_sample ? Shape(whole.extents().subspan(1)) : whole;
    ADJOINT_CHECK(field->shape.count() == wanted.count() && field->type == value.type().dtype,
                  "the model takes '", name, "' as ", adjoint::name(value.type().dtype), " ",
                  wanted, ", and ", source.name(), " has ", adjoint::name(field->type), " ",
                  field->shape);
  }
}

void check_targets(const BatchSource& source, const Model& model) {
  const std::optional<TargetBounds> bounds = source.target_bounds();
  if (!bounds) return;
  const auto check = [&](float target, std::int64_t sample) {
    check_targets(std::span(&target, 1), 1,
                  {model.wanted.loss, {model.wanted.range.low, model.wanted.range.high}},
                  [&](auto, auto) { return str(source.name(), ": sample ", sample); });
  };
  check(bounds->least, bounds->least_sample);
  check(bounds->largest, bounds->largest_sample);
}

std::string unreachable_targets(const BatchSource& source, const Model& model) {
  if (model.classes > 0 || model.predicts_logits) return "";
  ValueRange targets = source.pixel_range();
  if (const std::optional<TargetBounds> bounds = source.target_bounds())
    targets = {bounds->least, bounds->largest};
  // Of the input of a table nothing is known, nor is it where the loss is of probabilities.
  if (!targets.bounded() || model.wanted.loss.empty() || !model.wanted.any()) return "";
  if (model.range.holds(targets.low) && model.range.holds(targets.high)) return "";
  const bool pixels = !source.target_bounds();
  return str("the last layer makes numbers from ", model.range.low, " to ", model.range.high,
             ", but ", source.name(), pixels ? " has pixels from " : " has targets from ",
             targets.low, " to ", targets.high,
             pixels ? ", as they are normalised; end with a linear layer, or set [data] mean = 0.0 "
                      "and deviation = 1.0"
                    : "; end with a linear layer, or give targets that can be reached (with "
                      "normalise_target they have mean 0)");
}

void gather_batch(BatchSource& source, const Model& model) {
  std::vector<BatchTensor> batch;
  for (const auto& [name, value] : model.inputs)
    batch.push_back({name, model.graph->tensor(value)});
  source.gather(batch);
}

void for_each_batch(const Model& model, BatchSource& source, std::uint64_t epoch,
                    const std::function<void(std::int64_t batch, std::int64_t size)>& visit) {
  source.begin_epoch(epoch);
  for (std::int64_t b = 0; source.next_size() > 0; ++b) {
    const std::int64_t size = source.next_size();
    source.advance();
    model.graph->set_batch(size);
    gather_batch(source, model);
    source.batch_queued();
    visit(b, size);
  }
}

Evaluator::Evaluator(Model& model, BatchSource& source, const Normalisation& target,
                     ClassificationCounter* counter)
    : model_(model), source_(source), target_(target), counter_(counter) {
  const auto outputs = static_cast<std::size_t>(model.outputs);
  check_inputs(source, model);
  check_targets(source, model);
  ADJOINT_CHECK(target.deviation.empty() || target.deviation.size() == outputs,
                "evaluator: expected what ", outputs, " targets were normalised by, got ",
                target.deviation.size(), " deviations");
  Memory& memory = model.graph->context().memory();
  workspace_ = memory.allocate(sizeof(StepWorkspace) + sizeof(std::uint64_t), "evaluation");
  if (outputs > 0) errors_ = memory.allocate(outputs * sizeof(RegressionSums), "evaluation");
  make_measures();
}

namespace {

// Of a buffer that holds a StepWorkspace, whose totals are used, and a random step, which is not.
void add_totals(Stream& stream, const Tensor& totals, const Buffer& buffer) {
  auto* const workspace = static_cast<StepWorkspace*>(buffer.data());
  accumulate_totals(stream, totals, workspace, reinterpret_cast<std::uint64_t*>(workspace + 1));
}

// Waits.
std::array<double, 3> read_totals(Stream& stream, const Buffer& buffer) {
  std::array<double, 3> totals{};
  copy_to_host(stream, totals.data(), static_cast<StepWorkspace*>(buffer.data())->totals,
               sizeof(totals));
  stream.synchronize();
  return totals;
}

}  // namespace

std::vector<std::string> measure_names(const Model& model) {
  const bool several = model.losses.size() > 1;
  std::vector<std::string> names;
  for (const ModelLoss& loss : model.losses) {
    const std::string prefix = several ? str(loss.name, "_") : std::string();
    if (several) names.push_back(str(prefix, "loss"));
    for (const std::string& metric : loss.metrics) names.push_back(str(prefix, metric));
  }
  return names;
}

void Evaluator::make_measures() {
  const bool several = model_.losses.size() > 1;
  Context& context = model_.graph->context();
  for (const ModelLoss& loss : model_.losses) {
    LossMeasures& measures = measures_.emplace_back(LossMeasures{loss, {}, {}});
    if (several) measures.workspace = context.memory().allocate(workspace_.bytes(), "evaluation");
    ADJOINT_CHECK(loss.metrics.empty() || loss.target, "loss '", loss.name,
                  "': metrics compare a prediction with a target, and this loss takes none");
    const Shape& shape = loss.prediction.shape();
    MetricOptions options{.predicted = loss.predicts,
                          .width = shape[-1],
                          .samples = source_.count() * (shape.count() / shape[0] / shape[-1]),
                          .ignored_label = model_.ignored_label};
    // Only the data's own target is normalised.
    if (&loss == &model_.losses.front() && model_.target) options.deviations = target_.deviation;
    for (const std::string& name : loss.metrics)
      measures.metrics.push_back(make_metric(name, context, options));
  }
}

void Evaluator::clear_measures() {
  Stream& stream = model_.graph->context().stream();
  for (LossMeasures& each : measures_) {
    if (each.workspace.bytes() > 0)
      fill_bytes(stream, each.workspace.data(), 0, each.workspace.bytes());
    for (const auto& metric : each.metrics) metric->clear();
  }
}

void Evaluator::add_measures() {
  const Graph& graph = *model_.graph;
  Stream& stream = graph.context().stream();
  for (LossMeasures& each : measures_) {
    if (each.workspace.bytes() > 0)
      add_totals(stream, graph.tensor(each.loss.totals), each.workspace);
    for (const auto& metric : each.metrics)
      metric->add(graph.tensor(each.loss.prediction), graph.tensor(*each.loss.target));
  }
}

void Evaluator::read_measures(Evaluation& found) {
  std::vector<double> values;
  Stream& stream = model_.graph->context().stream();
  for (LossMeasures& each : measures_) {
    if (each.workspace.bytes() > 0) {
      const std::array<double, 3> totals = read_totals(stream, each.workspace);
      values.push_back(totals[0] / totals[1]);
    }
    for (const auto& metric : each.metrics) values.push_back(metric->read());
  }
  const std::vector<std::string> names = measure_names(model_);
  for (std::size_t i = 0; i < values.size(); ++i) found.measures.push_back({names[i], values[i]});
}

void Evaluator::read_errors(Evaluation& found) {
  if (model_.predicts_logits) return;
  std::vector<RegressionSums> sums(static_cast<std::size_t>(model_.outputs));
  Stream& stream = model_.graph->context().stream();
  copy_to_host(stream, sums.data(), errors_.data(), sums.size() * sizeof(sums[0]));
  stream.synchronize();
  for (std::size_t j = 0; j < sums.size(); ++j) {
    const double unit = target_.deviation.empty() ? 1.0 : target_.deviation[j];
    found.mean_absolute_errors.push_back(mean_absolute_error(sums[j], unit));
    found.root_mean_squared_errors.push_back(root_mean_squared_error(sums[j], unit));
    found.r_squared.push_back(r_squared(sums[j]));
  }
}

Evaluation Evaluator::run() {
  Graph& graph = *model_.graph;
  Context& context = graph.context();
  Stream& stream = context.stream();
  const ScopedTraining evaluating(context, false);
  fill_bytes(stream, workspace_.data(), 0, workspace_.bytes());
  if (model_.outputs > 0) fill_bytes(stream, errors_.data(), 0, errors_.bytes());
  if (counter_ != nullptr) counter_->clear();
  clear_measures();
  source_.begin_epoch(0);
  std::int64_t counted = 0;
  while (const std::int64_t size = source_.next_size()) {
    counted += next_counted(source_, model_);
    source_.advance();
    graph.set_batch(size);
    batches_.run(stream, size, [&] {
      gather_batch(source_, model_);
      graph.forward();
      add_totals(stream, graph.tensor(model_.totals), workspace_);
      if (model_.outputs > 0)
        regression_errors(stream, graph.tensor(model_.prediction), graph.tensor(*model_.target),
                          static_cast<RegressionSums*>(errors_.data()));
      if (counter_ != nullptr)
        counter_->add(graph.tensor(model_.prediction), graph.tensor(*model_.target));
      add_measures();
    });
    source_.batch_queued();
  }
  const std::array<double, 3> totals = read_totals(stream, workspace_);
  verify_labels(model_, source_, 0);
  Evaluation found{.loss = totals[0] / totals[1],
                   .accuracy = accuracy_of(model_, totals[2], totals[1], double(counted)),
                   .count = counted};
  if (model_.outputs > 0) read_errors(found);
  read_measures(found);
  return found;
}

// Only after something was found does anybody look which sample it was: the epoch is gathered
// again.
void verify_labels(Model& model, BatchSource& source, std::uint64_t epoch) {
  Graph& graph = *model.graph;
  try {
    graph.verify();
    return;
  } catch (const Error& error) {
    if (model.classes == 0) throw;
    for_each_batch(model, source, epoch, [&](std::int64_t batch, std::int64_t size) {
      std::vector<std::int32_t> labels(static_cast<std::size_t>(size));
      Stream& stream = graph.context().stream();
      copy_to_host(stream, labels.data(), graph.tensor(*model.target).data(),
                   labels.size() * sizeof(std::int32_t));
      stream.synchronize();
      for (std::int64_t row = 0; row < size; ++row) {
        const std::int32_t label = labels[std::size_t(row)];
        if ((label >= 0 && label < model.classes) || label == model.ignored_label) continue;
        ADJOINT_FAIL(source.name(), ": sample ", source.sample(batch, row), " has label ", label,
                     ", expected 0 to ", model.classes - 1);
      }
    });
    throw;
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "core/graph/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "core/tensor/transfer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

DType in_double(DType type) { return is_floating(type) ? DType::float64 : type; }

// The layer in a graph of its own, in float64, with fixed inputs and a fixed projection of the
// outputs.
class Probe {
 public:
  Probe(const LayerCase& layer_case, std::uint64_t seed)
      : context_({.seed = seed}), graph_(context_), random_(seed) {
    for (const CheckInput& input : layer_case.inputs) {
      const DType type = in_double(input.type.dtype);
      inputs_.push_back(
          graph_.input(input.type.shape, type, {.name = "", .wants_gradient = is_floating(type)}));
    }
    const std::shared_ptr<Layer> layer = layer_case.make();
    loss_ = layer->traits().gradient_in_forward;
    outputs_ = graph_.apply(layer, inputs_);
    CompileOptions options{.outputs = outputs_, .compute_type = DType::float64};
    if (loss_)
      options.losses = {outputs_[0]};
    else
      for (const Value& output : outputs_)
        if (is_floating(output.type().dtype)) options.seeds.push_back(output);
    graph_.compile(options);
    for (std::size_t i = 0; i < inputs_.size(); ++i) draw(layer_case.inputs[i], inputs_[i]);
    draw_parameters();
    draw_projection();
  }

  Graph& graph() { return graph_; }
  Context& context() { return context_; }
  const std::vector<Value>& inputs() const { return inputs_; }

  // The scalar whose gradient is checked.
  double evaluate() {
    graph_.forward();
    if (loss_) return download<double>(context_, graph_.tensor(outputs_[0]))[0];
    double total = 0.0;
    for (std::size_t k = 0; k < projection_.size(); ++k) {
      if (projection_[k].empty()) continue;
      const auto y = download<double>(context_, graph_.tensor(outputs_[k]));
      for (std::size_t i = 0; i < y.size(); ++i) total += projection_[k][i] * y[i];
    }
    return total;
  }

  void differentiate() {
    graph_.forward();
    for (std::size_t k = 0; k < projection_.size(); ++k)
      if (!projection_[k].empty()) upload(context_, graph_.gradient(outputs_[k]), projection_[k]);
    graph_.backward();
  }

 private:
  std::vector<double> normal(std::int64_t count, double mean, double deviation) {
    std::normal_distribution<double> distribution(mean, deviation);
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = distribution(random_);
    return values;
  }

  void draw(const CheckInput& spec, const Value& input) {
    const Tensor tensor = graph_.tensor(input);
    if (tensor.dtype() == DType::float64) {
      upload(context_, tensor, normal(tensor.count(), spec.mean, spec.deviation));
      return;
    }
    ADJOINT_CHECK(tensor.dtype() == DType::int32,
                  "gradient check: expected floating or int32 inputs, got ", name(tensor.dtype()));
    std::uniform_int_distribution<std::int32_t> distribution(spec.low, spec.high);
    std::vector<std::int32_t> values(std::size_t(tensor.count()));
    for (std::int32_t& value : values) value = distribution(random_);
    upload(context_, tensor, values);
  }

  // Initial values hide errors: a bias of zero and a norm's weight of one make terms vanish.
  void draw_parameters() {
    for (const Parameter& parameter : graph_.parameters())
      upload(context_, parameter.master(), normal(parameter.count(), 0.5, 0.5));
  }

  void draw_projection() {
    if (loss_) return;
    for (const Value& output : outputs_)
      projection_.push_back(is_floating(output.type().dtype)
                                ? normal(output.shape().count(), 0.0, 1.0)
                                : std::vector<double>());
  }

  Context context_;
  Graph graph_;
  std::mt19937_64 random_;
  bool loss_ = false;
  std::vector<Value> inputs_, outputs_;
  std::vector<std::vector<double>> projection_;
};

// Central differences of the elements of one tensor, against its analytic gradient.
GradientCheckEntry check_tensor(Probe& probe, const std::string& name, const Tensor& tensor,
                                const std::vector<double>& analytic,
                                const GradientCheckOptions& options) {
  GradientCheckEntry entry{.name = name};
  std::vector<double> values = download<double>(probe.context(), tensor);
  double largest = 0.0;
  for (double gradient : analytic) largest = std::max(largest, std::abs(gradient));
  const double scale = std::max(1e-3 * largest, 1e-12);
  const double center = probe.evaluate();
  const auto count = static_cast<std::int64_t>(values.size());
  const std::int64_t wanted = options.elements > 0 ? std::min(options.elements, count) : count;
  for (std::int64_t k = 0; k < wanted; ++k) {
    const auto i = static_cast<std::size_t>(k * count / wanted);
    const double original = values[i];
    const double h = options.step * std::max(1.0, std::abs(original));
    const auto evaluate_at = [&](double value) {
      values[i] = value;
      upload(probe.context(), tensor, values);
      return probe.evaluate();
    };
    const double above = evaluate_at(original + h), below = evaluate_at(original - h);
    values[i] = original;
    const double right = (above - center) / h, left = (center - below) / h;
    const double numeric = (above - below) / (2.0 * h);
    // A smooth function's one-sided slopes differ by about h f''; a kink between them by the jump
    // in slope.
    if (std::abs(right - left) > 1e-2 * std::max({std::abs(right), std::abs(left), scale})) {
      ++entry.skipped;
      continue;
    }
    ++entry.checked;
    const double error = std::abs(analytic[i] - numeric) /
                         std::max({std::abs(analytic[i]), std::abs(numeric), scale});
    if (!(error <= entry.error)) {
      entry.error = error;
      entry.worst = static_cast<std::int64_t>(i);
      entry.analytic = analytic[i];
      entry.numeric = numeric;
    }
  }
  upload(probe.context(), tensor, values);
  return entry;
}

}  // namespace

std::vector<GradientCheckEntry> check_gradients(const LayerCase& layer_case,
                                                const GradientCheckOptions& options) {
  Probe probe(layer_case, options.seed);
  probe.differentiate();
  struct Checked {
    std::string name;
    Tensor tensor;
    std::vector<double> analytic;
  };
  std::vector<Checked> all;
  for (std::size_t i = 0; i < probe.inputs().size(); ++i) {
    const Value& input = probe.inputs()[i];
    if (!is_floating(input.type().dtype)) continue;
    all.push_back({str("x[", i, "]"), probe.graph().tensor(input),
                   download<double>(probe.context(), probe.graph().gradient(input))});
  }
  for (const Parameter& parameter : probe.graph().parameters())
    all.push_back({parameter.name(), parameter.master(),
                   download<double>(probe.context(), parameter.gradient())});
  std::vector<GradientCheckEntry> entries;
  entries.reserve(all.size());
  for (const Checked& checked : all)
    entries.push_back(check_tensor(probe, checked.name, checked.tensor, checked.analytic, options));
  return entries;
}

double worst_error(const std::vector<GradientCheckEntry>& entries) {
  double worst = 0.0;
  for (const GradientCheckEntry& entry : entries)
    if (!(entry.error <= worst)) worst = entry.error;
  return worst;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

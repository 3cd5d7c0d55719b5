// The cases of one backend: every case of every registered layer in three types, what starts and
// feeds a model, and what updates it.
#include "parity/cases.h"

#include <algorithm>
#include <random>

#include "core/device/execution_options.h"
#include "core/tensor/transfer.h"
#include "kernels/column_sum.h"
#include "kernels/gather.h"
#include "kernels/initialize.h"
#include "kernels/metrics.h"
#include "kernels/regression_errors.h"
#include "optim/cases.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/layer_graph.h"
#include "support/reference.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using parity::Case;
using parity::Result;

// Sums of hundreds of terms in another order.
double allowed(DType type) { return 4 * tolerance(type); }

template <class T>
Result result(Context& context, const std::string& name, const Tensor& tensor) {
  return {name, to_double(download<T>(context, tensor)), allowed(tensor.dtype())};
}

Result result(Context& context, const std::string& name, const Tensor& tensor, DType type) {
  Result found = [&] {
    switch (tensor.dtype()) {
      case DType::bfloat16:
        return result<bfloat16>(context, name, tensor);
      case DType::float16:
        return result<float16>(context, name, tensor);
      case DType::float64:
        return result<double>(context, name, tensor);
      case DType::int32:
        return result<std::int32_t>(context, name, tensor);
      default:
        return result<float>(context, name, tensor);
    }
  }();
  // What is float32 in a 16-bit graph was computed from 16-bit numbers.
  found.tolerance = allowed(type);
  return found;
}

// ---- layers

template <class T>
void draw(LayerGraph& model, const LayerCase& layer_case) {
  unsigned seed = 1;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const Tensor tensor = model.graph.tensor(model.inputs[i]);
    const auto count = static_cast<std::size_t>(tensor.count());
    const CheckInput& spec = layer_case.inputs[i];
    if (is_floating(tensor.dtype())) {
      std::vector<double> values = random_values<double>(count, seed++, spec.deviation);
      for (double& value : values) value += spec.mean;
      upload(model.context, tensor, from_double<T>(values));
    } else {
      std::mt19937 engine(seed++);
      std::vector<std::int32_t> values(count);
      for (std::int32_t& value : values)
        value = spec.low + std::int32_t(engine() % unsigned(spec.high - spec.low + 1));
      upload(model.context, tensor, values);
    }
  }
  for (const Parameter& parameter : model.graph.parameters())
    upload(model.context, parameter.master(),
           random_values<float>(static_cast<std::size_t>(parameter.count()), seed++, 0.5));
  model.graph.refresh_parameters();
  if (model.loss) return;
  for (const Value& output : model.outputs)
    if (is_floating(output.type().dtype)) {
      // With a mean, so that sums of gradients do not cancel down to their rounding.
      const auto count = static_cast<std::size_t>(output.type().shape.count());
      std::vector<double> values = random_values<double>(count, seed++);
      for (double& value : values) value += 0.5;
      upload(model.context, model.graph.gradient(output), from_double<T>(values));
    }
}

template <class T>
std::vector<Result> run_layer(const LayerCase& layer_case) {
  const DType type = kDTypeOf<T>;
  LayerGraph model(layer_case, type);
  draw<T>(model, layer_case);
  model.graph.forward();
  model.graph.backward();
  std::vector<Result> results;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    results.push_back(result(model.context, name, tensor, type));
  };
  for (std::size_t i = 0; i < model.outputs.size(); ++i)
    add(str("y", i), model.graph.tensor(model.outputs[i]));
  for (std::size_t i = 0; i < model.inputs.size(); ++i)
    if (is_floating(model.inputs[i].type().dtype))
      add(str("dx", i), model.graph.gradient(model.inputs[i]));
  for (const Parameter& parameter : model.graph.parameters())
    add(parameter.name() + " gradient", parameter.gradient());
  return results;
}

// "layer linear/no bias, bfloat16".
std::vector<Result> run_layer_case(const std::string& name) {
  for (const LayerCase& layer_case : registered_cases()) {
    const std::string prefix = str("layer ", layer_case.name, ", ");
    if (name == prefix + "float32") return run_layer<float>(layer_case);
    if (name == prefix + "bfloat16") return run_layer<bfloat16>(layer_case);
    if (name == prefix + "float16") return run_layer<float16>(layer_case);
  }
  ADJOINT_FAIL("parity: there is no case ", name);
}

// ---- updates

// Parameters as a model lays them out, padding between them.
std::vector<ParameterRange> parameter_ranges() {
  return {{"p0.weight", {61, 53}, 0}, {"p0.bias", {61}, 3264}, {"p1.weight", {7, 230}, 3328}};
}

template <class T>
std::vector<T> drawn_slab(unsigned seed, double scale) {
  const std::vector<ParameterRange> ranges = parameter_ranges();
  std::vector<T> values(std::size_t(ranges.back().offset + ranges.back().count() + 63) / 64 * 64,
                        T(0.0f));
  for (const ParameterRange& range : ranges)
    std::ranges::copy(random_values<T>(std::size_t(range.count()), seed++, scale),
                      values.begin() + range.offset);
  return values;
}

// All that an update may be told at once. Gradients are of type T, and so, where that is not
// float32, is a copy of the parameters.
template <class T>
std::vector<Result> run_optimizer(const RuleOptions& rule) {
  constexpr bool kMixed = !std::is_same_v<T, float>;
  Context context({.seed = 9});
  const DeviceVector<float> master(context, drawn_slab<float>(1, 1));
  const DeviceVector<T> gradient(context, master.size()),
      copy(context, std::vector<T>(master.size(), T(0.0f)));
  const DeviceVector<float> totals(context, std::vector<float>{12, 8, 3});
  const Shape shape{std::int64_t(master.size())};
  // The norm of the gradients below is about 70: both kinds of clipping do something.
  const OptimizerOptions options{.schedule = cosine(rule.learning_rate(), 20, {.warmup_steps = 2}),
                                 .clip_norm = 3,
                                 .clip_value = 0.1,
                                 .groups = {{.match = "*.bias", .weight_decay = 0.0, .lr_scale = 2},
                                            {.match = "p1*", .lr_scale = 0.5}},
                                 .ema = 0.75};
  Optimizer optimizer(context,
                      {master.tensor(shape), gradient.tensor(shape),
                       kMixed ? copy.tensor(shape) : Tensor(), parameter_ranges()},
                      rule, options);
  for (unsigned step = 0; step < 8; ++step) {
    gradient.upload(drawn_slab<T>(10 + 3 * step, 8));
    optimizer.step(totals.tensor({3}));
  }
  std::vector<Result> results;
  const auto add_all = [&](const std::string& when) {
    results.push_back(result(context, "parameters" + when, master.tensor(shape), DType::float32));
    if (kMixed) results.push_back(result(context, "copy" + when, copy.tensor(shape), kDTypeOf<T>));
    for (const OptimizerState& state : optimizer.state())
      if (is_floating(state.tensor.dtype()))
        results.push_back(result(context, state.name + when, state.tensor, DType::float32));
  };
  add_all("");
  optimizer.swap_average();
  add_all(", swapped");
  return results;
}

// "optimizer sgd_nesterov, bfloat16": every case of every rule that is registered.
std::vector<Result> run_optimizer_case(const std::string& name) {
  for (const test::RuleCase& rule_case : test::all_cases()) {
    const std::string prefix = str("optimizer ", rule_case.name, ", ");
    if (name == prefix + "float32") return run_optimizer<float>(rule_case.rule);
    if (name == prefix + "bfloat16") return run_optimizer<bfloat16>(rule_case.rule);
    if (name == prefix + "float16") return run_optimizer<float16>(rule_case.rule);
  }
  ADJOINT_FAIL("parity: there is no case ", name);
}

// ---- what starts and feeds a model

std::vector<Result> run_initializers(const std::string&) {
  Context context;
  std::vector<Result> results;
  const auto add = [&](const std::string& name, const Initializer& initializer) {
    const DeviceVector<float> values(context, 4099);
    initialize(context.stream(), values.tensor({4099}), initializer, 7, 3);
    results.push_back(result(context, name, values.tensor({4099}), DType::float32));
  };
  add("constant", Initializer::constant(0.25f));
  add("uniform", Initializer::uniform(2.0f));
  add("normal", Initializer::normal(2.0f));
  add("truncated normal", Initializer::truncated_normal(2.0f));
  const DeviceVector<float> matrix(context, 40 * 90);
  initialize(context.stream(), matrix.tensor({40, 90}), Initializer::orthogonal(), 7, 3);
  results.push_back(result(context, "orthogonal", matrix.tensor({40, 90}), DType::float32));
  return results;
}

std::vector<Result> run_gather(const std::string&) {
  Context context;
  constexpr std::int64_t kSamples = 40, kColumns = 31, kBatch = 16;
  std::mt19937 engine(3);
  std::vector<std::uint8_t> pixels(kSamples * kColumns);
  for (std::uint8_t& pixel : pixels) pixel = std::uint8_t(engine());
  std::vector<std::int32_t> labels(kSamples), indices(kSamples);
  for (std::int32_t& label : labels) label = std::int32_t(engine() % 10);
  for (std::int32_t& index : indices) index = std::int32_t(engine() % kSamples);
  const DeviceVector<std::uint8_t> rows(context, pixels);
  const DeviceVector<std::int32_t> row_labels(context, labels), order(context, indices);
  const DeviceVector<std::uint64_t> position(context, std::vector<std::uint64_t>{30});
  const DeviceVector<float> scale(context, std::vector<float>{0.5f}),
      shift(context, std::vector<float>{-1});
  const DeviceVector<float> batch(context, kBatch * kColumns);
  const DeviceVector<std::int32_t> batch_labels(context, kBatch);
  gather(context.stream(), {.batch = batch.tensor({kBatch, kColumns}),
                            .batch_labels = batch_labels.tensor({kBatch}),
                            .rows = rows.tensor({kSamples, kColumns}),
                            .labels = row_labels.tensor({kSamples}),
                            .indices = order.tensor({kSamples}),
                            .position = position.data(),
                            .scale = scale.tensor({1}),
                            .shift = shift.tensor({1})});
  std::vector<std::int32_t> pairs(kSamples * 2);
  for (std::int32_t& number : pairs) number = std::int32_t(engine());
  const DeviceVector<std::int32_t> integer_rows(context, pairs), integers(context, kBatch * 2);
  gather(context.stream(), {.batch = integers.tensor({kBatch, 2}),
                            .rows = integer_rows.tensor({kSamples, 2}),
                            .indices = order.tensor({kSamples}),
                            .position = position.data()});
  return {result(context, "batch", batch.tensor({kBatch, kColumns}), DType::float32),
          result(context, "labels", batch_labels.tensor({kBatch}), DType::float32),
          result(context, "integers", integers.tensor({kBatch, 2}), DType::float32)};
}

std::vector<Result> run_regression_errors(const std::string&) {
  Context context;
  constexpr std::int64_t kRows = 3000, kOutputs = 3;
  const DeviceVector<float> prediction(context, random_values<float>(kRows * kOutputs, 1)),
      target(context, random_values<float>(kRows * kOutputs, 2));
  const DeviceVector<RegressionSums> sums(context, std::vector<RegressionSums>(kOutputs));
  regression_errors(context.stream(), prediction.tensor({kRows, kOutputs}),
                    target.tensor({kRows, kOutputs}), sums.data());
  Result found{.name = "sums", .tolerance = 1e-12};
  for (const RegressionSums& of : sums.download())
    found.values.insert(found.values.end(), {of.absolute, of.squared, of.mean, of.spread});
  return {found};
}

std::vector<Result> run_classification_metrics(const std::string&) {
  Context context;
  constexpr std::int64_t kRows = 700, kClasses = 10;
  const DeviceVector<float> scores(context, random_values<float>(kRows * kClasses, 1));
  std::vector<std::int32_t> values(kRows);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::int32_t(i * i % kClasses);
  const DeviceVector<std::int32_t> labels(context, values), kept(context, kRows);
  // Samples, classes, ranks, confusion matrix.
  const DeviceVector<MetricCount> counts(context, std::vector<MetricCount>(3 + 30 + 5 + 100));
  const DeviceVector<float> margins(context, kRows * kClasses);
  classification_metrics(context.stream(), scores.tensor({kRows, kClasses}), labels.tensor({kRows}),
                         -100,
                         {.samples = reinterpret_cast<SampleCounts*>(counts.data()),
                          .classes = reinterpret_cast<ClassCounts*>(counts.data() + 3),
                          .ranks = counts.data() + 33,
                          .kept_ranks = 5,
                          .confusion = counts.data() + 38,
                          .kept_samples = kRows,
                          .margins = margins.data(),
                          .margin_labels = kept.data()});
  Result found{.name = "counts", .tolerance = 0};
  for (const MetricCount count : counts.download()) found.values.push_back(double(count));
  return {found, result(context, "margins", margins.tensor({kRows, kClasses}), DType::float32)};
}

std::vector<Result> run_column_sum(const std::string&) {
  Context context;
  constexpr std::int64_t kRows = 3000, kCols = 77;
  const DeviceVector<float> x(context, random_values<float>(kRows * kCols, 1));
  const DeviceVector<float> out(context, kCols);
  const TensorType scratch_type = column_sum_scratch(kRows, kCols, DType::float32);
  const DeviceVector<float> scratch(context, std::size_t(scratch_type.shape.count()));
  column_sum(context.stream(), {out.tensor({kCols}), GradientMode::overwrite},
             x.tensor({kRows, kCols}), scratch.tensor(scratch_type.shape));
  return {result(context, "sums", out.tensor({kCols}), DType::float32)};
}

}  // namespace

bool parity_has_device() { return has_device(); }

/// Host kernels in blocks of the GPU's size from now on, or of one thread.
void parity_set_gpu_blocks(bool keep) { set_gpu_blocks(keep); }

std::vector<Case> parity_cases() {
  std::vector<Case> cases;
  for (const LayerCase& layer_case : registered_cases())
    for (const std::string type : {"float32", "bfloat16", "float16"})
      if (type == "float32" || takes_16_bits(layer_case))
        cases.push_back({str("layer ", layer_case.name, ", ", type), run_layer_case});
  for (const test::RuleCase& rule_case : test::all_cases())
    for (const char* type : {"float32", "bfloat16", "float16"})
      cases.push_back({str("optimizer ", rule_case.name, ", ", type), run_optimizer_case});
  cases.push_back({"initialize", run_initializers});
  cases.push_back({"gather", run_gather});
  cases.push_back({"column_sum", run_column_sum});
  cases.push_back({"classification_metrics", run_classification_metrics});
  cases.push_back({"regression_errors", run_regression_errors});
  return cases;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

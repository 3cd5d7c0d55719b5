// adjoint bench: how fast a recipe's steps, or one layer, run on this device, beside what the
// device can do at most and what was counted.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/graph/registry.h"
#include "core/samples/random.h"
#include "core/tensor/transfer.h"
#include "kernels/engines/matmul.h"
#include "kernels/initialize.h"
#include "tools/adjoint/measure.h"
#include "tools/adjoint/synthetic.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Json = nlohmann::ordered_json;

// One line of the report. What does not apply is 0.
struct Phase {
  std::string name;
  Timing time;
  double samples = 0;
  double operations = 0;  // a multiply-add is two
  double bytes = 0;       // that must move at least once
};

struct Report {
  std::string subject;
  std::vector<Phase> phases;
  Ceilings ceilings;
  double counted_ratio = 0;  // operations of backward over those of forward
  std::size_t peak_memory = 0;
};

double per_second(double amount, const Phase& phase) { return amount / (1e-3 * phase.time.median); }

const Phase* find_phase(const Report& report, const std::string& name) {
  const auto found = std::ranges::find(report.phases, name, &Phase::name);
  return found == report.phases.end() ? nullptr : &*found;
}

double measured_ratio(const Report& report) {
  const Phase* forward = find_phase(report, "forward");
  const Phase* backward = find_phase(report, "backward");
  if (forward == nullptr || backward == nullptr) return 0;
  return backward->time.median / forward->time.median;
}

std::string cell(const char* format, double value) {
  return value > 0 ? formatted(format, value) : std::string();
}

void print(const Report& report) {
  Table table({"phase", ">median ms", ">quartiles", ">samples/s", ">GFLOP/s", ">of ceiling",
               ">GB/s", ">of ceiling"});
  for (const Phase& phase : report.phases) {
    const double flops = per_second(phase.operations, phase);
    const double bandwidth = per_second(phase.bytes, phase);
    const Timing& time = phase.time;
    table.add({phase.name, formatted("%.4g", time.median),
               str(formatted("%.4g", time.lower), " - ", formatted("%.4g", time.upper)),
               phase.samples > 0
                   ? grouped(static_cast<std::int64_t>(per_second(phase.samples, phase)))
                   : "",
               cell("%.1f", 1e-9 * flops), cell("%.0f %%", 100 * flops / report.ceilings.flops),
               cell("%.1f", 1e-9 * bandwidth),
               cell("%.0f %%", 100 * bandwidth / report.ceilings.bytes_per_second)});
  }
  std::printf("%s on %s\n\n%s\n", report.subject.c_str(), device_line().c_str(),
              table.text().c_str());
  if (measured_ratio(report) > 0) {
    std::printf("backward / forward   %.2f", measured_ratio(report));
    if (report.counted_ratio > 0) std::printf(", by counted operations %.2f", report.counted_ratio);
    std::printf("\n");
  }
  std::printf("ceilings             %.1f GFLOP/s (large product), %.1f GB/s (device copy)\n",
              1e-9 * report.ceilings.flops, 1e-9 * report.ceilings.bytes_per_second);
  if (std::ranges::any_of(report.phases, [&](const Phase& phase) {
        return per_second(phase.bytes, phase) > report.ceilings.bytes_per_second;
      }))
    std::printf("                     (more than the ceiling: what moves fits the caches)\n");
  std::printf("device memory        %s at its peak\n", human_bytes(report.peak_memory).c_str());
}

Json to_json(const Report& report) {
  Json phases = Json::array();
  for (const Phase& phase : report.phases) {
    const Timing& time = phase.time;
    phases.push_back({{"name", phase.name},
                      {"median_ms", time.median},
                      {"lower_quartile_ms", time.lower},
                      {"upper_quartile_ms", time.upper},
                      {"best_ms", time.best},
                      {"runs", time.runs},
                      {"samples_per_second", per_second(phase.samples, phase)},
                      {"flop_per_second", per_second(phase.operations, phase)},
                      {"bytes_per_second", per_second(phase.bytes, phase)}});
  }
  return {{"subject", report.subject},
          {"device", device_line()},
          {"phases", phases},
          {"backward_over_forward", measured_ratio(report)},
          {"counted_backward_over_forward", report.counted_ratio},
          {"ceiling_flop_per_second", report.ceilings.flops},
          {"ceiling_bytes_per_second", report.ceilings.bytes_per_second},
          {"peak_device_bytes", report.peak_memory}};
}

Phase phase_of(Context& context, const std::string& name, double seconds,
               const std::function<void()>& body) {
  // Captured, as training runs it. What comes first runs plainly, so that engines are chosen.
  body();
  context.stream().synchronize();
  const CapturedWork work = capture(context.stream(), body);
  return {.name = name, .time = measure(context, seconds, [&] { work.replay(context.stream()); })};
}

double ratio(std::int64_t backward, std::int64_t forward) {
  return forward > 0 ? double(backward) / double(forward) : 0;
}

// The norm reads the gradient; the update reads it again, and reads and writes parameters and
// moments.
double update_bytes(const Graph& graph, const Optimizer& optimizer) {
  const double slab = double(graph.slab().master.bytes());
  return slab * (2.0 + 2.0 * double(optimizer.state().size()));  // update_state stands for master
}

Report bench_recipe(const BenchCommand& command, const std::filesystem::path& path) {
  const Recipe recipe = read_recipe(path, command.set);
  SyntheticRun run(recipe, command.engines);
  Graph& graph = *run.model.graph;
  const double batch = double(recipe.train.batch);
  Report report{.subject = str(recipe.name, ", batch ", recipe.train.batch)};
  // The step first and the update last: updates by one gradient over and over would leave weights
  // of a size that no training makes, whose products and exponentials take another time.
  run.step();
  Phase step{.name = "step", .time = measure(run.context, command.seconds, [&] { run.step(); })};
  Phase forward = phase_of(run.context, "forward", command.seconds, [&] { graph.forward(); });
  Phase backward = phase_of(run.context, "backward", command.seconds, [&] { graph.backward(); });
  Phase update = phase_of(run.context, "update", command.seconds,
                          [&] { run.optimizer->step(graph.tensor(run.model.totals)); });
  const double micro = double(recipe.optim.accumulate);
  forward.samples = backward.samples = batch;
  step.samples = batch * micro;
  forward.operations = 2.0 * double(graph.forward_multiply_adds() + graph.early_multiply_adds());
  backward.operations = 2.0 * double(graph.backward_multiply_adds() - graph.early_multiply_adds());
  step.operations = (forward.operations + backward.operations) * micro;
  update.bytes = update_bytes(graph, *run.optimizer);
  report.counted_ratio = ratio(graph.backward_multiply_adds(), graph.forward_multiply_adds());
  report.phases = {forward, backward, update, step};
  report.peak_memory = run.context.memory().use().peak;
  keep_engines(run.context, command.engines);
  report.ceilings = measure_ceilings(run.context, command.seconds);
  return report;
}

// ---- one layer

// The inputs of a case, floating ones in another shape and integers in its leading axes, of which
// one is there at least.
std::vector<CheckInput> reshaped(std::vector<CheckInput> inputs, const Shape& shape) {
  for (CheckInput& input : inputs) {
    const auto leading = shape.extents().first(std::size_t(std::max(1, shape.rank() - 1)));
    input.type.shape = is_floating(input.type.dtype) ? shape : Shape(leading);
  }
  return inputs;
}

// What can be made of a layer's kind: with the options of --set, then with a width, which some
// demand, then as its author does in the first case.
std::vector<std::function<std::shared_ptr<Layer>()>> ways_to_make(const BenchCommand& command,
                                                                  const LayerEntry& entry) {
  std::vector<std::string> overrides;
  for (const std::string& set : command.set) overrides.push_back("model.layers.0." + set);
  const auto by_recipe = [&](const std::string& options) {
    const std::string text =
        str("[model]\nlayers = [{type = \"", command.subject, "\"", options, "}]\n");
    const LayerRecipe recipe = parse_recipe(text, "bench", overrides).layers[0];
    return [recipe] { return make_layer(recipe); };
  };
  std::vector<std::function<std::shared_ptr<Layer>()>> ways;
  ways.emplace_back(by_recipe(""));
  if (!command.set.empty()) return ways;
  ways.emplace_back(by_recipe(", out = 1024"));
  ways.emplace_back(entry.cases.front().make);
  return ways;
}

// A case large enough to time: --shape, or 4096 rows of 1024.
LayerCase case_of_layer(const BenchCommand& command) {
  const LayerEntry entry = registered_layer(command.subject);
  const LayerCase& first = entry.cases.front();
  const Shape shape = command.shape.empty() ? Shape{4096, 1024} : Shape(command.shape);
  const std::vector<CheckInput> inputs = reshaped(first.inputs, shape);
  Signature types;
  for (const CheckInput& input : inputs) types.push_back(input.type);
  std::string refusal;
  for (const auto& make : ways_to_make(command, entry)) {
    try {
      make()->infer(types);
      return {.name = str(command.subject, " on ", shape), .make = make, .inputs = inputs};
    } catch (const Error& error) {
      if (refusal.empty()) refusal = error.message();
    }
  }
  ADJOINT_FAIL("bench: ", command.subject, " does not take ", shape, ": ", refusal);
}

// Integers below `count`: indices of a table's rows, of which a constant one would stay in cache.
void draw_indices(Context& context, const Tensor& tensor, std::int64_t count) {
  SampleRandom random(1, 0);
  std::vector<std::int32_t> indices(std::size_t(tensor.count()));
  for (std::int32_t& index : indices)
    index = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(count)));
  upload(context, tensor, indices);
}

std::size_t parameter_bytes(const Graph& graph) {
  std::size_t bytes = 0;
  for (const Parameter& parameter : graph.parameters()) bytes += parameter.value().bytes();
  return bytes;
}

Report bench_layer(const BenchCommand& command) {
  const LayerCase layer_case = case_of_layer(command);
  Context context;
  choose_engines(context, command.engines);
  Graph graph(context);
  const std::shared_ptr<Layer> layer = layer_case.make();
  const Traits traits = layer->traits();
  const bool learns = traits.gradient_in_forward || layer->has_backward();
  std::vector<Value> inputs;
  for (const CheckInput& input : layer_case.inputs)
    inputs.push_back(graph.input(input.type.shape, input.type.dtype,
                                 {.wants_gradient = learns && is_floating(input.type.dtype)}));
  const std::vector<Value> outputs = graph.apply(layer, inputs);
  CompileOptions options{.outputs = outputs};
  if (learns) (traits.gradient_in_forward ? options.losses : options.seeds) = {outputs[0]};
  graph.compile(options);

  double x_bytes = 0, y_bytes = 0, dx_bytes = 0;
  std::uint64_t place = 0;
  const auto fill = [&](const Tensor& tensor) {
    initialize(
        context.stream(), tensor,
        is_floating(tensor.dtype()) ? Initializer::normal(1.0f) : Initializer::constant(0.0f), 1,
        place++);
  };
  for (const Value& input : inputs) {
    fill(graph.tensor(input));
    x_bytes += double(graph.tensor(input).bytes());
    if (is_floating(input.type().dtype)) dx_bytes += double(graph.tensor(input).bytes());
  }
  // Integers without floating inputs beside them are indices into the parameter; others are labels,
  // of which 0 is one.
  if (dx_bytes == 0 && !graph.parameters().empty())
    draw_indices(context, graph.tensor(inputs[0]), graph.parameters()[0].shape()[0]);
  for (const Value& output : outputs) y_bytes += double(graph.tensor(output).bytes());
  const double weights = double(parameter_bytes(graph));
  const double samples = double(layer_case.inputs[0].type.shape[0]);

  Report report{.subject = layer_case.name};
  Phase forward = phase_of(context, "forward", command.seconds, [&] { graph.forward(); });
  forward.samples = samples;
  forward.operations = 2.0 * double(graph.forward_multiply_adds() + graph.early_multiply_adds());
  forward.bytes = x_bytes + y_bytes + weights + (traits.gradient_in_forward ? dx_bytes : 0.0);
  report.phases.push_back(forward);
  if (learns && !traits.gradient_in_forward) {
    fill(graph.gradient(outputs[0]));
    Phase backward = phase_of(context, "backward", command.seconds, [&] { graph.backward(); });
    backward.samples = samples;
    backward.operations = 2.0 * double(graph.backward_multiply_adds());
    backward.bytes = y_bytes + dx_bytes + 2.0 * weights +
                     (traits.backward_reads_x ? x_bytes : 0.0) +
                     (traits.backward_reads_y ? y_bytes : 0.0);
    report.phases.push_back(backward);
    report.counted_ratio = ratio(graph.backward_multiply_adds(), graph.forward_multiply_adds());
  }
  report.peak_memory = context.memory().use().peak;
  keep_engines(context, command.engines);
  report.ceilings = measure_ceilings(context, command.seconds);
  return report;
}

}  // namespace

int run_bench(const BenchCommand& command) {
  const std::filesystem::path path = find_recipe_or_none(command.subject);
  ADJOINT_CHECK(path.empty() || command.shape.empty(),
                "bench: --shape is for layers; a recipe's batch is --set train.batch=N");
  const Report report = path.empty() ? bench_layer(command) : bench_recipe(command, path);
  print(report);
  if (!command.json.empty()) {
    write_file_atomically(command.json, std::string_view(to_json(report).dump(2) + "\n"));
    std::printf("figures in           %s\n", command.json.string().c_str());
  }
  return 0;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// adjoint summary: what a recipe becomes. Layers as written, the rewrites made of them, if asked
// the calls of a step, where the memory goes, and what one captured step puts on the stream.
#include <algorithm>
#include <cstdio>
#include <map>

#include "core/base/text.h"
#include "core/samples/recipe_data.h"
#include "tools/adjoint/synthetic.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Of one node, by the names of its parameters: "linear1.weight" is of linear1.
std::int64_t parameters_of(const Graph& graph, const std::string& node) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters())
    if (parameter.name().starts_with(node + ".")) count += parameter.count();
  return count;
}

// The graph before rewrites, for those who wrote the recipe.
void print_layers(Recipe recipe) {
  Context context({.seed = recipe.train.seed});
  const Dataset outline = data_outline(recipe.data);
  resolve_class_weights(recipe.losses[0].options, outline);
  ModelOptions options = model_options(outline);
  options.rewrite = false;
  options.log_notices = false;  // the model as it is run says it
  const Model model = build_model(context, recipe, options);
  const Graph& graph = *model.graph;
  const Program& program = graph.program();
  Table table({"layer", "what", "output", ">parameters", ">multiply-adds"});
  std::int64_t parameters = 0;
  for (const Node& node : program.nodes) {
    const std::int64_t count = parameters_of(graph, node.name);
    parameters += count;
    const std::int64_t products = node.layer->multiply_adds(program.types(node.inputs));
    table.add({node.name, node.layer->describe(),
               str(program.values[std::size_t(node.outputs[0])].type.shape),
               count > 0 ? grouped(count) : "", products > 0 ? grouped(products) : ""});
  }
  table.rule();
  table.add({"total", "", "", grouped(parameters), grouped(graph.forward_multiply_adds())});
  std::printf("%s, batch %lld\n\n%s\n", recipe.name.c_str(),
              static_cast<long long>(recipe.train.batch), table.text().c_str());
}

void print_rewrites(const Program& program) {
  std::printf("rewrites\n");
  for (const std::string& line : program.rewrites) std::printf("  %s\n", line.c_str());
  if (program.rewrites.empty()) std::printf("  none\n");
}

std::string what_of(const Graph& graph, const Call& call) {
  if (call.node >= 0) return graph.program().nodes[std::size_t(call.node)].layer->describe();
  if (call.pass != Pass::hook) return "";
  const GradientRange& range = graph.gradient_ranges()[std::size_t(call.range)];
  return str("gradient ", grouped(range.begin), " to ", grouped(range.end));
}

// The moments that regions of memory speak of, one a line.
void print_calls(const Graph& graph) {
  const CallList& calls = graph.differentiation().calls;
  std::printf("\ncalls\n");
  Table table({">moment", "pass", "layer", "what", "stream", "waits for"});
  for (std::size_t moment = 0; moment < calls.calls().size(); ++moment) {
    if (moment == calls.turn()) table.rule();
    const Call& call = calls.calls()[moment];
    std::string waits;
    for (int wait : call.waits) waits += str(waits.empty() ? "" : ", ", wait);
    table.add({str(moment), name(call.pass),
               call.node < 0 ? "" : graph.program().nodes[std::size_t(call.node)].name,
               what_of(graph, call), name(call.stream), waits});
  }
  std::printf("%s", table.text().c_str());
}

void print_memory(SyntheticRun& run) {
  const Graph& graph = *run.model.graph;
  const MemoryPlan& plan = graph.plan();
  std::printf("\nmemory\n");
  Table table({"what", ">bytes", ""});
  const auto add = [&](const std::string& what, std::size_t bytes, const std::string& note = "") {
    table.add({what, grouped(static_cast<std::int64_t>(bytes)),
               note.empty() ? human_bytes(bytes) : note});
  };
  std::size_t moments = 0;
  for (const OptimizerState& state : run.optimizer->state()) moments += state.tensor.bytes();
  const ParameterSlab slab = graph.slab();
  add("parameters", slab.master.bytes());
  add("gradients", slab.gradient.bytes());
  add("optimizer state", moments);
  add("arena", plan.arena_bytes,
      str(human_bytes(plan.arena_bytes), ", at least ", human_bytes(plan.live_bytes),
          " is alive at once"));
  std::vector<Region> regions = plan.regions;
  std::ranges::stable_sort(regions, std::ranges::greater{}, &Region::bytes);
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(kShown, regions.size()); ++i)
    add("  " + regions[i].name, regions[i].bytes,
        str("moments ", regions[i].first, " to ", regions[i].last, ", at ", regions[i].offset));
  if (regions.size() > kShown)
    table.add({str("  ", regions.size() - kShown, " smaller ones"), "", ""});
  std::printf("%s", table.text().c_str());
}

void print_step(SyntheticRun& run) {
  run.step();  // plainly
  run.step();  // captured
  run.context.stream().synchronize();
  const std::vector<std::string> operations = run.trainer->step_operations();
  std::printf("\none captured %s, %zu kernels and products\n",
              run.batches_of_update() == 1 ? "step" : "batch of an update", operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i)
    std::printf("  %2zu  %s\n", i + 1, operations[i].c_str());
}

}  // namespace

int run_summary(const SummaryCommand& command) {
  const Recipe recipe = read_choice(command.choice);
  print_layers(recipe);
  SyntheticRun run(recipe);
  print_rewrites(run.model.graph->program());
  if (command.calls) print_calls(*run.model.graph);
  print_memory(run);
  print_step(run);
  return 0;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

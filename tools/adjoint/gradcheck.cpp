// adjoint gradcheck: the backward passes of a kind of layer, or of each layer of a recipe, against
// central differences in float64.
#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/graph/notices.h"
#include "core/graph/registry.h"
#include "core/samples/recipe_data.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr double kTolerance = 1e-6;
constexpr std::int64_t kRecipeBatch = 3;
// Hundreds of features add up to large sums, whose rounding a longer step makes up for.
constexpr double kRecipeStep = 5e-5;

// Right gradients are of no use to a loss that is given other numbers than it is made for.
void say_notices(const Recipe& recipe, const Dataset& outline, const Graph& graph,
                 const RecordedModel& recorded) {
  const Program& program = graph.program();
  for (const std::string& text : recorded.notices) log_warning(text);
  for (const std::string& text : find_notices(program)) log_warning(text);
  if (!recipe.losses[0].inputs.empty()) return;
  const auto last = static_cast<std::size_t>(recorded.last.id());
  if (program.values[last].producer < 0) return;
  LossRecipe loss = recipe.losses[0];
  resolve_class_weights(loss.options, outline);
  const std::vector<ValueRange> expected = make_layer(loss)->expects();
  if (expected.empty()) return;
  const std::string text = notice(recipe.losses[0].type, expected[0], program.values[last].name,
                                  value_ranges(program)[last]);
  if (!text.empty()) log_warning(text);
}

// Each layer by itself, on inputs as it meets them. Not the model in one: with thousands of ReLUs
// behind a parameter some kink lies within every step of a difference.
std::vector<LayerCase> cases_of_recipe(const Recipe& recipe) {
  const Dataset outline = data_outline(recipe.data);
  Context context;
  Graph graph(context);
  const std::vector<BatchField> fields = batch_fields(outline);
  ModelInputs inputs(graph, fields, kRecipeBatch);
  const RecordedModel recorded = record_model(inputs, recipe);
  std::vector<LayerCase> cases;
  for (const RecordedLayer& layer : recorded.layers) {
    LayerCase& made = cases.emplace_back();
    made.name = str(layer.owner, " on ", layer.inputs[0].shape);
    made.make = [layer] { return layer.layer->twin(); };
    for (const TensorType& type : layer.inputs) made.inputs.push_back({type});
  }
  say_notices(recipe, outline, graph, recorded);
  return cases;
}

std::vector<LayerCase> cases_of(const GradcheckCommand& command) {
  const std::filesystem::path path = find_recipe_or_none(command.subject);
  if (!path.empty()) {
    const Recipe recipe = read_recipe(path, command.set);
    std::vector<LayerCase> cases = cases_of_recipe(recipe);
    std::vector<std::string> types;
    for (const LossRecipe& loss : recipe.losses)
      if (std::ranges::find(types, loss.type) == types.end()) types.push_back(loss.type);
    for (const std::string& type : types) {
      const LayerEntry loss = registered_layer(type);
      cases.insert(cases.end(), loss.cases.begin(), loss.cases.end());
    }
    return cases;
  }
  ADJOINT_CHECK(command.set.empty(), "gradcheck: --set changes recipes, and ", command.subject,
                " is not one");
  return registered_layer(command.subject).cases;
}

}  // namespace

int run_gradcheck(const GradcheckCommand& command) {
  Table table({"case", "tensor", ">error", ">checked", ">kinks"});
  bool good = true;
  GradientCheckOptions options{.seed = command.seed};
  if (!find_recipe_or_none(command.subject).empty()) options.step = kRecipeStep;
  for (const LayerCase& layer_case : cases_of(command)) {
    std::string name = layer_case.name;
    for (const GradientCheckEntry& entry : check_gradients(layer_case, options)) {
      const bool within = entry.error <= kTolerance;  // NaN is not
      good = good && within;
      table.add({name, entry.name, formatted("%.1e", entry.error) + (within ? "" : " !"),
                 grouped(entry.checked), grouped(entry.skipped)});
      name.clear();
    }
  }
  std::printf("%s\n", table.text(0).c_str());
  std::printf(good ? "all relative errors are at most %g\n"
                   : "FAILED: relative errors above %g are marked with !\n",
              kTolerance);
  return good ? 0 : 1;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

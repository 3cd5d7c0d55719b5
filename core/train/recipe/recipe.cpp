#include "core/train/recipe/recipe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/train/recipe/recipe_tables.h"

namespace adjoint {
namespace {

// ---- reading

TrainRecipe read_train(Options& options) {
  TrainRecipe train;
  train.epochs = options.optional_integer("epochs");
  train.steps = options.optional_integer("steps");
  options.require(!train.epochs || *train.epochs >= 1, "epochs", "a whole number of at least 1");
  options.require(!train.steps || *train.steps >= 1, "steps", "a whole number of at least 1");
  options.require(!train.epochs || !train.steps, "steps", "epochs or steps, not both");
  if (!train.epochs && !train.steps) train.epochs = 10;
  train.batch = options.count("batch", train.batch, 1);
  train.seed = static_cast<std::uint64_t>(
      options.count("seed", static_cast<std::int64_t>(train.seed), /*least=*/0));
  train.precision =
      dtype_from_name(options.choice("precision", "float32", {"float32", "bfloat16", "float16"}));
  options.finish();
  return train;
}

// Keys of one table that another deprives of any effect.
void refuse_idle_keys(Recipe& recipe, RecipeTables& tables) {
  if (recipe.data.task != Task::classification)
    recipe.losses[0].options.refuse("ignored_label", "on targets that are no labels");
  Options& optim = tables.sections.at("optim");
  if (recipe.train.precision != DType::float16 || recipe.optim.loss_scale)
    optim.refuse_unless(
        "growth_interval", OptimizerRecipe().growth_interval,
        "where the loss scale does not follow the gradients, as in float16 without loss_scale");
  if (recipe.optim.ema == 0) optim.refuse_unless("ema_warmup", true, "without ema");
}

// Keys that say how a layer or a loss stands among the others, and are none of its options.
constexpr std::array kLayerKeys{"type", "input", "output"};
constexpr std::array kLossKeys{"type", "input", "target", "name", "weight", "metrics"};

// What is left of a table.
Options without(const Options& table, std::span<const char* const> keys) {
  Options options(table.owner(), table.where());
  for (const Options::Item& item : table.items())
    if (std::ranges::find(keys, item.key) == keys.end())
      options.set(item.key, item.value, item.where);
  return options;
}

LayerRecipe read_layer(const LayerTable& table);

LayerRecipe read_block(const LayerTable& table) {
  Options options = table.options;
  LayerRecipe block{.type = {}, .options = Options(options.owner(), options.where())};
  block.inputs = options.names("input");
  block.outputs = options.names("output");
  block.repeat = options.count("repeat", 1, 1);
  options.require(block.inputs.size() <= 1, "input", "one value, which the first round takes");
  options.require(block.outputs.size() <= 1, "output", "one name, of what the last round makes");
  options.require(!table.layers.empty(), "layers", "at least one layer in a block");
  options.finish();
  for (const LayerTable& layer : table.layers) block.layers.push_back(read_layer(layer));
  return block;
}

LayerRecipe read_layer(const LayerTable& table) {
  if (table.block) return read_block(table);
  // A copy is asked, so that the message for a missing type comes from the whole table.
  Options whole = table.options;
  LayerRecipe layer{.type = whole.text("type"), .options = without(whole, kLayerKeys)};
  layer.inputs = whole.names("input");
  layer.outputs = whole.names("output");
  return layer;
}

std::string usual_name(const LossRecipe& loss) {
  return loss.inputs.empty() ? loss.type : loss.inputs[0];
}

LossRecipe read_loss(const Options& table) {
  Options whole = table;
  LossRecipe loss{.type = whole.text("type", Recipe().losses[0].type),
                  .options = without(whole, kLossKeys)};
  loss.inputs = whole.names("input");
  loss.target = whole.text("target", "");
  loss.weight = whole.number("weight", 1);
  whole.require(loss.weight > 0 && std::isfinite(loss.weight), "weight", "a number above 0");
  loss.name = whole.text("name", usual_name(loss));
  loss.metrics = whole.names("metrics");
  return loss;
}

void read_losses(const RecipeTables& tables, Recipe& recipe) {
  recipe.losses = {read_loss(tables.sections.at("loss"))};
  std::vector<std::string> names{recipe.losses[0].name};
  for (std::size_t i = 1; i < tables.losses.size(); ++i) {
    const LossRecipe& loss = recipe.losses.emplace_back(read_loss(tables.losses[i]));
    tables.losses[i].require(std::ranges::find(names, loss.name) == names.end(), "name",
                             "another than the losses before have");
    names.push_back(loss.name);
  }
}

void read_model(RecipeTables& tables, Recipe& recipe) {
  Options& model = tables.sections.at("model");
  if (model.has("type")) {
    recipe.model_type = model.text("type");
    recipe.model_options = without(model, std::array{"type"});
    model.require(tables.layers.empty(), "type", "a type or layers, not both");
    return;
  }
  model.optional_integer("layers");
  model.optional_text("type");
  model.finish();
  ADJOINT_CHECK(!tables.layers.empty(), recipe.name,
                ": the recipe has no layers; expected [model] with layers = [{type = ...}, ...]");
  for (const LayerTable& layer : tables.layers) recipe.layers.push_back(read_layer(layer));
}

std::optional<std::int32_t> number_of(const Options& options, const char* key) {
  const auto found = std::ranges::find(options.items(), key, &Options::Item::key);
  const auto* value =
      found == options.items().end() ? nullptr : std::get_if<std::int64_t>(&found->value);
  if (value == nullptr || !std::in_range<std::int32_t>(*value)) return {};
  return static_cast<std::int32_t>(*value);
}

// How many numbers the last layer that says it makes.
std::optional<std::int32_t> last_out(const std::vector<LayerRecipe>& layers) {
  std::optional<std::int32_t> last;
  for (const LayerRecipe& layer : layers) {
    const auto out = layer.repeat > 0 ? last_out(layer.layers) : number_of(layer.options, "out");
    if (out) last = out;
  }
  return last;
}

// What the loss and the layers say of the data's classes; whether these are right is for the
// registry of layers to say.
void read_classes(Recipe& recipe) {
  if (recipe.data.task != Task::classification) return;
  recipe.data.ignored_label = number_of(recipe.losses[0].options, "ignored_label");
  recipe.data.model_classes = last_out(recipe.layers);
}

// ---- writing

void add_names(std::string& out, const LayerRecipe& layer) {
  if (!layer.inputs.empty()) out += str(", input = ", toml_text(name_or_names(layer.inputs)));
  if (!layer.outputs.empty()) out += str(", output = ", toml_text(name_or_names(layer.outputs)));
}

// TOML 1.0 lets no line end stand in an inline table but in a list within.
std::string layers_text(const std::vector<LayerRecipe>& layers, const std::string& indent) {
  std::string out = "layers = [\n";
  for (const LayerRecipe& layer : layers) {
    out += str(indent, "  {");
    if (layer.repeat > 0) {
      out += str("repeat = ", layer.repeat);
      add_names(out, layer);
      out += str(", ", layers_text(layer.layers, str(indent, "  ")));
    } else {
      out += str("type = ", toml_text(layer.type));
      add_names(out, layer);
      for (const Options::Item& item : layer.options.items())
        out += str(", ", toml_key(item.key), " = ", toml_text(item.value));
    }
    out += "},\n";
  }
  return str(out, indent, "]");
}

std::string model_text(const Recipe& recipe) {
  if (recipe.model_type.empty()) return str("[model]\n", layers_text(recipe.layers, ""), "\n");
  Options out("[model]");
  out.set("type", recipe.model_type);
  for (const Options::Item& item : recipe.model_options.items()) out.set(item.key, item.value);
  return toml_table(out);
}

std::string loss_text(const LossRecipe& loss, bool several) {
  Options out(several ? "[[loss]]" : "[loss]");
  out.set("type", loss.type);
  if (several || loss.name != usual_name(loss)) out.set("name", loss.name);
  if (!loss.inputs.empty()) out.set("input", name_or_names(loss.inputs));
  if (!loss.target.empty()) out.set("target", loss.target);
  if (loss.weight != 1) out.set("weight", loss.weight);
  if (!loss.metrics.empty()) out.set("metrics", loss.metrics);
  for (const Options::Item& item : loss.options.items()) out.set(item.key, item.value);
  return toml_table(out);
}

std::string losses_text(const Recipe& recipe) {
  std::vector<std::string> texts;
  for (const LossRecipe& loss : recipe.losses)
    texts.push_back(loss_text(loss, recipe.losses.size() > 1));
  return join(texts, "\n");
}

Options train_options(const TrainRecipe& train) {
  Options out("[train]");
  if (train.epochs) out.set("epochs", *train.epochs);
  if (train.steps) out.set("steps", *train.steps);
  out.set("batch", train.batch);
  out.set("seed", static_cast<std::int64_t>(train.seed));
  out.set("precision", std::string(name(train.precision)));
  return out;
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides) {
  RecipeTables tables = parse_recipe_tables(text, name, overrides);
  Recipe recipe{.name = name};
  read_model(tables, recipe);
  read_losses(tables, recipe);
  recipe.data = read_data_recipe(tables.sections.at("data"), predicted_by(recipe.losses[0].type));
  read_classes(recipe);
  recipe.optim = read_optimizer(tables.sections.at("optim"), tables.groups);
  recipe.schedule = read_schedule(tables.sections.at("schedule"), recipe.optim.lr);
  recipe.train = read_train(tables.sections.at("train"));
  refuse_idle_keys(recipe, tables);
  return recipe;
}

Recipe read_recipe(const std::filesystem::path& path, std::span<const std::string> overrides) {
  const Bytes bytes = read_file(path);
  return parse_recipe({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      path.filename().string(), overrides);
}

Predicted predicted_by(std::string_view loss_type) {
  if (loss_type.ends_with("cross_entropy") || loss_type == "nll" || loss_type == "ctc")
    return Predicted::label;
  if (loss_type == "bce_with_logits" || loss_type == "kl_divergence") return Predicted::probability;
  return Predicted::number;
}

std::string to_toml(const Recipe& recipe) {
  std::string text =
      join(std::vector<std::string>{toml_table(data_options(recipe.data)), model_text(recipe),
                                    losses_text(recipe), optimizer_text(recipe.optim),
                                    schedule_text(recipe.schedule),
                                    toml_table(train_options(recipe.train))},
           "\n");
  const std::size_t good = utf8_prefix(text), line = text.rfind('\n', good) + 1;
  ADJOINT_CHECK(good == text.size(), "recipe: '",
                printable(text.substr(line, text.find('\n', good) - line)),
                "' is not UTF-8, as TOML must be; choose another name");
  return text;
}

}  // namespace adjoint

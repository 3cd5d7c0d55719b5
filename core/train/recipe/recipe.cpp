#include "core/train/recipe/recipe.h"

#include <algorithm>
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
    recipe.loss.options.refuse("ignored_label", "on targets that are no labels");
  Options& optim = tables.sections.at("optim");
  if (recipe.train.precision != DType::float16 || recipe.optim.loss_scale)
    optim.refuse_unless(
        "growth_interval", OptimizerRecipe().growth_interval,
        "where the loss scale does not follow the gradients, as in float16 without loss_scale");
  if (recipe.optim.ema == 0) optim.refuse_unless("ema_warmup", true, "without ema");
}

LayerRecipe read_layer(const Options& table) {
  Options options(table.owner(), table.where());
  for (const Options::Item& item : table.items()) {
    if (item.key != "type") options.set(item.key, item.value, item.where);
  }
  // A copy is asked, so that the message for a missing type comes from the whole table.
  Options whole = table;
  return {.type = whole.text("type"), .options = std::move(options)};
}

LayerRecipe read_loss(Options table) {
  if (!table.has("type")) table.set("type", Recipe().loss.type);
  return read_layer(table);
}

// What the loss and the layers say of the data's classes; whether these are right is for the
// registry of layers to say.
void read_classes(Recipe& recipe) {
  const auto number = [](const LayerRecipe& layer, const char* key) -> std::optional<std::int32_t> {
    const auto& items = layer.options.items();
    const auto found = std::ranges::find(items, key, &Options::Item::key);
    const auto* value = found == items.end() ? nullptr : std::get_if<std::int64_t>(&found->value);
    if (value == nullptr || !std::in_range<std::int32_t>(*value)) return {};
    return static_cast<std::int32_t>(*value);
  };
  if (recipe.data.task != Task::classification) return;
  recipe.data.ignored_label = number(recipe.loss, "ignored_label");
  for (const LayerRecipe& layer : recipe.layers)
    if (const auto out = number(layer, "out")) recipe.data.model_classes = out;
}

// ---- writing

std::string model_text(const std::vector<LayerRecipe>& layers) {
  std::string out = "[model]\nlayers = [\n";
  for (const LayerRecipe& layer : layers) {
    out += str("  {type = ", toml_text(layer.type));
    for (const Options::Item& item : layer.options.items()) {
      out += str(", ", toml_key(item.key), " = ", toml_text(item.value));
    }
    out += "},\n";
  }
  return out += "]\n";
}

Options loss_options(const LayerRecipe& loss) {
  Options out("[loss]");
  out.set("type", loss.type);
  for (const Options::Item& item : loss.options.items()) out.set(item.key, item.value);
  return out;
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
  tables.sections.at("model").optional_integer("layers");
  tables.sections.at("model").finish();
  ADJOINT_CHECK(!tables.layers.empty(), name,
                ": the recipe has no layers; expected [model] with layers = [{type = ...}, ...]");
  for (const Options& layer : tables.layers) recipe.layers.push_back(read_layer(layer));
  recipe.loss = read_loss(tables.sections.at("loss"));
  recipe.data = read_data_recipe(tables.sections.at("data"), predicted_by(recipe.loss.type));
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
  std::string text = join(
      std::vector<std::string>{toml_table(data_options(recipe.data)), model_text(recipe.layers),
                               toml_table(loss_options(recipe.loss)), optimizer_text(recipe.optim),
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

#include "core/train/recipe/recipe.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/train/recipe/recipe_tables.h"

namespace adjoint {
namespace {

constexpr const char* kPositive = "a positive number";
constexpr const char* kUnitInterval = "a number from 0 to below 1";

// Written so that NaN fails each.
bool positive(double value) { return value > 0 && std::isfinite(value); }
bool in_unit_interval(double value) { return value >= 0 && value < 1; }

// ---- reading

std::int64_t count(Options& options, const std::string& key, std::int64_t fallback,
                   std::int64_t least) {
  const std::int64_t value = options.integer(key, fallback);
  options.require(value >= least, key, str("a whole number of at least ", least));
  return value;
}

std::uint64_t seed(Options& options, std::uint64_t fallback) {
  return static_cast<std::uint64_t>(count(options, "seed", static_cast<std::int64_t>(fallback), 0));
}

double number(Options& options, const std::string& key, double fallback, bool (*valid)(double),
              const char* expected) {
  const double value = options.number(key, fallback);
  options.require(valid(value), key, expected);
  return value;
}

void read_pixel_statistics(Options& options, DataRecipe& data) {
  data.mean = options.optional_number("mean");
  data.deviation = options.optional_number("deviation");
  options.require(!data.mean || std::isfinite(*data.mean), "mean", "a finite number");
  options.require(!data.deviation || positive(*data.deviation), "deviation", kPositive);
  options.require(data.mean.has_value() || !data.deviation, "mean", "a number beside deviation");
  options.require(data.deviation.has_value() || !data.mean, "deviation", "a number beside mean");
}

// Sets of which is known what they are: the input may be the target instead.
void read_known_target(Options& options, DataRecipe& data) {
  const bool numbers = data.name == "regression";
  const std::string own = numbers ? "number" : "label";
  data.task = options.choice("target", own, {own, "input"}) == "input" ? Task::reconstruction
              : numbers                                                ? Task::regression
                                                                       : Task::classification;
}

void read_csv_keys(Options& options, DataRecipe& data) {
  data.target = options.names("target");
  data.ignore = options.names("ignore");
  data.header = options.flag("header", data.header);
  const std::string separator = options.text("separator", std::string(1, data.separator));
  options.require(separator.size() == 1, "separator", "a single character");
  data.separator = separator[0];
  data.encoding = options.text("encoding", data.encoding);
  options.require(is_encoding(data.encoding), "encoding",
                  "an encoding that iconv knows here, such as \"utf-8\", \"cp1252\" or \"utf-16\"");
  data.classes = options.names("classes");
  data.unknown = options.names("unknown");
  options.require(!data.target.empty(), "target",
                  "the column to predict, by name or number from 0, or \"input\"");
}

void read_npy_keys(Options& options, DataRecipe& data) {
  data.train_target = options.text("train_target", "");
  data.test_target = options.text("test_target", "");
  const std::string target =
      options.choice("target", data.train_target.empty() ? "" : "array", {"", "array", "input"});
  if (target == "input") data.target = {target};
  const bool wanted = target != "input";
  options.require(wanted != data.train_target.empty(), "train_target",
                  "the array to predict, or target = \"input\" and none");
  options.require((wanted && !data.test.empty()) != data.test_target.empty(), "test_target",
                  "an array beside test and train_target, and only there");
}

void read_file_keys(Options& options, DataRecipe& data, Predicted predicted) {
  data.train = options.text("train");
  data.test = options.text("test", "");
  if (data.test.empty()) {
    data.test_part = number(options, "test_part", data.test_part, in_unit_interval, kUnitInterval);
    options.require(data.test_part > 0, "test_part", "a number above 0 without a test file");
  } else {
    options.refuse("test_part", "beside test: nothing is set aside");
  }
  data.drop_missing = options.choice("missing", "refuse", {"refuse", "drop"}) == "drop";
  data.name == "csv" ? read_csv_keys(options, data) : read_npy_keys(options, data);
  if (data.target == std::vector<std::string>{"input"}) {
    options.require(data.unknown.empty(), "unknown", "none where the input is the target");
    data.task = Task::reconstruction;
    data.target = {};
    options.refuse("task", "beside target = \"input\"");
    options.refuse("classes", "beside target = \"input\"");
    return;
  }
  const std::string fallback = predicted == Predicted::label ? "classification" : "regression";
  const std::string task = options.choice("task", fallback, {"classification", "regression"});
  data.task = task == "regression" ? Task::regression : Task::classification;
  options.require(data.task == Task::regression || data.name != "csv" || data.target.size() == 1,
                  "target", "one column of labels");
  options.require(data.task == Task::classification || data.unknown.empty(), "unknown",
                  "none without classes; rows with missing numbers are left out by missing = "
                  "\"drop\"");
  if (data.task == Task::regression) options.refuse("classes", "on numbers to predict");
}

DataRecipe read_data(Options& options, Predicted predicted) {
  DataRecipe data;
  data.name =
      options.choice("name", data.name, {"digits", "mnist", "csv", "npy", "tabular", "regression"});
  const bool images = data.name == "digits" || data.name == "mnist";
  const bool drawn = !data.files() && data.name != "mnist";
  data.folder = drawn ? "" : options.text("folder", "");
  if (data.files()) {
    read_file_keys(options, data, predicted);
  } else {
    data.train_count = count(options, "train_count", drawn ? 30000 : 0, drawn ? 1 : 0);
    data.test_count = count(options, "test_count", drawn ? 10000 : 0, drawn ? 1 : 0);
    read_known_target(options, data);
  }
  data.seed = seed(options, data.seed);
  data.validation = number(options, "validation", data.validation, in_unit_interval, kUnitInterval);
  if (images || data.name == "npy") read_pixel_statistics(options, data);
  if (!images) data.normalise = options.flag("normalise", data.normalise);
  if (!images && data.task == Task::regression)
    data.normalise_target = options.flag("normalise_target", predicted == Predicted::number);
  else if (!images)
    options.refuse("normalise_target", "without numbers to predict");
  if (!data.normalise)
    for (const char* key : {"mean", "deviation"}) options.refuse(key, "with normalise = false");
  data.balanced_sampling =
      options.choice("sampling", "shuffled", {"shuffled", "balanced"}) == "balanced";
  options.require(!data.balanced_sampling || data.task == Task::classification, "sampling",
                  "shuffled, for only classes can be balanced");
  options.finish();
  return data;
}

TrainRecipe read_train(Options& options) {
  TrainRecipe train;
  train.epochs = options.optional_integer("epochs");
  train.steps = options.optional_integer("steps");
  options.require(!train.epochs || *train.epochs >= 1, "epochs", "a whole number of at least 1");
  options.require(!train.steps || *train.steps >= 1, "steps", "a whole number of at least 1");
  options.require(!train.epochs || !train.steps, "steps", "epochs or steps, not both");
  if (!train.epochs && !train.steps) train.epochs = 10;
  train.batch = count(options, "batch", train.batch, 1);
  train.seed = seed(options, train.seed);
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

class TomlWriter {
 public:
  explicit TomlWriter(const std::string& table) { text_ = str("[", table, "]\n"); }

  TomlWriter& add(const char* key, const OptionValue& value) {
    text_ += str(key, " = ", toml_text(value), "\n");
    return *this;
  }
  TomlWriter& add_seed(std::uint64_t seed) { return add("seed", static_cast<std::int64_t>(seed)); }
  template <class T>
  TomlWriter& add_if(const char* key, const std::optional<T>& value) {
    using Stored = std::conditional_t<std::is_integral_v<T>, std::int64_t, T>;
    return value ? add(key, static_cast<Stored>(*value)) : *this;
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string key_text(const std::string& key) { return is_bare_key(key) ? key : toml_text(key); }

std::string model_text(const std::vector<LayerRecipe>& layers) {
  std::string out = "[model]\nlayers = [\n";
  for (const LayerRecipe& layer : layers) {
    out += str("  {type = ", toml_text(layer.type));
    for (const Options::Item& item : layer.options.items()) {
      out += str(", ", key_text(item.key), " = ", toml_text(item.value));
    }
    out += "},\n";
  }
  return out += "]\n";
}

OptionValue name_or_names(const std::vector<std::string>& names) {
  if (names.size() == 1) return names[0];
  return names;
}

void write_file_keys(TomlWriter& out, const DataRecipe& data) {
  out.add("train", data.train);
  if (!data.test.empty())
    out.add("test", data.test);
  else
    out.add("test_part", data.test_part);
  if (!data.train_target.empty()) out.add("train_target", data.train_target);
  if (!data.test_target.empty()) out.add("test_target", data.test_target);
  out.add("missing", std::string(data.drop_missing ? "drop" : "refuse"));
  if (!data.target.empty()) out.add("target", name_or_names(data.target));
  if (data.task != Task::reconstruction)
    out.add("task", std::string(data.task == Task::regression ? "regression" : "classification"));
  if (data.name != "csv") return;
  if (!data.ignore.empty()) out.add("ignore", data.ignore);
  out.add("header", data.header).add("separator", std::string(1, data.separator));
  out.add("encoding", data.encoding);
  if (!data.unknown.empty()) out.add("unknown", data.unknown);
  if (!data.classes.empty()) out.add("classes", data.classes);
}

std::string data_text(const DataRecipe& data) {
  const bool images = data.name == "digits" || data.name == "mnist";
  TomlWriter out("data");
  out.add("name", data.name);
  if (data.name == "mnist" || data.files()) out.add("folder", data.folder);
  if (data.files())
    write_file_keys(out, data);
  else
    out.add("train_count", data.train_count).add("test_count", data.test_count);
  if (data.task == Task::reconstruction) out.add("target", std::string("input"));
  out.add_seed(data.seed).add("validation", data.validation);
  if (!images) out.add("normalise", data.normalise);
  if (!images && data.task == Task::regression) out.add("normalise_target", data.normalise_target);
  out.add("sampling", std::string(data.balanced_sampling ? "balanced" : "shuffled"));
  return out.add_if("mean", data.mean).add_if("deviation", data.deviation).text();
}

std::string loss_text(const LayerRecipe& loss) {
  TomlWriter out("loss");
  out.add("type", loss.type);
  for (const Options::Item& item : loss.options.items())
    out.add(key_text(item.key).c_str(), item.value);
  return out.text();
}

std::string train_text(const TrainRecipe& train) {
  TomlWriter out("train");
  out.add_if("epochs", train.epochs).add_if("steps", train.steps).add("batch", train.batch);
  out.add_seed(train.seed).add("precision", std::string(name(train.precision)));
  return out.text();
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
  recipe.data = read_data(tables.sections.at("data"), predicted_by(recipe.loss.type));
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
      join(std::vector<std::string>{data_text(recipe.data), model_text(recipe.layers),
                                    loss_text(recipe.loss), optimizer_text(recipe.optim),
                                    schedule_text(recipe.schedule), train_text(recipe.train)},
           "\n");
  const std::size_t good = utf8_prefix(text), line = text.rfind('\n', good) + 1;
  ADJOINT_CHECK(good == text.size(), "recipe: '",
                printable(text.substr(line, text.find('\n', good) - line)),
                "' is not UTF-8, as TOML must be; choose another name");
  return text;
}

}  // namespace adjoint

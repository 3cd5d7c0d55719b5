#include "core/train/datasets.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/data/digits.h"
#include "core/data/generated.h"
#include "core/data/table_notices.h"
#include "core/data/tables.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

// The first `count` samples; all of them where count is 0.
Dataset first_samples(Dataset data, std::int64_t count, const char* key) {
  ADJOINT_CHECK(count <= data.count, "[data] ", key, ": expected at most ", data.count,
                " samples, which is what ", data.name, " has, got ", count);
  if (count == 0 || count == data.count) return data;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return select(data, indices);
}

// ---- files

fs::path file_folder(const DataRecipe& recipe, const fs::path& folder) {
  return folder.empty() ? fs::path(recipe.folder) : folder;
}

CsvOptions csv_options(const DataRecipe& recipe) {
  CsvOptions options{.header = recipe.header,
                     .separator = recipe.separator,
                     .ignored = recipe.ignore,
                     .drop_missing = recipe.drop_missing,
                     .empty_label = std::ranges::find(recipe.classes, "") != recipe.classes.end()};
  if (recipe.task == Task::classification)
    options.label = recipe.target.at(0);
  else
    options.targets = recipe.target;
  return options;
}

// `like`, where it is not null, is the training part: classes and features must be its.
Dataset load_csv(const DataRecipe& recipe, const fs::path& folder, const std::string& file,
                 const Dataset* like) {
  const fs::path path = folder / file;
  CsvTable table = read_csv(path, csv_options(recipe));
  std::vector<std::string> classes = like == nullptr ? recipe.classes : like->class_names;
  if (classes.empty() && recipe.task == Task::classification)
    classes = label_classes(table, path.string());
  return table_dataset(
      std::move(table), path.string(), classes,
      like == nullptr || !recipe.header ? std::vector<std::string>() : like->feature_names);
}

Dataset load_npy(const DataRecipe& recipe, const fs::path& folder, const std::string& input,
                 const std::string& target, const Dataset* like) {
  const NpyArray x = read_array(folder, input);
  NpyArray y;
  if (!target.empty()) y = read_array(folder, target);
  return array_dataset((folder / input).string(), x, target.empty() ? nullptr : &y,
                       {.labels = recipe.task == Task::classification,
                        .classes = like == nullptr ? 0 : like->classes,
                        .drop_missing = recipe.drop_missing});
}

Datasets load_files(const DataRecipe& recipe, const fs::path& folder) {
  const fs::path from = file_folder(recipe, folder);
  const auto load = [&](const std::string& input, const std::string& target, const Dataset* like) {
    return recipe.name == "csv" ? load_csv(recipe, from, input, like)
                                : load_npy(recipe, from, input, target, like);
  };
  Datasets all;
  all.train = load(recipe.train, recipe.train_target, nullptr);
  if (!recipe.test.empty()) {
    all.test = load(recipe.test, recipe.test_target, &all.train);
    ADJOINT_CHECK(all.test.sample == all.train.sample && all.test.type == all.train.type &&
                      all.test.outputs == all.train.outputs,
                  all.test.name, ": samples of ", name(all.test.type), " ", all.test.sample,
                  " and ", all.test.outputs, " targets, but the training part has ",
                  name(all.train.type), " ", all.train.sample, " and ", all.train.outputs);
    return all;
  }
  Split split = split_validation(all.train, recipe.test_part, recipe.seed ^ 0x74657374u,
                                 {.stratified = true, .name = "test"});
  ADJOINT_CHECK(split.validation.count > 0, all.train.name, ": a test part of ", recipe.test_part,
                " of ", all.train.count, " samples has none",
                all.train.classes > 0 ? ", for one of each class stays in the training part" : "");
  split.train.notices = std::move(all.train.notices);
  if (auto notice = rare_classes_notice(split.train, split.validation))
    split.validation.notices.push_back(*std::move(notice));
  return {std::move(split.train), std::move(split.validation)};
}

Datasets load_all(const DataRecipe& recipe, const fs::path& folder) {
  ADJOINT_CHECK(folder.empty() || recipe.files() || recipe.name == "mnist", "[data] name = \"",
                recipe.name, "\" is drawn and reads no files; leave --data ", folder.string(),
                " out, or set name = \"mnist\", \"csv\" or \"npy\"");
  if (recipe.name == "digits")
    return make_digits(recipe.train_count, recipe.test_count, recipe.seed);
  if (recipe.name == "tabular")
    return make_tabular(recipe.train_count, recipe.test_count, recipe.seed);
  if (recipe.name == "regression")
    return make_regression(recipe.train_count, recipe.test_count, recipe.seed);
  if (recipe.files()) return load_files(recipe, folder);
  ADJOINT_CHECK(recipe.name == "mnist",
                "[data] name: expected digits, mnist, csv, npy, tabular or regression, got ",
                recipe.name);
  const fs::path from = file_folder(recipe, folder);
  ADJOINT_CHECK(!from.empty(),
                "[data] name = \"mnist\" needs a folder with the four IDX files of MNIST; name it "
                "with --data FOLDER");
  Datasets all = load_mnist(from);
  return {first_samples(std::move(all.train), recipe.train_count, "train_count"),
          first_samples(std::move(all.test), recipe.test_count, "test_count")};
}

// ---- what is done to them

// A set whose input is to be made again has no other target.
void drop_targets(Dataset& data) {
  data.classes = 0;
  data.labels = {};
  data.class_names = {};
  data.outputs = 0;
  data.targets = {};
  data.target_remainders = {};
}

// Moves what is told of `from` to `to`.
void take_notices(Dataset& from, std::vector<std::string>& to) {
  std::ranges::move(from.notices, std::back_inserter(to));
  from.notices = {};
}

// What is learned of the training part, and what is told of the parts together; before they are
// normalised.
void measure(const DataRecipe& recipe, RecipeData& data) {
  const Dataset& train = data.train;
  DataStatistics& statistics = data.statistics;
  std::vector<ConstantColumn> features, targets;
  if (recipe.mean)
    statistics.input = {{*recipe.mean}, {recipe.deviation.value_or(1.0)}};
  else if (train.type == DType::uint8)
    statistics.input = {{0.0}, {1.0}};
  else if (recipe.normalise)
    statistics.input =
        column_statistics(train.features, train.sample_size(), train.feature_remainders, &features);
  if (train.outputs > 0 && recipe.normalise_target)
    statistics.target =
        column_statistics(train.targets, train.outputs, train.target_remainders, &targets);
  const auto tell = [&](const std::optional<std::string>& notice) {
    if (notice) data.notices.push_back(*notice);
  };
  tell(constant_notice(train, data.test, false, statistics.input, features));
  tell(constant_notice(train, data.test, true, statistics.target, targets));
  if (statistics.input.mean.empty()) tell(lost_digits_notice(train, false));
  if (statistics.target.mean.empty()) tell(lost_digits_notice(train, true));
}

void resolve(DataRecipe& recipe, const Datasets& all, const fs::path& folder) {
  const bool reads = recipe.files() || recipe.name == "mnist";
  if (reads && (recipe.files() || !folder.empty())) {
    // Absolute, so that the run folder's recipe finds it from wherever eval is started.
    const fs::path from = file_folder(recipe, folder);
    recipe.folder = fs::absolute(from.empty() ? fs::path(".") : from).lexically_normal().string();
  }
  if (!recipe.files()) {
    recipe.train_count = all.train.count;
    recipe.test_count = all.test.count;
  }
  if (recipe.name == "csv") recipe.classes = all.train.class_names;
}

}  // namespace

RecipeData load_recipe_data(DataRecipe& recipe, const fs::path& folder) {
  Datasets all = load_all(recipe, folder);
  resolve(recipe, all, folder);
  if (recipe.task == Task::reconstruction) {
    drop_targets(all.train);
    drop_targets(all.test);
  }
  RecipeData data;
  take_notices(all.train, data.notices);
  take_notices(all.test, data.notices);
  data.test = std::move(all.test);
  if (recipe.validation > 0) {
    Split split = split_validation(all.train, recipe.validation, recipe.seed,
                                   {.stratified = all.train.type == DType::float32});
    all.train = {};
    data.train = std::move(split.train);
    data.validation = std::move(split.validation);
  } else {
    data.train = std::move(all.train);
  }
  if (!recipe.mean && recipe.normalise && data.train.type == DType::uint8) {
    const PixelStatistics pixels = pixel_statistics(data.train);
    recipe.mean = pixels.mean;
    // Images of one colour have none; they are left as they are.
    recipe.deviation = pixels.deviation > 0 ? pixels.deviation : 1.0;
  }
  if (recipe.validation > 0 && data.validation.count == 0)
    data.notices.push_back(str(data.train.name, ": [data] validation = ", recipe.validation, " of ",
                               data.train.count,
                               " samples sets none aside; the last model counts as the best"));
  measure(recipe, data);
  for (Dataset* part : {&data.train, &data.validation, &data.test})
    normalise(*part, data.statistics);
  return data;
}

Dataset load_test_data(const DataRecipe& recipe, const fs::path& folder,
                       const DataStatistics& statistics) {
  // The place of what is drawn in its sequence does not depend on the number of training samples.
  DataRecipe fewer = recipe;
  if (!recipe.files() && recipe.name != "mnist") fewer.train_count = 1;
  Dataset test = load_all(fewer, folder).test;
  if (recipe.task == Task::reconstruction) drop_targets(test);
  normalise(test, statistics);
  return test;
}

bool outline_is_known(const DataRecipe& recipe) { return !recipe.files(); }

Dataset data_outline(const DataRecipe& recipe, const fs::path& folder) {
  Dataset outline;
  if (recipe.files()) {
    outline = load_files(recipe, folder).train;
  } else if (recipe.name == "mnist") {
    outline = {.name = recipe.name, .sample = {1, 28, 28}, .classes = 10};
  } else {
    DataRecipe one = recipe;
    one.train_count = one.test_count = 1;
    outline = load_all(one, folder).train;
  }
  if (recipe.task == Task::reconstruction) drop_targets(outline);
  outline.count = 0;
  outline.images = {};
  outline.features = {};
  outline.feature_remainders = {};
  outline.labels = {};
  outline.targets = {};
  outline.target_remainders = {};
  return outline;
}

PixelStatistics pixel_scale(const DataStatistics& statistics) {
  if (statistics.input.mean.size() != 1) return {.mean = 0, .deviation = 1};
  return {.mean = statistics.input.mean[0], .deviation = statistics.input.deviation[0]};
}

void resolve_class_weights(LayerRecipe& loss, const Dataset& train) {
  const std::string key = "class_weights";
  const auto item = std::ranges::find(loss.options.items(), key, &Options::Item::key);
  if (item == loss.options.items().end()) return;
  const auto* text = std::get_if<std::string>(&item->value);
  if (text == nullptr) return;
  loss.options.require(*text == "balanced", key, "\"balanced\" or a list of numbers");
  const std::vector<float> weights =
      train.count > 0 ? balanced_class_weights(train)
                      : std::vector<float>(static_cast<std::size_t>(train.classes), 1.0f);
  loss.options.set(key, std::vector<double>(weights.begin(), weights.end()), item->where);
}

}  // namespace adjoint

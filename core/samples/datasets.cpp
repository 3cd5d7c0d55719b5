#include "core/samples/datasets.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/data/generated/digits.h"
#include "core/data/generated/generated.h"
#include "core/data/readers/tables.h"
#include "core/samples/table_notices.h"

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
                     .encoding = recipe.encoding,
                     .unknown = recipe.unknown,
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
                 const Dataset* like, const LossTargets& wanted) {
  const fs::path path = folder / file;
  CsvTable table = read_csv(path, csv_options(recipe));
  check_targets(table.targets, std::ssize(recipe.target), wanted,
                [&](std::int64_t row, std::int64_t output) {
                  return str(path.string(), ": line ", table.lines[std::size_t(row)], ", column '",
                             recipe.target[std::size_t(output)], "'");
                });
  const UnknownLabels unknown{.texts = recipe.unknown, .number = recipe.ignored_label};
  std::vector<std::string> classes = like == nullptr ? recipe.classes : like->class_names;
  if (classes.empty() && recipe.task == Task::classification)
    classes = label_classes(table, path.string(), unknown);
  const std::vector<std::string>& names =
      like == nullptr ? recipe.feature_names : like->feature_names;
  return table_dataset(std::move(table), path.string(), classes,
                       recipe.header ? names : std::vector<std::string>(), unknown);
}

Dataset load_npy(const DataRecipe& recipe, const fs::path& folder, const std::string& input,
                 const std::string& target, const Dataset* like, const LossTargets& wanted) {
  const NpyArray x = read_array(folder, input);
  NpyArray y;
  if (!target.empty()) y = read_array(folder, target);
  if (recipe.task == Task::regression && !wanted.any() && !y.dims.empty() && y.dims[0] > 0) {
    const std::string name = (folder / target).string();
    const std::vector<float> targets = to_floats(y, name, /*allow_nan=*/true);
    check_targets(targets, std::ssize(targets) / y.dims[0], wanted,
                  [&](std::int64_t row, std::int64_t output) {
                    return str(name, ": row ", row, ", column ", output);
                  });
  }
  return array_dataset((folder / input).string(), x, target.empty() ? nullptr : &y,
                       {.labels = recipe.task == Task::classification,
                        .classes = like == nullptr ? 0 : like->classes,
                        .drop_missing = recipe.drop_missing,
                        .ignored_label = recipe.ignored_label.value_or(Dataset().ignored_label)});
}

Datasets load_files(const DataRecipe& recipe, const fs::path& folder, const LossTargets& wanted) {
  const fs::path from = file_folder(recipe, folder);
  const auto load = [&](const std::string& input, const std::string& target, const Dataset* like) {
    return recipe.name == "csv" ? load_csv(recipe, from, input, like, wanted)
                                : load_npy(recipe, from, input, target, like, wanted);
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

// Their labels do not say whether they lack a class; a model that makes MNIST's ten says so.
MnistOptions mnist_options(const DataRecipe& recipe) {
  const std::int32_t digits = MnistOptions().least_classes;
  return {.least_classes = recipe.model_classes.value_or(digits) == digits ? digits : 0,
          .ignored_label = recipe.ignored_label.value_or(Dataset().ignored_label)};
}

// Of what is drawn the loss may ignore a class.
Datasets draw(const DataRecipe& recipe) {
  const auto make = recipe.name == "digits"    ? make_digits
                    : recipe.name == "tabular" ? make_tabular
                                               : make_regression;
  Datasets all = make(recipe.train_count, recipe.test_count, recipe.seed);
  for (Dataset* part : {&all.train, &all.test})
    part->ignored_label = recipe.ignored_label.value_or(part->ignored_label);
  return all;
}

Datasets load_all(const DataRecipe& recipe, const fs::path& folder,
                  const LossTargets& wanted = {}) {
  ADJOINT_CHECK(folder.empty() || recipe.files() || recipe.name == "mnist", "[data] name = \"",
                recipe.name, "\" is drawn and reads no files; leave --data ", folder.string(),
                " out, or set name = \"mnist\", \"csv\" or \"npy\"");
  if (recipe.name == "digits" || recipe.name == "tabular") return draw(recipe);
  if (recipe.name == "regression") {
    Datasets all = draw(recipe);
    for (const Dataset* part : {&all.train, &all.test})
      check_targets(part->targets, part->outputs, wanted,
                    [&](std::int64_t row, auto) { return str(part->name, ": sample ", row); });
    return all;
  }
  if (recipe.files()) return load_files(recipe, folder, wanted);
  ADJOINT_CHECK(recipe.name == "mnist",
                "[data] name: expected digits, mnist, csv, npy, tabular or regression, got ",
                recipe.name);
  const fs::path from = file_folder(recipe, folder);
  ADJOINT_CHECK(!from.empty(),
                "[data] name = \"mnist\" needs a folder with the four IDX files of MNIST; name it "
                "with --data FOLDER");
  Datasets all = load_mnist(from, mnist_options(recipe));
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

// Means over no samples are no numbers.
void check_labelled(const Dataset& data) {
  ADJOINT_CHECK(data.count == 0 || data.classes == 0 ||
                    std::ranges::any_of(class_counts(data), [](std::int64_t n) { return n > 0; }),
                data.name, ": none of ", data.count, " samples has a label but ",
                data.ignored_label, ", the ignored_label of the loss; expected some that count");
}

// Samples of no class; those that are known may be few, and no part should lack them.
bool has_unknown(const Dataset& data) {
  return std::ranges::any_of(
      data.labels, [&](std::int32_t label) { return label < 0 || label >= data.classes; });
}

// What has bounds means something as it is.
void check_normalisation(const DataRecipe& recipe, const LossTargets& wanted) {
  const bool normalised = recipe.task == Task::regression && recipe.normalise_target;
  ADJOINT_CHECK(wanted.any() || !normalised, "[data] normalise_target: expected false, for ",
                wanted.loss,
                " compares with probabilities as they are, and normalised they would be none");
}

// Of an input that is to be made again, as the model sees it.
void check_inputs(const Dataset& data, const DataStatistics& statistics,
                  const LossTargets& wanted) {
  if (wanted.any()) return;
  if (data.type == DType::uint8) {
    const PixelStatistics scale = pixel_scale(statistics);
    const double black = (0 - scale.mean) / scale.deviation;
    const double white = (1 - scale.mean) / scale.deviation;
    ADJOINT_CHECK(wanted.range.holds(black) && wanted.range.holds(white),
                  "[data] mean, deviation: pixels become numbers from ", black, " to ", white,
                  ", and as the input is the target, ", wanted.loss, " needs ", wanted.range.low,
                  " to ", wanted.range.high, "; set mean = 0.0 and deviation = 1.0");
    return;
  }
  const bool normalised = !statistics.input.mean.empty();
  check_targets(data.features, data.sample_size(), wanted,
                [&](std::int64_t row, std::int64_t column) {
                  return str(data.name, ": sample ", row, ", feature ", column,
                             normalised ? ", normalised (set [data] normalise = false)" : "");
                });
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
    ADJOINT_CHECK(
        is_utf8(recipe.folder), "[data] folder: the name '",
        printable(recipe.folder, recipe.folder.size()),
        "' is not UTF-8, so that no recipe could say where the data lie; rename the folder, "
        "or make a link to it (ln -s) and name that");
  }
  if (!recipe.files()) {
    recipe.train_count = all.train.count;
    recipe.test_count = all.test.count;
  }
  if (recipe.name == "csv") recipe.classes = all.train.class_names;
}

}  // namespace

RecipeData load_recipe_data(DataRecipe& recipe, const fs::path& folder, const LossTargets& wanted) {
  check_normalisation(recipe, wanted);
  Datasets all = load_all(recipe, folder, wanted);
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
    Split split = split_validation(
        all.train, recipe.validation, recipe.seed,
        {.stratified = all.train.type == DType::float32 || has_unknown(all.train)});
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
  for (Dataset* part : {&data.train, &data.validation, &data.test}) {
    check_labelled(*part);
    normalise(*part, data.statistics);
    if (recipe.task == Task::reconstruction) check_inputs(*part, data.statistics, wanted);
  }
  return data;
}

Dataset load_test_data(const DataRecipe& recipe, const fs::path& folder,
                       const DataStatistics& statistics, const LossTargets& wanted) {
  // The place of what is drawn in its sequence does not depend on the number of training samples.
  DataRecipe fewer = recipe;
  if (!recipe.files() && recipe.name != "mnist") fewer.train_count = 1;
  Dataset test = load_all(fewer, folder, wanted).test;
  if (recipe.task == Task::reconstruction) drop_targets(test);
  check_labelled(test);
  normalise(test, statistics);
  return test;
}

bool outline_is_known(const DataRecipe& recipe) {
  return !recipe.files() && recipe.name != "mnist";
}

Dataset data_outline(const DataRecipe& recipe, const fs::path& folder) {
  Dataset outline;
  if (recipe.files()) {
    outline = load_files(recipe, folder, {}).train;
  } else if (recipe.name == "mnist") {
    std::error_code error;
    const fs::path from = file_folder(recipe, folder);
    const std::int32_t classes = recipe.model_classes.value_or(MnistOptions().least_classes);
    if (fs::exists(from, error))
      outline = load_mnist(from, mnist_options(recipe)).train;
    else
      outline = {.name = recipe.name, .sample = {1, 28, 28}, .classes = std::max(classes, 1)};
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

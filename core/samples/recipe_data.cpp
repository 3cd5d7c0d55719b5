#include "core/samples/recipe_data.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/samples/data_kinds.h"
#include "core/samples/table_notices.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

fs::path file_folder(const DataRecipe& recipe, const fs::path& folder) {
  return folder.empty() ? fs::path(recipe.folder) : folder;
}

// Of a recipe, which loads them by its kind.
Datasets load_all(const DataKind& kind, const DataRecipe& recipe, const fs::path& folder,
                  const LossTargets& wanted = {}) {
  std::vector<std::string> others = file_kind_names();
  for (std::string& name : others) name = str("\"", name, "\"");
  ADJOINT_CHECK(folder.empty() || !kind.drawn, "[data] name = \"", kind.name,
                "\" is drawn and reads no files; leave --data ", folder.string(),
                " out, or set name = ", alternatives(others));
  return kind.load(recipe, file_folder(recipe, folder), wanted);
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

void resolve(DataRecipe& recipe, const DataKind& kind, const Datasets& all,
             const fs::path& folder) {
  if (!kind.drawn) {
    // Absolute, so that the run folder's recipe finds it from wherever eval is started.
    const fs::path from = file_folder(recipe, folder);
    recipe.folder = fs::absolute(from.empty() ? fs::path(".") : from).lexically_normal().string();
    ADJOINT_CHECK(
        is_utf8(recipe.folder), "[data] folder: the name '",
        printable(recipe.folder, recipe.folder.size()),
        "' is not UTF-8, so that no recipe could say where the data lie; rename the folder, "
        "or make a link to it (ln -s) and name that");
  }
  if (kind.resolve) kind.resolve(recipe, all);
}

}  // namespace

RecipeData load_recipe_data(DataRecipe& recipe, const fs::path& folder, const LossTargets& wanted) {
  check_normalisation(recipe, wanted);
  const DataKind kind = data_kind(recipe.name);
  Datasets all = load_all(kind, recipe, folder, wanted);
  resolve(recipe, kind, all, folder);
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
  const DataKind kind = data_kind(recipe.name);
  DataRecipe fewer = recipe;
  if (kind.drawn) fewer.train_count = 1;
  Dataset test = load_all(kind, fewer, folder, wanted).test;
  if (recipe.task == Task::reconstruction) drop_targets(test);
  check_labelled(test);
  normalise(test, statistics);
  return test;
}

bool outline_is_known(const DataRecipe& recipe) { return data_kind(recipe.name).drawn; }

Dataset data_outline(const DataRecipe& recipe, const fs::path& folder) {
  const DataKind kind = data_kind(recipe.name);
  DataRecipe one = recipe;
  if (kind.drawn) one.train_count = one.test_count = 1;
  Dataset outline = kind.outline ? kind.outline(recipe, file_folder(recipe, folder))
                                 : load_all(kind, one, folder).train;
  if (recipe.task == Task::reconstruction) drop_targets(outline);
  return outline_of(outline);
}

}  // namespace adjoint

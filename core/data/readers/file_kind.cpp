#include "core/data/readers/file_kind.h"

#include <utility>

#include "core/base/error.h"
#include "core/samples/table_notices.h"

namespace adjoint {
void read_file_keys(Options& options, DataRecipe& data) {
  data.train = options.text("train");
  data.test = options.text("test", "");
  if (data.test.empty()) {
    data.test_part = options.fraction("test_part", data.test_part);
    options.require(data.test_part > 0, "test_part", "a number above 0 without a test file");
  } else {
    options.refuse("test_part", "beside test: nothing is set aside");
  }
  data.drop_missing = options.choice("missing", "refuse", {"refuse", "drop"}) == "drop";
}

void read_file_task(Options& options, DataRecipe& data, Predicted predicted) {
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
  if (data.task == Task::regression) options.refuse("classes", "on numbers to predict");
}

void write_file_keys(const DataRecipe& data, Options& out) {
  out.set("train", data.train);
  if (!data.test.empty())
    out.set("test", data.test);
  else
    out.set("test_part", data.test_part);
  if (!data.train_target.empty()) out.set("train_target", data.train_target);
  if (!data.test_target.empty()) out.set("test_target", data.test_target);
  out.set("missing", std::string(data.drop_missing ? "drop" : "refuse"));
  if (!data.target.empty()) out.set("target", name_or_names(data.target));
  if (data.task != Task::reconstruction)
    out.set("task", std::string(data.task == Task::regression ? "regression" : "classification"));
}

Datasets load_file_parts(const DataRecipe& recipe, const FileLoader& load) {
  Datasets all;
  all.train = load(recipe.train, recipe.train_target, nullptr);
  if (!recipe.test.empty()) {
    all.test = load(recipe.test, recipe.test_target, &all.train);
    ADJOINT_CHECK(all.test.sample == all.train.sample && all.test.type == all.train.type &&
                      all.test.outputs == all.train.outputs,
                  all.test.name, ": samples of ", name(all.test.type), " ", all.test.sample,
                  " and ", all.test.outputs, " targets, but the training part has ",
                  name(all.train.type), " ", all.train.sample, " and ", all.train.outputs);
    for (std::size_t i = 0; i < all.train.arrays.size(); ++i) {
      const DataArray &one = all.train.arrays[i], &other = all.test.arrays.at(i);
      ADJOINT_CHECK(one.type == other.type && one.shape == other.shape, all.test.name, ": array '",
                    other.name, "' is of ", name(other.type), " ", other.shape,
                    ", but that of the training part of ", name(one.type), " ", one.shape);
    }
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

}  // namespace adjoint

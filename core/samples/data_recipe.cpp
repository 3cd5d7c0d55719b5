#include "core/samples/data_recipe.h"

#include <cmath>

#include "core/samples/data_kinds.h"

namespace adjoint {
namespace {

void read_statistics(Options& options, DataRecipe& data) {
  data.mean = options.optional_number("mean");
  data.deviation = options.optional_number("deviation");
  const bool positive =
      !data.deviation || (*data.deviation > 0 && std::isfinite(*data.deviation));  // NaN fails
  options.require(!data.mean || std::isfinite(*data.mean), "mean", "a finite number");
  options.require(positive, "deviation", "a positive number");
  options.require(data.mean.has_value() || !data.deviation, "mean", "a number beside deviation");
  options.require(data.deviation.has_value() || !data.mean, "deviation", "a number beside mean");
}

}  // namespace

DataRecipe read_data_recipe(Options& options, Predicted predicted) {
  DataRecipe data;
  data.name = options.choice("name", data.name, data_kind_names());
  const DataKind kind = data_kind(data.name);
  if (!kind.drawn) data.folder = options.text("folder", "");
  kind.read(options, data, predicted);
  data.seed = static_cast<std::uint64_t>(
      options.count("seed", static_cast<std::int64_t>(data.seed), /*least=*/0));
  data.validation = options.fraction("validation", data.validation);
  const bool images = kind.input == DataInput::images;
  if (kind.input != DataInput::features) read_statistics(options, data);
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

Options data_options(const DataRecipe& data) {
  const DataKind kind = data_kind(data.name);
  Options out("[data]");
  out.set("name", data.name);
  if (!kind.drawn) out.set("folder", data.folder);
  kind.write(data, out);
  for (const auto& [key, value] : data.own) out.set(key, value);
  if (data.task == Task::reconstruction) out.set("target", std::string("input"));
  out.set("seed", static_cast<std::int64_t>(data.seed));
  out.set("validation", data.validation);
  const bool images = kind.input == DataInput::images;
  if (!images) out.set("normalise", data.normalise);
  if (!images && data.task == Task::regression) out.set("normalise_target", data.normalise_target);
  out.set("sampling", std::string(data.balanced_sampling ? "balanced" : "shuffled"));
  if (data.mean) out.set("mean", *data.mean);
  if (data.deviation) out.set("deviation", *data.deviation);
  return out;
}

}  // namespace adjoint

// [data] name = "npy": arrays in NumPy's files.
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/data/readers/file_kind.h"
#include "core/data/readers/npy.h"
#include "core/data/readers/tables.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

void read_keys(Options& options, DataRecipe& data, Predicted predicted) {
  read_file_keys(options, data);
  data.train_target = options.text("train_target", "");
  data.test_target = options.text("test_target", "");
  const std::string target =
      options.choice("target", data.train_target.empty() ? "" : "array", {"", "array", "input"});
  if (target == "input") data.target = {target};
  data.arrays = options.names("arrays");
  data.shared_arrays = options.names("shared_arrays");
  for (const auto& [key, names] :
       {std::pair("arrays", &data.arrays), std::pair("shared_arrays", &data.shared_arrays)})
    options.require(names->empty() || names_archive(data.train), key,
                    "none unless train names an array of an archive, \"FILE.npz:ARRAY\": they are "
                    "others of the same archive");
  const bool wanted = target != "input";
  options.require(wanted != data.train_target.empty(), "train_target",
                  "the array to predict, or target = \"input\" and none");
  options.require((wanted && !data.test.empty()) != data.test_target.empty(), "test_target",
                  "an array beside test and train_target, and only there");
  read_file_task(options, data, predicted);
}

void add_arrays(const DataRecipe& recipe, const fs::path& folder, const std::string& input,
                Dataset& data) {
  const auto add = [&](const std::string& name, bool per_sample) {
    const std::string file = array_beside(input, name);
    data.arrays.push_back(
        further_array((folder / file).string(), read_array(folder, file), name, per_sample));
  };
  for (const std::string& name : recipe.arrays) add(name, true);
  for (const std::string& name : recipe.shared_arrays) add(name, false);
  ADJOINT_CHECK(data.arrays.empty() || !recipe.drop_missing,
                "[data] missing = \"drop\" leaves rows out, which further arrays would not; "
                "expected arrays of complete rows, and missing = \"refuse\"");
  if (!data.arrays.empty()) check_dataset(data);
}

Dataset load_part(const DataRecipe& recipe, const fs::path& folder, const std::string& input,
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
  Dataset data =
      array_dataset((folder / input).string(), x, target.empty() ? nullptr : &y,
                    {.labels = recipe.task == Task::classification,
                     .classes = like == nullptr ? 0 : like->classes,
                     .drop_missing = recipe.drop_missing,
                     .ignored_label = recipe.ignored_label.value_or(Dataset().ignored_label)});
  add_arrays(recipe, folder, input, data);
  return data;
}

Datasets load(const DataRecipe& recipe, const fs::path& folder, const LossTargets& wanted) {
  return load_file_parts(
      recipe, [&](const std::string& input, const std::string& target, const Dataset* like) {
        return load_part(recipe, folder, input, target, like, wanted);
      });
}

void write_keys(const DataRecipe& data, Options& out) {
  write_file_keys(data, out);
  if (!data.arrays.empty()) out.set("arrays", name_or_names(data.arrays));
  if (!data.shared_arrays.empty()) out.set("shared_arrays", name_or_names(data.shared_arrays));
}

const bool kRegistered = register_data_kind({.name = "npy",
                                             .input = DataInput::either,
                                             .read = read_keys,
                                             .write = write_keys,
                                             .load = load});

}  // namespace
}  // namespace adjoint

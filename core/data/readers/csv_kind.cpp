// [data] name = "csv": tables in CSV files.
#include <algorithm>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/data/readers/csv.h"
#include "core/data/readers/file_kind.h"
#include "core/data/readers/tables.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

void read_keys(Options& options, DataRecipe& data, Predicted predicted) {
  read_file_keys(options, data);
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
  read_file_task(options, data, predicted);
  options.require(data.task != Task::classification || data.target.size() == 1, "target",
                  "one column of labels");
  options.require(data.task == Task::classification || data.unknown.empty(), "unknown",
                  "none without classes; rows with missing numbers are left out by missing = "
                  "\"drop\"");
}

void write_keys(const DataRecipe& data, Options& out) {
  write_file_keys(data, out);
  if (!data.ignore.empty()) out.set("ignore", data.ignore);
  out.set("header", data.header);
  out.set("separator", std::string(1, data.separator));
  out.set("encoding", data.encoding);
  if (!data.unknown.empty()) out.set("unknown", data.unknown);
  if (!data.classes.empty()) out.set("classes", data.classes);
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

Dataset load_part(const DataRecipe& recipe, const fs::path& folder, const std::string& file,
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

Datasets load(const DataRecipe& recipe, const fs::path& folder, const LossTargets& wanted) {
  return load_file_parts(recipe, [&](const std::string& file, const auto&, const Dataset* like) {
    return load_part(recipe, folder, file, like, wanted);
  });
}

const bool kRegistered =
    register_data_kind({.name = "csv",
                        .input = DataInput::features,
                        .read = read_keys,
                        .write = write_keys,
                        .load = load,
                        .resolve = [](DataRecipe& recipe, const Datasets& all) {
                          recipe.classes = all.train.class_names;
                        }});

}  // namespace
}  // namespace adjoint

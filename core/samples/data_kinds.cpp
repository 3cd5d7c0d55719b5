#include "core/samples/data_kinds.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/kind_registry.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

KindRegistry<DataKind>& registry() {
  static KindRegistry<DataKind> kinds("data kind");
  return kinds;
}

}  // namespace

bool register_data_kind(const DataKind& kind, const char* abi) {
  registry().add(kind.name, kind, abi);
  return registry().count(kind.name) == 1;
}

DataKind data_kind(const std::string& name) {
  const auto count = registry().count(name);
  ADJOINT_CHECK(count > 0, "[data] name: expected ", alternatives(data_kind_names()), ", got ",
                name);
  ADJOINT_CHECK(count == 1, "[data] name: there are ", count, " kinds of data named ", name,
                "; one of them is a plugin's and needs another name");
  const DataKind& kind = registry().find(name);
  ADJOINT_CHECK(kind.read && kind.write && kind.load, "data kind ", name,
                ": expected functions to read, write and load");
  return kind;
}

std::vector<std::string> data_kind_names() {
  std::vector<std::string> names = registry().kinds();
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> file_kind_names() {
  std::vector<std::string> names = data_kind_names();
  std::erase_if(names, [](const std::string& name) {
    return !registry().problem(name).empty() || registry().find(name).drawn;
  });
  return names;
}

void read_counts(Options& options, DataRecipe& data, std::int64_t train, std::int64_t test,
                 std::int64_t least) {
  data.train_count = options.count("train_count", train, least);
  data.test_count = options.count("test_count", test, least);
}

void write_counts(const DataRecipe& data, Options& out) {
  out.set("train_count", data.train_count);
  out.set("test_count", data.test_count);
}

void resolve_counts(DataRecipe& data, const Datasets& all) {
  data.train_count = all.train.count;
  data.test_count = all.test.count;
}

void read_known_target(Options& options, DataRecipe& data, Task own) {
  const std::string name = own == Task::regression ? "number" : "label";
  data.task =
      options.choice("target", name, {name, "input"}) == "input" ? Task::reconstruction : own;
}

DataKind drawn_data_kind(const std::string& name, DataInput input, Task own,
                         std::function<Datasets(std::int64_t, std::int64_t, std::uint64_t)> draw) {
  const auto load = [draw = std::move(draw)](const DataRecipe& recipe, const auto&,
                                             const LossTargets& wanted) {
    Datasets all = draw(recipe.train_count, recipe.test_count, recipe.seed);
    for (Dataset* part : {&all.train, &all.test}) {
      // Of what is drawn the loss may ignore a class.
      part->ignored_label = recipe.ignored_label.value_or(part->ignored_label);
      check_targets(part->targets, part->outputs, wanted,
                    [&](std::int64_t row, auto) { return str(part->name, ": sample ", row); });
    }
    return all;
  };
  return {.name = name,
          .input = input,
          .drawn = true,
          .read =
              [own](Options& options, DataRecipe& data, Predicted) {
                read_counts(options, data, 30000, 10000, /*least=*/1);
                read_known_target(options, data, own);
              },
          .write = write_counts,
          .load = load,
          .resolve = resolve_counts};
}

}  // namespace adjoint

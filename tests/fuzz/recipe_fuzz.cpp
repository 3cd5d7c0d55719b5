// Recipes: leading lines `--set table.key=value` are overrides, the rest is TOML. A recipe that was
// read reads to the same from what to_toml() makes of it.
#include "core/train/recipe/recipe.h"
#include "core/train/recipe/recipe_tables.h"

#include <algorithm>

#include "fuzz/fuzz.h"

namespace adjoint::fuzz {
namespace {

struct Parts {
  std::vector<std::string> overrides;
  std::string_view text;
};

Parts split(std::string_view input) {
  constexpr std::string_view kSet = "--set ";
  Parts parts{.text = input};
  while (parts.text.starts_with(kSet)) {
    const std::size_t end = std::min(parts.text.find('\n'), parts.text.size());
    parts.overrides.emplace_back(parts.text.substr(kSet.size(), end - kSet.size()));
    parts.text.remove_prefix(std::min(end + 1, parts.text.size()));
  }
  return parts;
}

/// Tables as text; NaN, which equals nothing, is a word there.
std::string text_of(const Options& options) {
  std::string out;
  for (const Options::Item& item : options.items())
    out += str("\n", item.key, " = ", toml_text(item.value));
  return out;
}

std::string text_of(const LayerRecipe& layer) {
  std::string out = str(layer.type, toml_text(layer.inputs), toml_text(layer.outputs), layer.repeat,
                        text_of(layer.options));
  for (const LayerRecipe& inner : layer.layers) out += str("{", text_of(inner), "}");
  return out;
}

std::string text_of(const LossRecipe& loss) {
  return str(loss.type, "\n", loss.name, toml_text(loss.inputs), loss.target,
             toml_text(loss.weight), toml_text(loss.metrics), text_of(loss.options));
}

constexpr auto kSame = [](const auto& a, const auto& b) { return text_of(a) == text_of(b); };

}  // namespace

void fuzz_recipe(Input input) {
  const Parts parts = split(as_text(input));
  const auto recipe = accepted([&] { return parse_recipe(parts.text, kName, parts.overrides); });
  if (!recipe) return;
  const Recipe again = parse_recipe(to_toml(*recipe), "written");
  demand(again.data == recipe->data, "[data] reads back");
  demand(std::ranges::equal(again.layers, recipe->layers, kSame), "layers read back");
  demand(again.model_type == recipe->model_type &&
             text_of(again.model_options) == text_of(recipe->model_options),
         "[model] reads back");
  demand(std::ranges::equal(again.losses, recipe->losses, kSame), "[loss] reads back");
  demand(again.optim == recipe->optim, "[optim] reads back");
  demand(again.schedule == recipe->schedule, "[schedule] reads back");
  demand(again.train == recipe->train, "[train] reads back");
}

}  // namespace adjoint::fuzz

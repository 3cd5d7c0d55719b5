// The part of recipes that knows TOML: text and overrides in, one table of options per section out,
// and such tables as text again.
// Apart from recipe.h because toml++ is slow to compile and nvcc does not accept it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/options.h"

namespace adjoint {

/// A layer, its `type` still among the options, or a block of layers.
struct LayerTable {
  Options options;
  bool block = false;
  std::vector<LayerTable> layers = {};
};

struct RecipeTables {
  /// By section ("optim"), one for each that recipes have, empty where the recipe leaves it out.
  std::map<std::string, Options> sections;
  /// model.layers.
  std::vector<LayerTable> layers;
  /// [[loss]] of a recipe that has several, the first of them sections["loss"] too.
  std::vector<Options> losses;
  /// optim.groups.
  std::vector<Options> groups;
};

/// Throws Error for what is not TOML, unknown sections, values of kinds no recipe has (dates,
/// tables) and overrides that lead nowhere.
RecipeTables parse_recipe_tables(std::string_view text, const std::string& name,
                                 std::span<const std::string> overrides);

/// Whether TOML takes the key without quotes: letters, digits, _ and -. Overrides name no other
/// keys.
bool is_bare_key(std::string_view key);

/// The value as TOML, reading back to the same value: floating-point numbers in their shortest
/// form.
std::string toml_text(const OptionValue& value);
/// A key, in quotes where it needs them.
std::string toml_key(const std::string& key);
/// "[data]", the table's owner, and a line for each item.
std::string toml_table(const Options& table);

}  // namespace adjoint

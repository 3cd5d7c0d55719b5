// Which value each layer of a recipe takes, by name: found and checked before anything is built.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/train/recipe/recipe.h"

namespace adjoint {

/// What a round of a block takes, inside of it.
inline constexpr const char* kBlockInput = "block.input";

/// "digits.toml, line 14: layer 2 (linear)", the place in the recipe that a message is about.
std::string place_of(const Options& options);

/// The layers of a recipe of which something comes: those that a loss or another needed layer
/// takes. `data` are the names of the data's arrays. Each other layer is told in `notices`, and
/// left out. Throws Error, naming the place, for a name that nothing has, with the nearest that
/// something has; for a value that is made only later, or from what takes it, a cycle; for two
/// values of one name, and a name that the data have.
std::vector<LayerRecipe> needed_layers(const Recipe& recipe, std::span<const std::string> data,
                                       std::vector<std::string>& notices);

}  // namespace adjoint

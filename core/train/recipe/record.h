// A recipe's model, recorded in a graph: layers by the registry, values by name, blocks round by
// round; or a model of C++ by the registry of models.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/train/recipe/model_kinds.h"
#include "core/train/recipe/recipe.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// One layer as it was applied.
struct RecordedLayer {
  std::string owner;  ///< "layer 2 (linear)"
  std::shared_ptr<Layer> layer;
  Signature inputs;
};

struct RecordedModel {
  NamedValues values;                 ///< what losses may take
  Value last;                         ///< what they take without a name
  std::vector<RecordedLayer> layers;  ///< none of a model of C++
  std::vector<std::string> notices;   ///< layers that were left out
};

/// Throws Error naming the layer, with its line in the recipe, for types, options, numbers of
/// inputs and shapes that do not fit, and like needed_layers(). A layer is named by its `output`,
/// in a block behind the round ("block3.linear1").
RecordedModel record_model(ModelInputs& inputs, const Recipe& recipe);

/// One layer of a recipe, or its loss, by the registry; throws Error for a type or an option that
/// is none.
std::shared_ptr<Layer> make_layer(const LayerRecipe& recipe);
std::shared_ptr<Layer> make_layer(const LossRecipe& recipe);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// A recipe as a graph: inputs, layers by the registry, loss; and its optimizer.
#pragma once

#include <memory>

#include "core/graph/graph.h"
#include "core/train/recipe.h"
#include "optim/optimizer.h"

namespace adjoint::inline ADJOINT_BACKEND {

struct ModelOptions {
  std::int64_t batch = 0;     ///< largest; 0: the recipe's
  Shape image = {1, 28, 28};  ///< of one sample: channels, height, width
  std::int32_t classes = 10;
  /// Rewrites are left out, for comparisons.
  bool rewrite = true;
};

/// A compiled classifier. Its inputs are images, float32 [batch, channels, height, width], and
/// labels, int32 [batch]; its loss writes totals, float32 [3]: sum of losses, samples that count,
/// samples predicted right.
struct Model {
  std::unique_ptr<Graph> graph;
  Value images, labels, totals;
  std::int32_t classes = 0;
  std::int32_t ignored_label = 0;  ///< samples with this label do not count
};

/// One layer of a recipe, by the registry; throws Error for a type or an option that is none.
std::shared_ptr<Layer> make_layer(const LayerRecipe& recipe);

/// Throws Error naming the layer, with its line in the recipe, for types, options and shapes that
/// do not fit, and for a last layer that does not make one number a class.
Model build_model(Context& context, const Recipe& recipe, const ModelOptions& options);

/// The optimizer of a recipe whose run makes `total_steps` updates, over the model's parameters.
std::unique_ptr<Optimizer> build_optimizer(Context& context, const Recipe& recipe,
                                           const Graph& graph, std::int64_t total_steps);

/// Updates that a run over `samples` training samples makes in an epoch, and in all.
std::int64_t updates_per_epoch(const Recipe& recipe, std::int64_t samples);
std::int64_t total_updates(const Recipe& recipe, std::int64_t samples);

}  // namespace adjoint::inline ADJOINT_BACKEND

// A recipe as a graph: inputs by name, layers by the registry, losses; and its optimizer.
#pragma once

#include <memory>
#include <optional>

#include "core/graph/graph.h"
#include "core/graph/loss.h"
#include "core/samples/dataset.h"
#include "core/samples/target_check.h"
#include "core/train/recipe/record.h"
#include "core/update/optimizer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What samples are (core/samples/dataset.h): of classes, with numbers to predict, or, with
/// neither, to be made again.
struct ModelOptions {
  std::int64_t batch = 0;      ///< largest; 0: the recipe's
  Shape sample = {1, 28, 28};  ///< of one sample: channels, height, width; features
  std::int32_t classes = 10;
  std::int64_t outputs = 0;
  /// Further arrays of the data.
  std::vector<BatchField> arrays = {};
  /// Rewrites are left out, for comparisons.
  bool rewrite = true;
  /// Predictions can be read where there are classes, too; training has no use for them.
  bool keep_prediction = false;
  /// No loss, no target: the model is to predict.
  bool with_loss = true;
  /// What is as good as a mistake (core/graph/notices.h) is logged as a warning.
  bool log_notices = true;
};

/// Of samples like those of a data set, which need not have any.
ModelOptions model_options(const Dataset& dataset);

/// One of the losses of a model, and what it compares.
struct ModelLoss {
  std::string name;
  Value prediction;
  std::optional<Value> target;  ///< none of a loss of predictions alone
  /// Sum of losses, what their mean divides it by (elements, samples or their weights), how many
  /// were predicted right; with reduction = "sum" a fourth number (kernels/totals.h).
  Value totals;
  Predicted predicts = Predicted::number;
  std::vector<std::string> metrics;
};

/// A compiled model with its losses. Its inputs are called as the data's arrays: "input", float32
/// [batch, sample], and, where a loss takes it, "target", labels int32 [batch] or float32 [batch,
/// outputs]. What is said of a model without naming a loss is of the first.
struct Model {
  std::unique_ptr<Graph> graph;
  /// All that a batch fills, by name.
  NamedValues inputs;
  std::vector<ModelLoss> losses;
  Value input;
  /// What is trained: the loss's totals; of several losses, or of one with a weight, those of
  /// total_loss.
  Value totals;
  std::optional<Value> target;
  /// Kept to be read where there are no classes, or ModelOptions asked for it.
  Value prediction;
  std::int32_t classes = 0;  ///< 0: nothing is right or wrong, losses alone compare models
  std::int64_t outputs = 0;  ///< numbers to predict
  /// Samples with this label do not count.
  std::int32_t ignored_label = Dataset().ignored_label;
  /// The recipe's loss, for what it says of itself; null where it is no LossLayer.
  std::shared_ptr<const LossLayer> loss;
  /// Predictions are logits or logarithms of the numbers to predict, not like these:
  /// LossLayer::inverse_link makes them like these.
  bool predicts_logits = false;
  LossTargets wanted = {};  ///< with a loss, and no classes
  ValueRange range = {};    ///< of predictions, by what the layers say
};

/// What numbers a loss takes as targets; of a recipe of classes, anything. Throws like make_layer.
LossTargets loss_targets(const LossRecipe& loss);
LossTargets loss_targets(const Recipe& recipe);

/// Throws Error naming the layer, with its line in the recipe, for types, options and shapes that
/// do not fit, for a last layer that does not make what is to be predicted, for a loss that is
/// none, for an input or a target that the data do not have, and for arrays of the data that
/// nothing takes.
Model build_model(Context& context, const Recipe& recipe, const ModelOptions& options);

/// The optimizer of a recipe whose run makes `total_steps` updates, over the model's parameters.
std::unique_ptr<Optimizer> build_optimizer(Context& context, const Recipe& recipe,
                                           const Graph& graph, std::int64_t total_steps);

/// Updates that a run over `samples` training samples makes in an epoch, and in all.
std::int64_t updates_per_epoch(const Recipe& recipe, std::int64_t samples);
std::int64_t total_updates(const Recipe& recipe, std::int64_t samples);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

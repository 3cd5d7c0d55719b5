#include "tools/adjoint/synthetic.h"

#include <algorithm>

#include "core/samples/random.h"
#include "core/samples/recipe_data.h"
#include "kernels/engines/matmul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Samples as the outline says, of random bytes, numbers and classes; targets as the loss takes
// them.
std::shared_ptr<const Dataset> noise(const Dataset& outline, const ValueRange& targets,
                                     std::int64_t count) {
  auto data = std::make_shared<Dataset>(outline);
  data->name = "noise";
  data->count = count;
  SampleRandom random(1, 0);
  const auto numbers = static_cast<std::size_t>(count * outline.sample_size());
  const auto number = [&] { return static_cast<float>(random.uniform(-2, 2)); };
  const auto target = [&] {
    return static_cast<float>(
        random.uniform(std::max(-2.0, targets.low), std::min(2.0, targets.high)));
  };
  if (outline.type == DType::uint8) {
    data->images.resize(numbers);
    for (std::uint8_t& pixel : data->images) pixel = static_cast<std::uint8_t>(random.below(256));
  } else {
    data->features.resize(numbers);
    std::ranges::generate(data->features, number);
  }
  for (std::int64_t i = 0; i < count && outline.classes > 0; ++i)
    data->labels.push_back(
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(outline.classes))));
  for (DataArray& array : data->arrays) {
    array.values.resize(array.row_bytes() * std::size_t(array.per_sample ? count : 1));
    if (array.type != DType::float32) continue;  // zeros are labels, tokens and black
    auto* const to = reinterpret_cast<float*>(array.values.data());
    std::generate(to, to + array.values.size() / sizeof(float), number);
  }
  data->targets.resize(static_cast<std::size_t>(count * outline.outputs));
  std::ranges::generate(data->targets, target);
  return data;
}

// That the loss takes and the model can make.
ValueRange reachable_targets(const Model& model) {
  const double low = std::max(model.wanted.range.low, model.range.low);
  return {low, std::max(low, std::min(model.wanted.range.high, model.range.high))};
}

}  // namespace

SyntheticRun::SyntheticRun(Recipe recipe, const EngineOptions& engines)
    : context({.seed = recipe.train.seed}), accumulate_(recipe.optim.accumulate) {
  choose_engines(context, engines);
  const Dataset outline = data_outline(recipe.data);
  resolve_class_weights(recipe.losses[0].options, outline);
  ModelOptions options = model_options(outline);
  options.batch = recipe.train.batch;
  model = build_model(context, recipe, options);
  // A long schedule: the rate is not what is looked at.
  constexpr std::int64_t kSteps = 1'000'000;
  optimizer = build_optimizer(context, recipe, *model.graph, kSteps);
  // Several batches, so that gathering reads memory as in training.
  loader = std::make_unique<Loader>(context,
                                    noise(outline, reachable_targets(model), 16 * options.batch),
                                    LoaderOptions{.batch = options.batch});
  trainer = std::make_unique<Trainer>(model, *optimizer, *loader, nullptr,
                                      TrainerOptions{.steps = kSteps, .accumulate = accumulate_});
  loader->begin_epoch(0);
}

void SyntheticRun::step() {
  for (std::int64_t micro = 0; micro < accumulate_; ++micro) {
    if (loader->next_size() == 0) loader->begin_epoch(0);
    trainer->batch(micro == 0, micro + 1 == accumulate_);
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

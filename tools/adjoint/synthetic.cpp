#include "tools/adjoint/synthetic.h"

#include "core/data/random.h"
#include "core/device/matmul.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

std::shared_ptr<const ImageDataset> noise(const ModelOptions& model, std::int64_t count) {
  auto data = std::make_shared<ImageDataset>();
  data->name = "noise";
  data->count = count;
  data->channels = model.image[0];
  data->height = model.image[1];
  data->width = model.image[2];
  data->classes = model.classes;
  SampleRandom random(1, 0);
  data->images.resize(static_cast<std::size_t>(count * data->image_size()));
  for (std::uint8_t& pixel : data->images) pixel = static_cast<std::uint8_t>(random.below(256));
  for (std::int64_t i = 0; i < count; ++i)
    data->labels.push_back(
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(model.classes))));
  return data;
}

}  // namespace

SyntheticRun::SyntheticRun(const Recipe& recipe, bool tune)
    : context({.seed = recipe.train.seed}), accumulate_(recipe.optim.accumulate) {
  context.matmul_engines().set_tuning(tune);
  ModelOptions options = model_options(recipe.data);
  options.batch = recipe.train.batch;
  model = build_model(context, recipe, options);
  // A long schedule: the rate is not what is looked at.
  constexpr std::int64_t kSteps = 1'000'000;
  optimizer = build_optimizer(context, recipe, *model.graph, kSteps);
  // Several batches, so that gathering reads memory as in training.
  loader = std::make_unique<Loader>(context, noise(options, 16 * options.batch),
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

}  // namespace adjoint::inline ADJOINT_BACKEND

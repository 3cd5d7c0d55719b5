#include "core/train/judging/predictor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/samples/recipe_data.h"
#include "core/train/files/engine_choices.h"
#include "core/train/files/model_file.h"
#include "core/train/files/outline.h"
#include "core/train/judging/evaluator.h"
#include "core/train/judging/floats.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Dataset outline_of(const RunFolder& folder, const Recipe& recipe) {
  const SafetensorsFile file = SafetensorsFile::read(folder.model());
  if (has_outline(file.metadata())) return read_outline(file.metadata(), folder.model().string());
  // Without an outline the model's is MNIST's own, whatever files lie in the folder now.
  DataRecipe data = recipe.data;
  if (data.name == "mnist") data.folder.clear();
  return data_outline(data);
}

void to_units(std::vector<double>& values, const Normalisation& target) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t j = i % target.mean.size();
    values[i] = values[i] * target.deviation[j] + target.mean[j];
  }
}

}  // namespace

Predictor::Predictor(Context& context, const RunFolder& folder)
    : context_(context),
      recipe_(read_recipe(folder.recipe())),
      statistics_(load_statistics(folder.model())),
      outline_(outline_of(folder, recipe_)) {
  if (std::filesystem::exists(folder.engines())) restore_engine_choices(folder.engines(), context);
  ModelOptions options = model_options(outline_);
  options.with_loss = false;
  model_ = build_model(context, recipe_, options);
  load_model(folder.model(), *model_.graph);
  std::erase_if(outline_.arrays, [&](const DataArray& array) {  // targets of further losses
    return std::ranges::find(model_.inputs, array.name, &NamedValues::value_type::first) ==
           model_.inputs.end();
  });
  width_ = model_.prediction.shape().count() / model_.prediction.shape()[0];
}

std::vector<float> Predictor::run(BatchSource& samples) {
  const std::vector<double> found = numbers(samples);
  return {found.begin(), found.end()};
}

std::vector<double> Predictor::numbers(BatchSource& samples) {
  const std::vector<float> made = outputs(samples);
  std::vector<double> values(made.begin(), made.end());
  if (model_.predicts_logits) {
    const auto width = static_cast<std::size_t>(width_);
    for (std::size_t begin = 0; begin < values.size(); begin += width)
      model_.loss->inverse_link(std::span(values).subspan(begin, width));
    return values;
  }
  if (outline_.outputs > 0 && !statistics_.target.mean.empty())
    to_units(values, statistics_.target);
  return values;
}

// As the model makes them.
std::vector<float> Predictor::outputs(BatchSource& samples) {
  Graph& graph = *model_.graph;
  const ScopedTraining evaluating(context_, false);
  const DType type = graph.tensor(model_.prediction).dtype();
  const std::size_t row_bytes = static_cast<std::size_t>(width_) * size_of(type);
  const auto count = static_cast<std::size_t>(samples.count());
  const Buffer all = context_.memory().allocate(count * row_bytes, "predictions");
  auto* to = static_cast<std::byte*>(all.data());
  check_inputs(samples, model_);
  samples.begin_epoch(0);
  while (const std::int64_t size = samples.next_size()) {
    samples.advance();
    graph.set_batch(size);
    gather_batch(samples, model_);
    graph.forward();
    const std::size_t bytes = static_cast<std::size_t>(size) * row_bytes;
    copy_on_device(context_.stream(), to, graph.tensor(model_.prediction).data(), bytes);
    to += bytes;
    samples.batch_queued();
  }
  return download_floats(context_, Tensor(all.data(), type, {samples.count(), width_}));
}

std::vector<double> probabilities(std::span<const float> scores) {
  std::vector<double> p(scores.begin(), scores.end());
  softmax_row(p);
  return p;
}

std::vector<std::int32_t> best_classes(std::span<const double> probabilities, std::int64_t count) {
  std::vector<std::int32_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  // NaN stands last, so that the order is one.
  const auto key = [&](std::int32_t c) {
    const double p = probabilities[std::size_t(c)];
    return std::isnan(p) ? -1.0 : p;
  };
  std::ranges::stable_sort(order, std::greater<>(), key);
  order.resize(std::min(order.size(), static_cast<std::size_t>(count)));
  return order;
}

std::vector<float> model_input(const Dataset& samples, std::int64_t index,
                               const DataStatistics& statistics) {
  if (samples.type == DType::uint8) {
    const PixelStatistics scale = pixel_scale(statistics);
    std::vector<float> values;
    for (const std::uint8_t pixel : samples.image(index))
      values.push_back(static_cast<float>((pixel / 255.0 - scale.mean) / scale.deviation));
    return values;
  }
  const std::span<const float> row = samples.row(index);
  std::vector<float> values(row.begin(), row.end());
  std::span<const double> rest = samples.feature_remainders;
  if (!rest.empty())
    rest = rest.subspan(static_cast<std::size_t>(index) * values.size(), values.size());
  if (!statistics.input.mean.empty()) normalise(values, statistics.input, rest);
  return values;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

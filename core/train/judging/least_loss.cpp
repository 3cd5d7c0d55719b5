#include "core/train/judging/least_loss.h"

#include <vector>

#include "core/graph/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

double least_loss(Context& context, const Recipe& recipe, std::span<const float> targets,
                  std::int64_t samples, std::int64_t row) {
  const std::shared_ptr<Layer> layer = make_layer(recipe.losses[0]);
  const auto* const loss = dynamic_cast<const LossLayer*>(layer.get());
  const std::int64_t rows = row > 0 ? std::ssize(targets) / row : 0;
  ADJOINT_CHECK(samples > 0 && rows * row == std::ssize(targets) && rows % samples == 0,
                "least_loss: expected targets of ", samples, " samples in rows of ", row, ", got ",
                targets.size(), " numbers");
  if (loss == nullptr) return 0;
  std::vector<float> best(targets.size());
  for (std::size_t begin = 0; begin < best.size(); begin += std::size_t(row))
    loss->best(targets.subspan(begin, std::size_t(row)),
               std::span(best).subspan(begin, std::size_t(row)));
  const Shape shape = rows == samples ? Shape{samples, row} : Shape{samples, rows / samples, row};
  Graph graph(context);
  const Value prediction = graph.input(shape), target = graph.input(shape);
  const Value totals = graph.apply(layer, {prediction, target}).at(0);
  graph.compile({.outputs = {totals}, .log_notices = false});
  const auto upload = [&](const Value& value, std::span<const float> values) {
    copy_to_device(context.stream(), graph.tensor(value).data(), values.data(),
                   values.size_bytes());
  };
  upload(prediction, best);
  upload(target, targets);
  const ScopedTraining evaluating(context, false);
  graph.forward();
  float found[3];
  copy_to_host(context.stream(), found, graph.tensor(totals).data(), sizeof(found));
  context.stream().synchronize();
  return double(found[0]) / double(found[1]);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

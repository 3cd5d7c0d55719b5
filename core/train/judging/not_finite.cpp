#include "core/train/judging/not_finite.h"

#include <cmath>
#include <limits>
#include <optional>

#include "core/base/error.h"
#include "core/tensor/transfer.h"
#include "core/train/judging/evaluator.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

DType compute_type(const Graph& graph) {
  const ParameterSlab slab = graph.slab();
  return slab.compute.defined() ? slab.compute.dtype() : slab.master.dtype();
}

// The largest finite number of a type.
double largest_of(DType type) {
  if (type == DType::float16) return 65504;
  if (type == DType::bfloat16) return 0x1.fep127;
  return type == DType::float32 ? double(std::numeric_limits<float>::max())
                                : std::numeric_limits<double>::max();
}

// The number of a data set that is farthest from 0; one that is no number is farther than any.
struct Extreme {
  double value = 0;
  std::int64_t sample = 0, column = 0;

  void look_at(double other, std::int64_t at, std::int64_t j) {
    if (std::isnan(value) || std::abs(other) <= std::abs(value)) return;
    *this = {other, at, j};
  }
  // What lies less than half a step above the largest number is rounded to it.
  bool held_by(DType type) const {
    return std::abs(value) <= largest_of(type) ||
           (type == DType::float16 && std::abs(value) < 65520);
  }
};

struct Extremes {
  Extreme input, target;
};

Extremes extremes_of(const Model& model, BatchSource& source, std::uint64_t epoch) {
  Graph& graph = *model.graph;
  Extremes found;
  const auto look = [&](Extreme& extreme, const Tensor& tensor, std::int64_t batch) {
    const std::vector<float> values = download<float>(graph.context(), tensor);
    const std::int64_t width = std::ssize(values) / tensor.shape()[0];
    for (std::int64_t i = 0; i < std::ssize(values); ++i)
      extreme.look_at(double(values[std::size_t(i)]), source.sample(batch, i / width), i % width);
  };
  for_each_batch(model, source, epoch, [&](std::int64_t batch, std::int64_t) {
    look(found.input, graph.tensor(model.input), batch);
    if (model.outputs > 0 && model.target) look(found.target, graph.tensor(*model.target), batch);
  });
  return found;
}

std::string name_of(const Extreme& extreme, const char* kind, const std::vector<std::string>& names,
                    const BatchSource& source) {
  const std::string column = names.empty()
                                 ? str(kind, " ", extreme.column)
                                 : str(kind, " '", names[std::size_t(extreme.column)], "'");
  return str(column, " of sample ", extreme.sample, " of ", source.name(), " is ", extreme.value);
}

// "parameter linear1.weight", the first that holds what `type` cannot.
std::optional<std::string> broken_tensor(const Graph& graph, DType compute_type) {
  const auto holds = [&](const Tensor& tensor, DType type) {
    Extreme extreme;
    const auto look = [&]<class T>() {
      for (const T value : download<T>(graph.context(), tensor))
        extreme.look_at(double(value), 0, 0);
    };
    if (tensor.dtype() == DType::float32) look.template operator()<float>();
    if (tensor.dtype() == DType::float64) look.template operator()<double>();
    return extreme.held_by(type);
  };
  for (const Parameter& parameter : graph.parameters())
    if (!holds(parameter.master(), compute_type)) return "parameter " + parameter.name();
  for (const Slot& state : graph.states())
    if (!holds(state.tensor(), state.tensor().dtype())) return "running state " + state.name();
  return std::nullopt;
}

std::string bound_of(DType type) {
  return str("more than ", name(type), " holds, ", largest_of(type));
}

std::string input_text(const Extremes& found, const BatchSource& source) {
  return name_of(found.input, "feature", source.feature_names(), source);
}

std::string unfit_number(const Extremes& found, DType type, const BatchSource& source) {
  const bool input = !found.input.held_by(type);
  if (!input && found.target.held_by(type)) return {};
  return str(input ? input_text(found, source) : name_of(found.target, "target", {}, source), ", ",
             bound_of(type), "; normalise the data (normalise, normalise_target), or leave it out",
             type == DType::float16 ? ", or set [train] precision = \"bfloat16\"" : "");
}

}  // namespace

const char* kind_of_loss(double loss) { return std::isnan(loss) ? "not a number" : "infinite"; }

std::string unfit_number(const Model& model, BatchSource& source, std::uint64_t epoch) {
  if (source.type() == DType::uint8 && model.outputs == 0) return {};
  return unfit_number(extremes_of(model, source, epoch), compute_type(*model.graph), source);
}

std::string why_not_finite(const Model& model, BatchSource& source, std::uint64_t epoch) {
  const DType type = compute_type(*model.graph);
  const Extremes found = extremes_of(model, source, epoch);
  std::string unfit = unfit_number(found, type, source);
  if (!unfit.empty()) return unfit;
  if (const auto broken = broken_tensor(*model.graph, type))
    return str(*broken, " is not a number that ", name(type),
               " holds; start anew with a lower [optim] lr, or clip_norm = 1");
  const bool target = std::abs(found.target.value) > std::abs(found.input.value);
  if (target && !(found.target.value * found.target.value <= largest_of(DType::float32)))
    return str(name_of(found.target, "target", {}, source),
               ", whose square is infinite in float32; set [data] normalise_target = true");
  const std::string largest =
      str("of the data the largest, ",
          target ? name_of(found.target, "target", {}, source) : input_text(found, source));
  if (type == DType::float16)
    return str("numbers on the way from the input are ", bound_of(type), "; ", largest,
               "; lower [optim] lr, or see to the data, or set [train] precision = \"bfloat16\"");
  return str("numbers grew too large on the way from the input; ", largest,
             "; lower [optim] lr, or set clip_norm = 1");
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

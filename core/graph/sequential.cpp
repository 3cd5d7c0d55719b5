#include "core/graph/sequential.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Sequential& Sequential::append(std::shared_ptr<Layer> layer) {
  ADJOINT_CHECK(layer, "Sequential: expected a layer, got null");
  layers_.push_back(std::move(layer));
  return *this;
}

std::string Sequential::describe() const {
  std::string parts;
  for (const auto& layer : layers_) parts += str(parts.empty() ? "" : ", ", layer->describe());
  return str("sequential(", parts, ")");
}

std::shared_ptr<Layer> Sequential::twin() const {
  // The parts stay the same objects: each becomes a twin of its own when the copy's parts are
  // applied.
  return std::make_shared<Sequential>(*this);
}

std::vector<ValueId> Sequential::record(Program& program, const std::vector<ValueId>& inputs,
                                        const std::string& scope) const {
  ADJOINT_CHECK(!layers_.empty(), "Sequential: expected at least one layer, got none");
  std::vector<ValueId> values = inputs;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::string name =
        scope.empty() ? "" : program.unused_name(scope + "." + layers_[i]->kind(), true);
    values = program.apply(layers_[i], values, name);
  }
  return values;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Sequential: a chain of layers, itself a layer.
//
//   Sequential model(Flatten(), Linear(784, 512), ReLU(), Linear(512, 10));
//   Value logits = graph.apply(model, {image});
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Layers one after the other, each of one input and one output; itself a layer of x -> y.
class Sequential : public Container {
 public:
  Sequential() = default;
  /// Layers by value, first to last; each has one output, and all but the first one input.
  template <class... Layers>
  requires(std::derived_from<Layers, Layer>&&...) &&
      (sizeof...(Layers) > 1 ||
       !(std::same_as<Layers, Sequential> && ...)) explicit Sequential(Layers... layers) {
    (append(std::make_shared<Layers>(std::move(layers))), ...);
  }

  Sequential& append(std::shared_ptr<Layer> layer);
  std::size_t size() const { return layers_.size(); }

  std::string kind() const override { return "sequential"; }
  std::string describe() const override;
  std::shared_ptr<Layer> twin() const override;
  std::vector<ValueId> record(Program& program, const std::vector<ValueId>& inputs,
                              const std::string& scope) const override;

 private:
  std::vector<std::shared_ptr<Layer>> layers_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

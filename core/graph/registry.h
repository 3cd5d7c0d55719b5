// The registry of layers: by kind, how recipes make them and which cases test and time them. A
// layer enters itself where it is defined, so a plugin's layers are found as built-in ones are.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/graph/gradient_check.h"

namespace adjoint {
class Options;
}

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct LayerEntry {
  std::string kind;  ///< as Layer::kind() says, and `type` in recipes
  /// Makes the layer of a recipe's options; empty for layers that recipes cannot name (those of
  /// rewrites).
  std::function<std::shared_ptr<Layer>(Options&)> make;
  std::vector<LayerCase> cases;  ///< at least one
};

/// The initializer that a recipe names under `key`, weight_init = "kaiming_normal" (see
/// Initializer::named); nothing where it names none. Throws Error naming the place.
std::optional<Initializer> initializer_option(Options& options, const std::string& key);

/// Enters a layer; throws Error if the kind is taken or there is no case.
bool register_layer(LayerEntry entry);
/// All entries, by kind.
std::vector<LayerEntry> registered_layers();
/// The entry of that kind; throws Error naming the nearest one where there is none.
LayerEntry registered_layer(const std::string& kind);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

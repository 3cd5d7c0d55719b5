// The registry of layers: by kind, how recipes make them and which cases test and time them. A
// layer enters itself where it is defined, so a plugin's layers are found as built-in ones are.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/abi.h"
#include "core/base/options.h"
#include "core/graph/gradient_check.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// How many values layers of a kind take and make.
struct Arity {
  int least_inputs = 1;
  std::optional<int> most_inputs = 1;  ///< nothing: any number
  std::optional<int> outputs = 1;      ///< nothing: as many as the layer's options say

  /// Just that many inputs, and one output.
  static Arity of(int inputs) { return {.least_inputs = inputs, .most_inputs = inputs}; }

  bool takes(std::size_t inputs) const {
    const auto count = static_cast<int>(inputs);
    return count >= least_inputs && (!most_inputs || count <= *most_inputs);
  }
  /// "2", "2 to 4" or "1 or more".
  std::string inputs_text() const;
};

struct LayerEntry {
  /// As Layer::kind() says, and `type` in recipes. It stays the first: errors name what was
  /// compiled otherwise by it.
  std::string kind;
  Arity arity = {};
  /// Makes the layer of a recipe's options.
  std::function<std::shared_ptr<Layer>(Options&)> make;
  /// Options that make a layer for the inputs of the first case, with its outputs; none where the
  /// defaults do. See make_example.
  std::vector<std::pair<std::string, OptionValue>> example = {};
  std::vector<LayerCase> cases;  ///< at least one
};

/// The initializer that a recipe names under `key`, weight_init = "kaiming_normal" (see
/// Initializer::named); nothing where it names none. Throws Error naming the place.
std::optional<Initializer> initializer_option(Options& options, const std::string& key);

/// Enters a layer. Never throws, being called while libraries are loaded: a kind that is taken, one
/// that was compiled otherwise than the program (core/base/abi.h; `abi` is the caller's), an entry
/// without a case or `make`, and a case of other numbers than its arity are errors of
/// registered_layer().
bool register_layer(const LayerEntry& entry, const char* abi = kAbiTag);
/// All kinds that were entered, sorted.
std::vector<std::string> layer_kinds();
/// The entries of all kinds that registered_layer() does not refuse, by kind.
std::vector<LayerEntry> registered_layers();
/// The entry of that kind; throws Error naming the nearest one where there is none, and, naming the
/// kind, where its entry cannot be used.
LayerEntry registered_layer(const std::string& kind);
/// The layer that the entry's example options make.
std::shared_ptr<Layer> make_example(const LayerEntry& entry);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Models written in C++ that recipes name: [model] type = "NAME". A model enters itself where it is
// defined, so that a plugin's are found as built-in ones are.
//
//   const bool kRegistered = register_model_kind({
//       .name = "two_towers",
//       .record = [](ModelInputs& inputs, Options& options) -> NamedValues {
//         const std::int64_t width = options.count("width", 64, 1);
//         const Value user = linear(inputs("input"), width);
//         const Value item = linear(inputs("item"), width);
//         return {{"score", bilinear(user, item, 1)}};
//       }});
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/abi.h"
#include "core/base/options.h"
#include "core/graph/graph.h"
#include "core/samples/batch_source.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

using NamedValues = std::vector<std::pair<std::string, Value>>;

/// The inputs of a model, by what its data call them: a graph has those that were asked for.
class ModelInputs {
 public:
  /// All must outlive it. Inputs per sample are [batch, shape of the field].
  ModelInputs(Graph& graph, std::span<const BatchField> fields, std::int64_t batch)
      : graph_(graph), fields_(fields), batch_(batch) {}

  Graph& graph() const { return graph_; }
  std::int64_t batch() const { return batch_; }
  /// What the data have.
  std::span<const BatchField> fields() const { return fields_; }
  std::vector<std::string> names() const;

  /// The graph's input for that field, the same one each time. Throws Error, naming the nearest,
  /// where the data have none of that name.
  Value operator()(const std::string& name);
  /// Those that were asked for, in that order.
  const NamedValues& taken() const { return taken_; }

 private:
  Graph& graph_;
  std::span<const BatchField> fields_;
  std::int64_t batch_;
  NamedValues taken_;
};

struct ModelKind {
  std::string name;
  /// Records the model; what it makes, by names for the losses of a recipe, the last being what a
  /// loss without `input` takes. Asks for all options that it knows.
  std::function<NamedValues(ModelInputs&, Options&)> record;
};

/// Enters a kind. Never throws, as it runs before main(): a name that is taken, or a kind that was
/// compiled otherwise than the program, is an error of model_kind().
bool register_model_kind(const ModelKind& kind, const char* abi = kAbiTag);
/// The kind of that name; throws Error naming the nearest where there is none.
const ModelKind& model_kind(const std::string& name);
/// Of all kinds, sorted.
std::vector<std::string> model_kind_names();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// A registered case in a graph of its own: nothing rewritten, every output read, every floating
// input's gradient wanted, outputs seeded by the caller unless the layer is a loss.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/registry.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// GoogleTest would print the bytes of a case, addresses among them.
inline void PrintTo(const LayerCase& layer_case, std::ostream* out) { *out << layer_case.name; }

/// The cases of every registered layer, for tests over all of them.
inline std::vector<LayerCase> registered_cases() {
  std::vector<LayerCase> cases;
  for (const LayerEntry& entry : registered_layers())
    cases.insert(cases.end(), entry.cases.begin(), entry.cases.end());
  return cases;
}

/// "linear/no bias" as GoogleTest takes it: "linear_no_bias".
inline std::string case_test_name(const testing::TestParamInfo<LayerCase>& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

/// Whether inputs may be of 16 bits: totals of losses, which total_loss takes, never are.
inline bool takes_16_bits(const LayerCase& layer_case) { return layer_case.name != "total_loss"; }

struct LayerGraph {
  /// Floating inputs become `type`, which is also computed in.
  explicit LayerGraph(const LayerCase& layer_case, DType type = DType::float32,
                      bool reuse_memory = true, const ContextOptions& context_options = {.seed = 9})
      : context(context_options), graph(context), layer(layer_case.make()) {
    for (const CheckInput& input : layer_case.inputs) {
      const bool floating = is_floating(input.type.dtype);
      inputs.push_back(graph.input(input.type.shape, floating ? type : input.type.dtype,
                                   {.wants_gradient = floating}));
    }
    loss = layer->traits().gradient_in_forward;
    outputs = graph.apply(layer, inputs);
    CompileOptions options{
        .outputs = outputs, .compute_type = type, .rewrite = false, .reuse_memory = reuse_memory};
    for (const Value& output : outputs)
      if (is_floating(output.type().dtype))
        (loss ? options.losses : options.seeds).push_back(output);
    graph.compile(options);
  }

  Context context;
  Graph graph;
  std::shared_ptr<Layer> layer;
  bool loss = false;
  std::vector<Value> inputs, outputs;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

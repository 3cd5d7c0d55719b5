// Every registered kind: it can be used, its cases have the numbers of inputs and outputs that its
// arity says, and it can be made by name.
#include "core/graph/registry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/options.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Signature types_of(const LayerCase& layer_case) {
  Signature types;
  for (const CheckInput& input : layer_case.inputs) types.push_back(input.type);
  return types;
}

TEST(RegisteredLayers, CanAllBeUsed) {
  for (const std::string& kind : layer_kinds())
    EXPECT_NO_THROW(EXPECT_EQ(registered_layer(kind).kind, kind)) << kind;
  EXPECT_GE(layer_kinds().size(), 45u);
}

TEST(RegisteredLayers, HaveCasesThatFitTheirArity) {
  for (const LayerEntry& entry : registered_layers())
    for (const LayerCase& layer_case : entry.cases) {
      SCOPED_TRACE(layer_case.name);
      const std::shared_ptr<Layer> layer = layer_case.make();
      EXPECT_EQ(layer->kind(), entry.kind);
      EXPECT_TRUE(entry.arity.takes(layer_case.inputs.size()));
      const std::size_t outputs = layer->infer(types_of(layer_case)).size();
      EXPECT_EQ(outputs, std::size_t(entry.arity.outputs.value_or(int(outputs))));
    }
}

TEST(RegisteredLayers, AreMadeByName) {
  for (const LayerEntry& entry : registered_layers()) {
    SCOPED_TRACE(entry.kind);
    const LayerCase& first = entry.cases[0];
    const std::shared_ptr<Layer> layer = make_example(entry);
    EXPECT_EQ(layer->kind(), entry.kind);
    EXPECT_EQ(layer->infer(types_of(first)), first.make()->infer(types_of(first)));
  }
}

// Inputs that a kind cannot take are named in the message.
TEST(RegisteredLayers, SayWhatCameWhereItDoesNotFit) {
  const Signature wrong[] = {{},
                             {{DType::uint8, {2, 3}}},
                             {{DType::float32, {}}},
                             {{DType::float32, {2, 3}}, {DType::int32, {5}}},
                             {{DType::int32, {2}}, {DType::float32, {2, 7}}}};
  int refused = 0;
  for (const LayerEntry& entry : registered_layers()) {
    const std::shared_ptr<Layer> layer = entry.cases[0].make();
    for (const Signature& types : wrong) {
      try {
        layer->infer(types);
      } catch (const Error& error) {
        ++refused;
        EXPECT_NE(error.message().find(", got "), std::string::npos) << error.message();
      }
    }
  }
  EXPECT_GT(refused, 150);
}

// Where nothing has to be said, no example says anything.
TEST(RegisteredLayers, HaveExamplesOnlyWhereOptionsAreRequired) {
  for (const LayerEntry& entry : registered_layers()) {
    if (entry.example.empty()) continue;
    Options none(entry.kind);
    EXPECT_THROW(entry.make(none), Error) << entry.kind;
  }
}

TEST(RegisteredLayers, RefuseOptionsThatTheyDoNotKnow) {
  for (const LayerEntry& entry : registered_layers()) {
    Options options(entry.kind);
    for (const auto& [key, value] : entry.example) options.set(key, value);
    options.set("nothing_of_the_kind", true);
    entry.make(options);
    EXPECT_THROW(options.finish(), Error) << entry.kind;
  }
}

// A chain of a recipe takes one value and makes one; the others are there for graphs.
TEST(RegisteredLayers, SayWhatNoChainCanUse) {
  std::vector<std::string> unfit;
  for (const LayerEntry& entry : registered_layers())
    if (!entry.cases[0].make()->traits().gradient_in_forward &&
        (entry.arity.most_inputs != 1 || entry.arity.outputs != 1))
      unfit.push_back(entry.kind);
  EXPECT_EQ(unfit, (std::vector<std::string>{"add", "add_layer_norm", "bilinear", "concat", "mul",
                                             "split"}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

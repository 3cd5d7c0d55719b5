// The registry of layers: what cannot be used is an error of whoever looks it up, never of whoever
// enters it.
#include "core/graph/registry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "support/plain_layers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

LayerEntry plain(const std::string& kind, Arity arity = {}) {
  const auto make = [kind] { return std::make_shared<PlainLayer>(PlainLayer::Options{kind}); };
  return {.kind = kind,
          .arity = arity,
          .make = [make](Options&) { return make(); },
          .cases = {{kind, make, {{{DType::float32, {2, 3}}}}}}};
}

LayerEntry without_case(LayerEntry entry) {
  entry.cases.clear();
  return entry;
}

LayerEntry without_make(LayerEntry entry) {
  entry.make = {};
  return entry;
}

const bool kEntered = register_layer(plain("plain")) && register_layer(plain("plain taken")) &&
                      register_layer(plain("plain taken")) &&
                      register_layer(without_case(plain("plain caseless"))) &&
                      register_layer(without_make(plain("plain unmade"))) &&
                      register_layer(plain("plain pair", Arity::of(2))) &&
                      register_layer(plain("plain otherwise"), "version=0.0 backend=other");

TEST(LayerRegistry, EnteringNeverThrows) { EXPECT_TRUE(kEntered); }

TEST(LayerRegistry, WhatCannotBeUsedIsAnErrorOfLookUp) {
  EXPECT_EQ(registered_layer("plain").cases.size(), 1u);
  expect_error([] { registered_layer("plian"); },
               {"unknown layer type 'plian'; did you mean 'plain'?"});
  expect_error([] { registered_layer("plain taken"); }, {"two of kind 'plain taken'", "rename"});
  expect_error([] { registered_layer("plain caseless"); }, {"'plain caseless'", "no case"});
  expect_error([] { registered_layer("plain unmade"); }, {"'plain unmade'", "make"});
  expect_error([] { registered_layer("plain pair"); },
               {"'plain pair'", "of 1 inputs; expected 2 by its arity"});
  expect_error([] { registered_layer("plain otherwise"); },
               {"layer type 'plain otherwise' was compiled otherwise", "expected backend=",
                "version=" ADJOINT_VERSION, "found backend=other version=0.0", "adjoint_flags"});
}

TEST(LayerRegistry, ListsAllKindsAndTheEntriesThatCanBeUsed) {
  const std::vector<std::string> kinds = layer_kinds();
  EXPECT_TRUE(std::ranges::is_sorted(kinds));
  EXPECT_EQ(std::ranges::count(kinds, "plain taken"), 1);
  std::vector<std::string> usable;
  for (const LayerEntry& entry : registered_layers())
    if (entry.kind.starts_with("plain")) usable.push_back(entry.kind);
  EXPECT_EQ(usable, std::vector<std::string>{"plain"});
}

TEST(LayerRegistry, AritySaysWhatIsTaken) {
  const Arity one{}, pair = Arity::of(2), some{.least_inputs = 2, .most_inputs = 4},
                     any{.most_inputs = std::nullopt};
  EXPECT_TRUE(one.takes(1) && !one.takes(0) && !one.takes(2));
  EXPECT_TRUE(!pair.takes(1) && pair.takes(2) && some.takes(4) && !some.takes(5) && any.takes(99));
  EXPECT_EQ(pair.inputs_text(), "2");
  EXPECT_EQ(some.inputs_text(), "2 to 4");
  EXPECT_EQ(any.inputs_text(), "1 or more");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

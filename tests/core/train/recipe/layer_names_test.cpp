#include "core/train/recipe/layer_names.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

struct Named {
  std::vector<LayerRecipe> layers;
  std::vector<std::string> notices;
};

Named named(const std::string& layers, const std::string& rest = "") {
  const Recipe recipe = parse_recipe("[model]\nlayers = [\n" + layers + "\n]\n" + rest, "r.toml");
  Named found;
  const std::vector<std::string> data{"input", "target", "mask"};
  found.layers = needed_layers(recipe, data, found.notices);
  return found;
}

std::vector<std::string> types(const std::vector<LayerRecipe>& layers) {
  std::vector<std::string> types;
  for (const LayerRecipe& layer : layers) types.push_back(layer.type);
  return types;
}

using Types = std::vector<std::string>;

TEST(LayerNames, KeepAChainAsItIs) {
  const Named found = named("{type = \"a\"},\n{type = \"b\"},\n{type = \"c\"}");
  EXPECT_EQ(types(found.layers), (Types{"a", "b", "c"}));
  EXPECT_TRUE(found.notices.empty());
}

TEST(LayerNames, SayWhatNothingTakes) {
  const Named found = named(
      "{type = \"a\", output = \"x\"},\n{type = \"b\", output = \"lost\"},\n{type = \"c\", "
      "input = [\"x\", \"mask\"]}");
  EXPECT_EQ(types(found.layers), (Types{"a", "c"}));
  ASSERT_EQ(found.notices.size(), 1u);
  EXPECT_EQ(found.notices[0],
            "r.toml, line 4: layer 1 (b): nothing takes 'lost'; the layer is left out");
  // What is in front of it goes too, where nothing else takes that.
  const Named both = named("{type = \"a\"},\n{type = \"b\"},\n{type = \"c\", input = \"input\"}");
  EXPECT_EQ(types(both.layers), Types{"c"});
  EXPECT_EQ(both.notices.size(), 2u);
}

TEST(LayerNames, ALossTakesWhatItNames) {
  const std::string layers =
      "{type = \"a\", output = \"x\"},\n{type = \"b\", output = \"y\"},\n{type = \"c\"}";
  const Named found = named(layers, "[loss]\ninput = \"y\"\n");
  EXPECT_EQ(types(found.layers), (Types{"a", "b"}));
  const Named two =
      named(layers, "[[loss]]\ninput = \"x\"\n[[loss]]\ntype = \"mse\"\ninput = \"y\"\n");
  EXPECT_EQ(types(two.layers), (Types{"a", "b"}));
  expect_error([&] { named(layers, "[loss]\ninput = \"yy\"\n"); },
               {"r.toml", "[loss]", "'yy' names nothing", "did you mean 'y'?"});
}

TEST(LayerNames, NameTheNearestOfWhatIsNotThere) {
  expect_error([] { named("{type = \"a\", output = \"user\"},\n{type = \"b\", input = \"usr\"}"); },
               {"r.toml, line 4: layer 1 (b): input 'usr' names nothing", "did you mean 'user'?",
                "input, target, mask, user"});
}

TEST(LayerNames, RefuseCyclesAndWhatIsMadeLater) {
  expect_error([] { named("{type = \"a\", input = \"x\", output = \"x\"}"); },
               {"line 3: layer 0 (a): input 'x' is made by this layer itself: a cycle"});
  expect_error(
      [] {
        named("{type = \"a\", input = \"y\", output = \"x\"},\n{type = \"b\", output = \"y\"}");
      },
      {"line 3", "'y' is made by layer 1 (b), from what this layer makes: a cycle"});
  expect_error(
      [] {
        named("{type = \"a\", input = \"y\"},\n{type = \"b\", input = \"mask\", output = \"y\"}");
      },
      {"line 3", "'y' is made only later, by layer 1 (b); put that layer before this one"});
}

TEST(LayerNames, AreOfOneValueEach) {
  expect_error([] { named("{type = \"a\", output = \"x\"},\n{type = \"b\", output = \"x\"}"); },
               {"line 4: layer 1 (b)", "the name 'x' is taken"});
  expect_error([] { named("{type = \"a\", output = \"mask\"}"); }, {"the name 'mask' is taken"});
}

TEST(LayerNames, OfABlockAreItsOwn) {
  const std::string block =
      "{type = \"a\", output = \"x\"},\n{repeat = 2, layers = [{type = \"b\", output = \"h\"}, "
      "{type = \"c\", input = [\"h\", \"block.input\", \"x\"]}]}";
  const Named found = named(block);
  ASSERT_EQ(found.layers.size(), 2u);
  EXPECT_EQ(types(found.layers[1].layers), (Types{"b", "c"}));
  expect_error([&] { named(block + ",\n{type = \"d\", input = \"h\"}"); },
               {"layer 2 (d)", "'h' names nothing"});
  expect_error([&] { named("{type = \"a\", input = \"block.input\"}"); }, {"names nothing"});
  const Named unused = named(
      "{repeat = 2, layers = [{type = \"b\", output = \"h\"}, "
      "{type = \"c\", input = \"block.input\"}]}");
  EXPECT_EQ(types(unused.layers[0].layers), Types{"c"});
  ASSERT_EQ(unused.notices.size(), 1u);
  EXPECT_NE(unused.notices[0].find("layer 0.0 (b): nothing takes 'h'"), std::string::npos);
}

TEST(LayerNames, AreWrittenAgain) {
  const Recipe recipe = parse_recipe(
      "[model]\nlayers = [{type = \"a\", output = [\"x\", \"y\"]}, {repeat = 3, input = \"x\", "
      "output = \"z\", layers = [{type = \"b\", n = 1}, {repeat = 2, layers = [{type = "
      "\"c\"}]}]}]\n"
      "[[loss]]\ninput = \"z\"\nmetrics = [\"accuracy\"]\n[[loss]]\ntype = \"mse\"\nname = "
      "\"price\"\ninput = \"y\"\ntarget = \"mask\"\nweight = 0.5\n",
      "r.toml");
  const std::string text = to_toml(recipe);
  const Recipe again = parse_recipe(text, "again.toml");
  EXPECT_EQ(to_toml(again), text);
  EXPECT_EQ(again.layers[1].repeat, 3);
  EXPECT_EQ(again.layers[1].layers[1].layers[0].type, "c");
  ASSERT_EQ(again.losses.size(), 2u);
  EXPECT_EQ(again.losses[1].name, "price");
  EXPECT_EQ(again.losses[1].weight, 0.5);
  EXPECT_EQ(again.losses[0].metrics, Types{"accuracy"});
  EXPECT_EQ(again.losses[0].name, "z");
}

TEST(LayerNames, OfRecipesThatCannotBe) {
  const auto parse = [](const std::string& text) { return parse_recipe(text, "r.toml"); };
  const std::string model = "[model]\nlayers = [{type = \"a\"}]\n";
  expect_error([&] { parse("[model]\nlayers = [{repeat = 0, layers = [{type = \"a\"}]}]"); },
               {"block 0 repeat", "at least 1"});
  expect_error([&] { parse("[model]\nlayers = [{repeat = 2, layers = []}]"); },
               {"block 0 layers", "at least one layer"});
  expect_error(
      [&] { parse("[model]\nlayers = [{repeat = 2, out = 3, layers = [{type = \"a\"}]}]"); },
      {"block 0 has no key 'out'"});
  expect_error([&] { parse(model + "[[loss]]\n[[loss]]\n"); }, {"[[loss]] 1 name", "another"});
  expect_error([&] { parse(model + "[loss]\nweight = 0\n"); }, {"weight", "above 0"});
  expect_error([&] { parse("[model]\ntype = \"t\"\nlayers = [{type = \"a\"}]"); },
               {"[model] type", "not both"});
  EXPECT_EQ(parse("[model]\ntype = \"t\"\nwidth = 3\n").model_options.integer("width"), 3);
}

}  // namespace
}  // namespace adjoint

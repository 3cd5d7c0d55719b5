// Models whose inputs, values and losses have names.
#include <gtest/gtest.h>

#include "core/samples/random.h"
#include "core/tensor/transfer.h"
#include "layers/activations/activations.h"
#include "layers/losses/regression_losses.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/losses/total_loss.h"
#include "layers/products/linear.h"
#include "layers/shapes/concat.h"
#include "support/expect_error.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using NamedValuesTest = DeviceTest;

constexpr std::int64_t kCount = 300, kMeta = 3;

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

// Four features and three further ones; a class of the first and a price of both.
Dataset two_inputs() {
  Dataset data{.name = "two", .count = kCount, .type = DType::float32, .sample = {4}, .classes = 3};
  SampleRandom random(5, 0);
  std::vector<float> meta, price;
  for (std::int64_t i = 0; i < kCount; ++i) {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      data.features.push_back(static_cast<float>(random.uniform(-1, 1)));
      sum += data.features.back();
    }
    data.labels.push_back(sum < -0.5f ? 0 : sum < 0.5f ? 1 : 2);
    for (int j = 0; j < kMeta; ++j) {
      meta.push_back(static_cast<float>(random.uniform(-1, 1)));
      sum += meta.back();
    }
    price.push_back(sum);
  }
  data.arrays.push_back({"meta", DType::float32, {kMeta}, true, bytes_of(meta)});
  data.arrays.push_back({"price", DType::float32, {1}, true, bytes_of(price)});
  check_dataset(data);
  return data;
}

Recipe two_towers(const std::string& more = "") {
  return parse_recipe(R"([model]
layers = [
  {type = "linear", out = 16, output = "a"},
  {type = "linear", input = "meta", out = 8, output = "b"},
  {type = "concat", input = ["a", "b"], axis = 1},
  {type = "relu", output = "both"},
  {type = "linear", out = 3, output = "kind"},
  {type = "linear", input = "both", out = 1, output = "worth"},
]
[[loss]]
input = "kind"
metrics = ["accuracy", "macro_f1"]
[[loss]]
type = "mse"
input = "worth"
target = "price"
weight = 0.5
metrics = ["r_squared", "mean_absolute_error"]
[optim]
lr = 0.02
[train]
batch = 32
epochs = 12
)" + more,
                      "two.toml");
}

TEST_F(NamedValuesTest, TwoInputsAndTwoLossesTrain) {
  const auto data = std::make_shared<const Dataset>(two_inputs());
  SmallRun run(two_towers(), data, data);
  EXPECT_TRUE(run.trainer.run());
  EXPECT_EQ(measure_names(run.model),
            (std::vector<std::string>{"kind_loss", "kind_accuracy", "kind_macro_f1", "worth_loss",
                                      "worth_r_squared", "worth_mean_absolute_error"}));
  restore_snapshot(*run.model.graph, run.trainer.best());
  const Evaluation found = run.evaluator.run();
  ASSERT_EQ(found.measures.size(), 6u);
  const auto measure = [&](int i) { return found.measures[std::size_t(i)].value; };
  EXPECT_NEAR(found.loss, measure(0) + 0.5 * measure(3), 1e-5);
  EXPECT_DOUBLE_EQ(found.accuracy, measure(1));
  EXPECT_GT(measure(1), 0.85);
  EXPECT_GT(measure(4), 0.9) << "of the price";
  std::vector<std::string> names;
  for (const Parameter& parameter : run.model.graph->parameters())
    names.push_back(parameter.name());
  EXPECT_EQ(names,
            (std::vector<std::string>{"a.weight", "a.bias", "b.weight", "b.bias", "kind.weight",
                                      "kind.bias", "worth.weight", "worth.bias"}));
}

// One batch by the recipe, and by the same model written in C++.
TEST_F(NamedValuesTest, AreTheSameAsInCpp) {
  const auto data = std::make_shared<const Dataset>(two_inputs());
  const Recipe recipe = two_towers();
  SmallRun run(recipe, data, data);
  run.loader.begin_epoch(1);
  Graph& by_recipe = *run.model.graph;
  run.loader.advance();
  by_recipe.set_batch(run.loader.next_size());
  gather_batch(run.loader, run.model);

  Context context({.seed = recipe.train.seed});
  Graph graph(context);
  const Value input = graph.input({32, 4}), meta = graph.input({32, kMeta});
  const Value a = graph.apply(std::make_shared<Linear>(16), {input}, "a")[0];
  const Value b = graph.apply(std::make_shared<Linear>(8), {meta}, "b")[0];
  const Value both = relu(concat({a, b}, 1));
  const Value kind = graph.apply(std::make_shared<Linear>(3), {both}, "kind")[0];
  const Value worth = graph.apply(std::make_shared<Linear>(1), {both}, "worth")[0];
  const Value label = graph.input({32}, DType::int32), price = graph.input({32, 1});
  const Value total =
      total_loss({{softmax_cross_entropy(kind, label), 1.0f}, {mse(worth, price), 0.5f}});
  graph.compile({.losses = {total}});
  const auto copy = [&](const Value& to, const std::string& name) {
    for (const auto& [known, value] : run.model.inputs) {
      if (known != name) continue;
      const Tensor from = by_recipe.tensor(value);
      std::vector<std::byte> bytes(from.bytes());
      copy_to_host(run.context.stream(), bytes.data(), from.data(), bytes.size());
      run.context.stream().synchronize();
      copy_to_device(context.stream(), graph.tensor(to).data(), bytes.data(), bytes.size());
      context.stream().synchronize();
    }
  };
  copy(input, "input");
  copy(meta, "meta");
  copy(label, "target");
  copy(price, "price");
  restore_snapshot(graph, take_snapshot(by_recipe));
  for (Graph* each : {&by_recipe, &graph}) {
    each->forward();
    each->backward();
  }
  EXPECT_EQ(download<float>(context, graph.slab().gradient),
            download<float>(run.context, by_recipe.slab().gradient));
  EXPECT_EQ(download<float>(context, graph.tensor(total)),
            download<float>(run.context, by_recipe.tensor(run.model.totals)));
}

TEST_F(NamedValuesTest, SmallerBatchesAndStreamedDataDoTheSame) {
  Snapshot models[2];
  for (const bool stream : {false, true}) {
    const auto data = std::make_shared<const Dataset>(two_inputs());
    LoaderOptions loading;
    if (stream) loading.resident_bytes = 0;
    SmallRun run(two_towers(), data, data, {}, loading);
    run.trainer.run();
    models[stream] = take_snapshot(*run.model.graph);
  }
  EXPECT_TRUE(same_bits(models[0], models[1]));
}

TEST_F(NamedValuesTest, BlocksAreRounds) {
  const Recipe recipe = parse_recipe(R"([model]
layers = [
  {type = "flatten"},
  {type = "linear", out = 12},
  {repeat = 3, layers = [
    {type = "linear", out = 12},
    {type = "relu", output = "h"},
    {type = "add", input = ["h", "block.input"]},
  ]},
  {type = "linear", out = 10},
]
)",
                                     "blocks.toml");
  Context context;
  const Model model = build_model(context, recipe, {.batch = 4, .rewrite = false});
  std::vector<std::string> names;
  for (const Parameter& parameter : model.graph->parameters())
    if (parameter.name().ends_with("weight")) names.push_back(parameter.name());
  EXPECT_EQ(names, (std::vector<std::string>{"linear1.weight", "block1.linear1.weight",
                                             "block2.linear1.weight", "block3.linear1.weight",
                                             "linear2.weight"}));
  const Program& program = model.graph->program();
  int sums = 0;
  for (const Node& node : program.nodes) sums += node.layer->kind() == "add" ? 1 : 0;
  EXPECT_EQ(sums, 3);
}

const bool kTower = register_model_kind(
    {.name = "test_tower", .record = [](ModelInputs& inputs, Options& options) -> NamedValues {
       const std::int64_t width = options.count("width", 8, 1);
       const Value hidden = relu(linear(concat({inputs("input"), inputs("meta")}, 1), width));
       return {{"worth", linear(hidden, 1)}, {"kind", linear(hidden, 3)}};
     }});

TEST_F(NamedValuesTest, AModelOfCppIsNamedByItsType) {
  ASSERT_TRUE(kTower);
  const auto recipe = [](const std::string& model) {
    return parse_recipe(
        "[model]\n" + model +
            "\n[[loss]]\nname = \"kind\"\n[[loss]]\ntype = \"mse\"\ninput = "
            "\"worth\"\ntarget = \"price\"\n[optim]\nlr = 0.02\n[train]\nbatch = 32\nepochs = 8\n",
        "tower.toml");
  };
  const auto data = std::make_shared<const Dataset>(two_inputs());
  SmallRun run(recipe("type = \"test_tower\"\nwidth = 20"), data, data);
  EXPECT_TRUE(run.trainer.run());
  EXPECT_GT(run.evaluator.run().accuracy, 0.6);
  const auto refused = [&](const std::string& model, std::initializer_list<std::string> parts) {
    Context context;
    expect_error([&] { build_model(context, recipe(model), model_options(*data)); }, parts);
  };
  refused("type = \"test_towr\"", {"tower.toml", "did you mean 'test_tower'?"});
  refused("type = \"test_tower\"\nwidht = 3", {"no key 'widht'", "did you mean 'width'?"});
}

TEST_F(NamedValuesTest, DataAndInputsGoTogether) {
  const Dataset data = two_inputs();
  const auto refused = [&](const std::string& layers, const std::string& loss,
                           std::initializer_list<std::string> parts) {
    Context context;
    const Recipe recipe = parse_recipe("[model]\nlayers = [" + layers + "]\n" + loss, "r.toml");
    expect_error([&] { build_model(context, recipe, model_options(data)); }, parts);
  };
  const std::string meta = "{type = \"linear\", input = \"meta\", out = 3}";
  const std::string input = "{type = \"linear\", out = 3, output = \"y\"}";
  refused(input, "", {"r.toml", "'meta' is taken by no layer and no loss", "leave it out"});
  refused(meta, "", {"'input' is taken by no layer"});
  refused("{type = \"linear\", input = \"mta\", out = 3}", "",
          {"layer 0 (linear)", "'mta' names nothing", "did you mean 'meta'?"});
  refused(input, "[[loss]]\n[[loss]]\ntype = \"mse\"\ninput = \"y\"\ntarget = \"prise\"\n",
          {"[[loss]] 1", "target", "no array 'prise'", "did you mean 'price'?"});
  refused(input, "[loss]\ntarget = \"price\"\n", {"[loss]", "the first loss", "\"target\""});
  refused("{type = \"linear\", out = 3}, {type = \"relu\"}",
          "[[loss]]\n[[loss]]\ntype = \"mse\"\nname = \"m\"\ntarget = \"price\"\n",
          {"[[loss]] 1", "mse"});
}

TEST_F(NamedValuesTest, MetricsAreOfWhatIsPredicted) {
  const auto data = std::make_shared<const Dataset>(two_inputs());
  Recipe recipe = two_towers();
  recipe.losses[0].metrics = {"acuracy"};
  expect_error([&] { SmallRun(recipe, data, data); }, {"metric", "did you mean 'accuracy'?"});
  recipe.losses[0].metrics = {"r_squared"};
  expect_error([&] { SmallRun(recipe, data, data); },
               {"'r_squared' is of numbers", "predicts classes"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

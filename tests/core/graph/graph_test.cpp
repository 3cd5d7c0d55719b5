// What a graph promises its caller beside results: which layers it takes, what can be read, and how
// it is left by errors.
#include "core/graph/graph.h"

#include <gtest/gtest.h>

#include <set>

#include "core/graph/sequential.h"
#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/arithmetic/add.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/losses/total_loss.h"
#include "layers/norms/layer_norm.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using GraphTest = DeviceTest;

/// Copies its input; its preparation for a batch fails as often as told.
class Unprepared : public LayerOf<Unprepared> {
 public:
  explicit Unprepared(int failures) : failures_(failures) {}
  std::string kind() const override { return "unprepared"; }
  Signature infer(const Signature& x) const override { return x; }
  void prepare(Context&, const Signature& x, const ParameterGradients&) override {
    ADJOINT_CHECK(x[0].shape[0] != 2 || failures_-- <= 0, "unprepared: no memory");
    prepared_ = x[0].shape[0];
  }
  void forward(Context& context, const ForwardCall& call) override {
    ADJOINT_CHECK(prepared_ == call.x[0].shape()[0], "unprepared: expected to be prepared");
    copy_on_device(context.stream(), call.y[0].data(), call.x[0].data(), call.x[0].type().bytes());
  }
  void backward(Context&, const BackwardCall&) override {}

 private:
  int failures_;
  std::int64_t prepared_ = 0;
};

/// Each row of x [batch, n] and a table [n] that all of them share: their sum.
class AddTable : public LayerOf<AddTable> {
 public:
  std::string kind() const override { return "add_table"; }
  Signature infer(const Signature& x) const override {
    ADJOINT_CHECK(x.at(1).shape == Shape{x[0].shape[1]}, "add_table: a table of other length");
    return {x[0]};
  }
  void forward(Context& context, const ForwardCall& call) override {
    const auto x = download<float>(context, call.x[0]), table = download<float>(context, call.x[1]);
    std::vector<float> y(x);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += table[i % table.size()];
    upload<float>(context, call.y[0], y);
  }
  void backward(Context& context, const BackwardCall& call) override {
    const auto dy = download<float>(context, call.dy[0]);
    if (call.dx[0].wanted()) upload<float>(context, call.dx[0].tensor, dy);
    std::vector<float> sums(std::size_t(call.dx[1].tensor.count()));
    for (std::size_t i = 0; i < dy.size(); ++i) sums[i % sums.size()] += dy[i];
    upload<float>(context, call.dx[1].tensor, sums);
  }
};

TEST_F(GraphTest, AnInputThatAllSamplesShareHasOneShapeForEveryBatch) {
  Context context;
  Graph graph(context);
  const Value table = graph.input({3}, DType::float32,
                                  {.name = "table", .wants_gradient = true, .per_sample = false});
  const Value x = graph.input({4, 3}, DType::float32, {.wants_gradient = true});
  test::expect_error([&] { graph.input({5, 3}); }, {"expected 4", "per_sample = false"});
  const Value y = graph.apply(AddTable(), {x, table});
  graph.compile({.outputs = {y}, .seeds = {y}});
  EXPECT_EQ(graph.max_batch(), 4);
  for (const std::int64_t batch : {4, 2}) {
    graph.set_batch(batch);
    EXPECT_EQ(graph.tensor(table).shape(), (Shape{3}));
    std::vector<float> rows(std::size_t(3 * batch));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = float(i);
    upload<float>(context, graph.tensor(x), rows);
    upload<float>(context, graph.tensor(table), {10, 20, 30});
    graph.forward();
    const std::vector<float> made = download<float>(context, graph.tensor(y));
    for (std::size_t i = 0; i < rows.size(); ++i)
      EXPECT_EQ(made[i], rows[i] + 10 * float(i % 3 + 1));
    upload<float>(context, graph.gradient(y), std::vector<float>(rows.size(), 1));
    graph.backward();
    EXPECT_EQ(download<float>(context, graph.gradient(table)), std::vector<float>(3, float(batch)));
  }
}

TEST_F(GraphTest, ALayerBelongsToOneGraphAtATime) {
  const auto layer = std::make_shared<Linear>(4, 3);
  std::vector<float> weight;
  {
    TestModel first;
    const Value y = first.graph.apply(layer, {first.input({2, 4})})[0];
    first.compile({.outputs = {y}, .seeds = {y}});
    weight = download<float>(first.context, layer->weight().value());
    TestModel second;
    const Value other = second.graph.apply(layer, {second.input({2, 4})})[0];
    test::expect_error([&] { second.compile({.outputs = {other}}); },
                       {"linear1.weight", "no other graph", "layers of its own"});
    EXPECT_EQ(download<float>(first.context, layer->weight().value()), weight);
  }
  EXPECT_FALSE(layer->weight().value().defined()) << "its memory went with the graph";
  TestModel later;
  const Value y = later.graph.apply(layer, {later.input({2, 4})})[0];
  later.compile({.outputs = {y}});
  later.graph.forward();
  EXPECT_EQ(later.read(y).size(), 6u);
}

TEST_F(GraphTest, ALayerWithoutParametersMayBeInTwo) {
  const auto layer = std::make_shared<Dropout>(0.5f);
  TestModel first, second;
  const Value x = first.input({2, 40}, true);
  const Value y = first.graph.apply(layer, {x})[0];
  first.compile({.outputs = {y}, .seeds = {y}});
  upload(first.context, first.graph.gradient(y), std::vector<float>(80, 1.0f));
  first.step();
  const std::vector<float> before = first.gradient(x);
  // Elsewhere in the second graph, so that another mask is drawn there.
  const Value other = second.graph.apply(layer, {relu(second.input({2, 40}))})[0];
  second.compile({.outputs = {other}});
  first.graph.backward();
  EXPECT_EQ(first.gradient(x), before);
}

TEST_F(GraphTest, AFailedPreparationCanBeRepeated) {
  TestModel model;
  const Value x = model.input({3, 4});
  const Value y = model.graph.apply(Unprepared(1), {x});
  model.compile({.outputs = {y}});
  EXPECT_THROW(model.graph.set_batch(2), Error);
  EXPECT_EQ(model.graph.batch(), 3);
  model.graph.set_batch(2);
  model.graph.forward();
  EXPECT_EQ(model.read(y), model.read(x));
}

TEST_F(GraphTest, AFailedCompilationLeavesNothingToRun) {
  TestModel model;
  const Value y = model.graph.apply(Unprepared(1), {model.input({2, 4})});
  EXPECT_THROW(model.compile({.outputs = {y}}), Error);
  EXPECT_FALSE(model.graph.compiled());
  EXPECT_THROW(model.graph.forward(), Error);
  EXPECT_THROW(model.graph.refresh_parameters(), Error);
  test::expect_error([&] { model.compile({.outputs = {y}}); }, {"record the model anew"});
}

TEST_F(GraphTest, GradientsWhoseMemoryIsReusedAreNotHandedOut) {
  TestModel model;
  const Value x = model.input({2, 4}, true);
  const Value hidden = relu(x);
  const Value y = relu(linear(hidden, 4));
  model.compile({.outputs = {y}, .seeds = {y}});
  EXPECT_TRUE(model.graph.gradient(x).defined());
  EXPECT_TRUE(model.graph.gradient(y).defined());
  test::expect_error([&] { model.graph.gradient(hidden); }, {"gradient of", "is reused"});
}

// Rewrites move and join layers: the norm behind the sum runs before the one that was applied
// first.
TEST_F(GraphTest, RewritesChangeNoNameOrderOrInitialValue) {
  struct Run {
    explicit Run(bool rewrite) {
      const Value x = model.input({2, 4});
      const auto norm = std::make_shared<LayerNorm>();
      const auto head = std::make_shared<Linear>(4, 4);
      const Value sum = add(linear(x, 4), x);
      const Value first = model.graph.apply(norm, {linear(relu(sum), 4)}, "first")[0];
      const Value second = model.graph.apply(norm, {sum}, "second")[0];
      const Value third = model.graph.apply(head, {first}, "third")[0];
      const Value y = linear(relu(model.graph.apply(head, {second}, "fourth")[0]), 3);
      model.compile({.losses = {y, third}, .rewrite = rewrite});
      for (const Parameter& parameter : model.graph.parameters()) {
        names.push_back(parameter.name());
        values.push_back(download<float>(model.context, parameter.master()));
      }
    }
    TestModel model;
    std::vector<std::string> names;
    std::vector<std::vector<float>> values;
  };
  const Run plain(false), full(true);
  EXPECT_EQ(full.model.graph.program().rewrites.size(), 2u);
  EXPECT_EQ(full.names,
            (std::vector<std::string>{"linear1.weight", "linear1.bias", "linear2.weight",
                                      "linear2.bias", "first.weight", "first.bias", "third.weight",
                                      "third.bias", "linear3.weight", "linear3.bias"}));
  EXPECT_EQ(full.names, plain.names);
  EXPECT_EQ(full.values, plain.values);
}

// A container is named by its parts only when it is compiled, when layers behind it have names.
TEST_F(GraphTest, PartsOfContainersTakeNamesThatNobodyHas) {
  TestModel model;
  const Sequential body(Linear(4), ReLU(), Linear(4));
  Value x = model.graph.apply(body, {model.input({2, 4})});
  x = relu(linear(x, 4));
  x = model.graph.apply(body, {x});
  model.compile({.losses = {linear(x, 3)}, .rewrite = false});
  std::set<std::string> nodes, parameters;
  for (const Node& node : model.graph.program().nodes) nodes.insert(node.name);
  for (const Parameter& parameter : model.graph.parameters()) parameters.insert(parameter.name());
  EXPECT_EQ(nodes.size(), 9u);
  EXPECT_EQ(parameters.size(), 8u) << "of the body, applied twice, and two heads";
}

// What one graph told a layer - its type, that its gradient is to be deferred - is no other's.
TEST_F(GraphTest, AGraphLeavesTheCallersLayersAsTheyAre) {
  const auto words = std::make_shared<Embedding>(5, 3);
  const auto loss = std::make_shared<CrossEntropyLoss>();
  const auto record = [&](TestModel& model) {
    const Value index = model.labels({2}, 5), label = model.labels({2}, 3);
    const Value scores = model.graph.apply(words, {index})[0];
    return model.graph.apply(loss, {add(scores, model.input({2, 3})), label})[0];
  };
  {
    TestModel narrow;
    const Value totals = record(narrow);
    narrow.graph.compile(
        {.losses = {total_loss({{totals, 1.0f}})}, .compute_type = DType::float16});
    EXPECT_TRUE(loss->traits().gradient_in_forward);
  }
  TestModel model;
  model.compile({.losses = {record(model)}});
  model.step();
}

TEST_F(GraphTest, AParameterIsNamedAfterItsPlaceInThisGraph) {
  const auto layer = std::make_shared<Linear>(4, 3);
  for (const std::string name : {"once", "again"}) {
    TestModel model;
    const Value y = model.graph.apply(layer, {model.input({2, 4})}, name)[0];
    model.compile({.outputs = {y}});
    EXPECT_EQ(layer->weight().name(), name + ".weight");
  }
}

TEST_F(GraphTest, AGradientThatNothingMakesIsRefusedByItsCause) {
  TestModel model;
  const Value x = model.input({2, 4}, true), unread = model.input({2, 4}, true),
              fixed = model.input({2, 4});
  const Value y = linear(add(x, fixed), 3);
  model.compile({.losses = {y}});
  test::expect_error([&] { model.graph.gradient(unread); },
                     {"input2 has no gradient", "no loss and no seed", "computed from it"});
  test::expect_error([&] { model.graph.gradient(fixed); },
                     {"input3 has no gradient", "wants_gradient"});
}

TEST_F(GraphTest, ParametersAreFrozenBeforeCompiling) {
  TestModel model;
  const auto layer = std::make_shared<Linear>(4, 3);
  const Value y = model.graph.apply(layer, {model.input({2, 4})})[0];
  model.compile({.outputs = {y}});
  test::expect_error([&] { Parameter(layer->weight()).set_trainable(false); },
                     {"linear1.weight", "before the graph is compiled"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

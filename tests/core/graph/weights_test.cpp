// Weights apart from graphs: several graphs over them, of other batches and lengths, on other
// streams; tied and padded parameters; gradients in float32 beside 16-bit weights.
#include "core/graph/weights.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/graph/sequential.h"
#include "layers/activations/activations.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/norms/batch_norm.h"
#include "layers/norms/layer_norm.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "layers/shapes/flatten.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using WeightsTest = DeviceTest;

std::vector<float> ramp(std::int64_t count, float step = 0.37f) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = float(std::int64_t(i * 7 % 23) - 11) * step / 4;
  return values;
}

/// A perceptron that trains.
struct Training {
  explicit Training(const Weights& weights, std::int64_t batch = 8,
                    const CompileOptions& options = {})
      : graph(weights) {
    x = graph.input({batch, 6});
    labels = graph.input({batch}, DType::int32);
    loss = softmax_cross_entropy(linear(relu(linear(x, 5)), 3), labels);
    CompileOptions with_loss = options;
    with_loss.losses = {loss};
    graph.compile(with_loss);
    upload(graph.context(), graph.tensor(x), ramp(batch * 6));
    std::vector<std::int32_t> classes(static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = std::int32_t(i % 3);
    upload(graph.context(), graph.tensor(labels), classes);
  }
  Graph graph;
  Value x, labels, loss;
};

/// The same perceptron for one sample.
struct Decoding {
  explicit Decoding(const Weights& weights) : Decoding(weights, weights.context()) {}
  Decoding(const Weights& weights, Context& context) : graph(weights, context) {
    x = graph.input({1, 6});
    y = linear(relu(linear(x, 5)), 3);
    graph.compile({.outputs = {y}});
    upload(context, graph.tensor(x), ramp(6));
  }
  std::vector<float> run() {
    graph.forward();
    return download<float>(graph.context(), graph.tensor(y));
  }
  Graph graph;
  Value x, y;
};

TEST_F(WeightsTest, GraphsOfOtherBatchesSeeWhatOneLearns) {
  Context context({.seed = 5});
  const Weights weights(context);
  Training train(weights);
  Decoding decode(weights);
  ASSERT_EQ(train.graph.parameters().size(), 4u);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(train.graph.parameters()[i].value().data(),
              decode.graph.parameters()[i].value().data());
  const std::vector<float> before = decode.run();
  AdamW optimizer(context, weights.slab(), {.learning_rate = 0.05});
  for (int step = 0; step < 5; ++step) {
    train.graph.forward();
    train.graph.backward();
    optimizer.step(train.graph.tensor(train.loss));
  }
  const std::vector<float> after = decode.run();
  EXPECT_NE(before, after);
  // What a graph of its own makes of the same weights.
  Context other({.seed = 6});
  Decoding alone{Weights(other)};
  for (std::size_t i = 0; i < 4; ++i)
    upload(other, alone.graph.parameters()[i].master(),
           download<float>(context, weights.parameters()[i].master()));
  EXPECT_EQ(alone.run(), after);
}

TEST_F(WeightsTest, OtherLengthsOfOtherAxes) {
  Context context({.seed = 5});
  const Weights weights(context);
  const auto make = [&](Graph& graph, std::int64_t length) {
    const Value tokens = graph.input({2, length}, DType::int32);
    const Value y = linear(layer_norm(embedding(tokens, 11, 8)), 4);
    graph.compile({.outputs = {y}});
    std::vector<std::int32_t> indices(static_cast<std::size_t>(2 * length));
    std::iota(indices.begin(), indices.end(), 0);
    for (std::int32_t& index : indices) index %= 11;
    upload(context, graph.tensor(tokens), indices);
    graph.forward();
    return download<float>(context, graph.tensor(y));
  };
  Graph train(weights), decode(weights);
  const std::vector<float> all = make(train, 1024), one = make(decode, 1);
  // Tokens 0 and 1 begin the first and, at length 1, the second sample.
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(one[i], all[i], 1e-5) << i;
}

TEST_F(WeightsTest, RunningStateIsTheWeights) {
  Context context({.seed = 5});
  const Weights weights(context);
  const auto make = [&](Graph& graph, std::int64_t batch) {
    const Value x = graph.input({batch, 3});
    const Value y = batch_norm(x);
    graph.compile({.outputs = {y}, .seeds = {y}});
    upload(context, graph.tensor(x), ramp(batch * 3, 3.0f));
    return y;
  };
  Graph train(weights), decode(weights);
  make(train, 6);
  const Value y = make(decode, 1);
  for (int i = 0; i < 3; ++i) train.forward();
  context.set_training(false);
  decode.forward();
  const auto state = download<float>(context, weights.states()[0].tensor());
  EXPECT_NE(state, std::vector<float>(3, 0.0f));
  EXPECT_EQ(decode.states()[0].tensor().data(), train.states()[0].tensor().data());
  const auto made = download<float>(context, decode.tensor(y));
  const auto variance = download<float>(context, weights.states()[1].tensor());
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(made[i], (ramp(3, 3.0f)[i] - state[i]) / std::sqrt(variance[i] + 1e-5f), 1e-5);
}

TEST_F(WeightsTest, OneDecodesWhileTheOtherTrainsOnAnotherStream) {
  Context context({.seed = 5}), side({.seed = 5});
  side.set_training(false);
  const Weights weights(context);
  Training train(weights);
  Decoding decode(weights, side);
  AdamW optimizer(context, weights.slab(), {.learning_rate = 0.05});
  std::vector<std::vector<float>> decoded, expected;
  Event updated, read;
  PinnedBuffer made(10 * 3 * sizeof(float));
  auto* const to = static_cast<float*>(made.data());
  for (int step = 0; step < 10; ++step) {
    train.graph.forward();
    train.graph.backward();
    context.stream().wait(read);  // the weights change only once they were read
    optimizer.step(train.graph.tensor(train.loss));
    updated.record(context.stream());
    side.stream().wait(updated);
    decode.graph.forward();
    copy_to_host(side.stream(), to + 3 * step, decode.graph.tensor(decode.y).data(),
                 3 * sizeof(float));
    read.record(side.stream());
  }
  side.stream().synchronize();
  context.stream().synchronize();
  // The same on one stream.
  Context single({.seed = 5});
  const Weights same(single);
  Training again(same);
  Decoding after(same);
  AdamW alone(single, same.slab(), {.learning_rate = 0.05});
  for (int step = 0; step < 10; ++step) {
    single.set_training(true);
    again.graph.forward();
    again.graph.backward();
    alone.step(again.graph.tensor(again.loss));
    single.set_training(false);
    const std::vector<float> y = after.run();
    EXPECT_EQ(std::vector<float>(to + 3 * step, to + 3 * step + 3), y) << step;
  }
}

TEST_F(WeightsTest, DisagreementsNameBothSides) {
  Context context;
  const Weights weights(context);
  Training train(weights);
  const auto compile = [&](std::int64_t in, std::int64_t out, const std::string& name,
                           const CompileOptions& options = {}) {
    Graph graph(weights);
    const Value y = graph.apply(std::make_shared<Linear>(out), {graph.input({1, in})}, name)[0];
    CompileOptions read = options;
    read.outputs = {y};
    graph.compile(read);
  };
  EXPECT_NO_THROW(compile(6, 5, "linear1"));
  expect_error([&] { compile(6, 4, "linear1"); }, {"linear1.weight", "[5, 6]", "[4, 6]"});
  expect_error([&] { compile(6, 5, "linaer1"); },
               {"no parameter linaer1.weight", "linear1.weight", "compiled first"});
  expect_error([&] { compile(6, 5, "linear1", {.compute_type = DType::bfloat16}); },
               {"bfloat16", "float32", "compute_type"});
  Graph stateful(weights);
  const Value y = batch_norm(linear(stateful.input({4, 6}), 5), {.affine = false});
  expect_error([&] { stateful.compile({.outputs = {y}}); },
               {"no running state", "batch_norm1.running_mean"});
}

// An attempt that finds no memory leaves nothing behind.
TEST_F(WeightsTest, AreAllocatedByTheNextGraphWhereOneFoundNoMemory) {
  Context context({.seed = 5});
  const Weights weights(context);
  const auto compile = [&](Graph& graph) {
    const Value y = batch_norm(linear(graph.input({4, 64}), 64));
    graph.compile({.outputs = {y}, .seeds = {y}});
  };
  Graph first(weights), second(weights);
  context.memory().set_limit(context.memory().use().current + 40'000);
  EXPECT_THROW(compile(first), Error);
  context.memory().set_limit(0);
  compile(second);
  EXPECT_EQ(weights.states().size(), 2u);
  EXPECT_EQ(weights.slab().running.live.count(), 512);  // of 256 bytes each
}

TEST_F(WeightsTest, AGraphOutlivesItsWeightsButNotItsContext) {
  auto context = std::make_unique<Context>();
  std::unique_ptr<Decoding> decode;
  {
    const Weights weights(*context);
    decode = std::make_unique<Decoding>(weights);
  }
  EXPECT_EQ(decode->run().size(), 3u);
  context = nullptr;
  expect_error([&] { decode->graph.forward(); }, {"context is gone"});
}

// PyTorch 2.15, float64: h = tanh(embedding(tokens, W)), logits = h @ W.T, cross_entropy(logits, y,
// reduction="sum"), W[i, j] = ((3 i + j) * 7 % 11 - 5) / 8.
TEST_F(WeightsTest, TiedWeightsHaveTheSumOfBothGradients) {
  const std::vector<double> expected = {-0.857116157, -0.032165727, 0.450246026, 0.737478248,
                                        -0.250890062, 0.081533317,  0.629187897, 0.119918662,
                                        -0.543952582, -0.298731812, 0.005971399, 0.279238632,
                                        -0.105630725, -0.085336129, 0.308446607};
  for (const bool rewrite : {true, false}) {
    Context context;
    Graph graph(context);
    const Embedding table(5, 3);
    const Value tokens = graph.input({4}, DType::int32), labels = graph.input({4}, DType::int32);
    const Value hidden = adjoint::tanh(graph.apply(table, {tokens}));
    const Value loss = softmax_cross_entropy(linear(hidden, table.weight()), labels);
    graph.compile({.losses = {loss}, .compute_type = DType::float64, .rewrite = rewrite});
    ASSERT_EQ(graph.parameters().size(), 1u);
    std::vector<double> weight(15);
    for (std::size_t i = 0; i < 15; ++i) weight[i] = (double(i * 7 % 11) - 5) / 8;
    upload(context, graph.parameters()[0].master(), weight);
    upload<std::int32_t>(context, graph.tensor(tokens), {0, 2, 2, 4});
    upload<std::int32_t>(context, graph.tensor(labels), {1, 0, 3, 2});
    graph.forward();
    graph.backward();
    EXPECT_NEAR(download<double>(context, graph.tensor(loss))[0], 6.9847092828451975, 1e-12);
    const auto gradient = download<double>(context, graph.parameters()[0].gradient());
    for (std::size_t i = 0; i < 15; ++i) EXPECT_NEAR(gradient[i], expected[i], 1e-9) << i;
  }
}

TEST_F(WeightsTest, ATiedLayerNeedsAShape) {
  Context context;
  Graph graph(context);
  const Value x = graph.input({2, 3});
  expect_error([&] { linear(x, Linear(4).weight()); }, {"shape is not known"});
  expect_error([&] { linear(x, Embedding(5, 4).weight()); }, {"4", "3"});
}

// In float32 memory gradients are right to the last bits of the sums, whichever layer makes them.
TEST_F(WeightsTest, Float32GradientsBesideSixteenBitWeights) {
  const auto gradients = [](DType type, bool wide) {
    Context context({.seed = 4});
    Graph graph(context);
    const Embedding table(6, 8);
    const Value tokens = graph.input({4}, DType::int32), labels = graph.input({4}, DType::int32);
    const Value hidden = layer_norm(relu(linear(graph.apply(table, {tokens}), 8)));
    const Value loss = softmax_cross_entropy(linear(hidden, table.weight()), labels);
    graph.compile({.losses = {loss}, .compute_type = type, .float32_gradients = wide});
    EXPECT_EQ(graph.slab().gradient.dtype(), wide ? DType::float32 : type);
    upload<std::int32_t>(context, graph.tensor(tokens), {0, 2, 2, 4});
    upload<std::int32_t>(context, graph.tensor(labels), {1, 0, 3, 2});
    for (int i = 0; i < 300; ++i) {
      if (i == 1) graph.set_accumulating(true);
      graph.forward();
      graph.backward();
    }
    return download<float>(context, graph.slab().gradient);
  };
  const auto exact = gradients(DType::float32, false);
  for (const DType type : {DType::bfloat16, DType::float16}) {
    const auto wide = gradients(type, true);
    ASSERT_EQ(wide.size(), exact.size());
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < wide.size(); ++i) {
      difference += std::pow(double(wide[i]) - double(exact[i]), 2);
      length += std::pow(double(exact[i]), 2);
    }
    // A bfloat16 sum of 300 gradients would lose more than a tenth of it.
    EXPECT_LE(std::sqrt(difference / length), 0.02) << name(type);
  }
}

TEST_F(WeightsTest, StoredRowsArePaddingThatStaysZero) {
  Context context({.seed = 3});
  Graph graph(context);
  const Embedding table({.vocabulary = 5, .width = 3, .stored_rows = 64});
  const Value tokens = graph.input({4}, DType::int32), labels = graph.input({4}, DType::int32);
  const Value hidden = linear(graph.apply(table, {tokens}), 3);
  const Value loss = softmax_cross_entropy(linear(hidden, table.weight()), labels);
  graph.compile({.losses = {loss}});
  const Parameter& weight = graph.parameters()[0];
  EXPECT_EQ(weight.shape(), (Shape{5, 3}));
  EXPECT_EQ(weight.stored_shape(), (Shape{64, 3}));
  EXPECT_EQ(graph.slab().parameters[0].shape, (Shape{5, 3}));
  EXPECT_EQ(graph.slab().parameters[1].offset, 64 * 3);
  upload<std::int32_t>(context, graph.tensor(tokens), {0, 2, 2, 4});
  upload<std::int32_t>(context, graph.tensor(labels), {1, 0, 3, 2});
  AdamW optimizer(context, graph.slab(), {.learning_rate = 0.1, .weight_decay = 0.1});
  for (int i = 0; i < 4; ++i) {
    graph.forward();
    graph.backward();
    optimizer.step(graph.tensor(loss));
  }
  const auto stored = download<float>(context, weight.stored(weight.master()));
  for (std::size_t i = 0; i < 15; ++i) EXPECT_NE(stored[i], 0.0f) << i;
  for (std::size_t i = 15; i < stored.size(); ++i) EXPECT_EQ(stored[i], 0.0f) << i;
  expect_error([] { Embedding({.vocabulary = 5, .width = 3, .stored_rows = 4}); },
               {"stored_rows", "5", "4"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

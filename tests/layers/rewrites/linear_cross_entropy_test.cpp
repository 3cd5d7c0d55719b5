#include "layers/rewrites/linear_cross_entropy.h"

#include <algorithm>

#include "layers/products/embedding.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(LinearCrossEntropyTest, TheRewriteChangesNothingButTheMemory) {
  ADJOINT_REQUIRE_DEVICE();
  struct Head {
    explicit Head(bool rewrite) {
      const Value x = model.input({9, 6}, true);
      input = x;
      loss = softmax_cross_entropy(linear(linear(x, 6), 2100), model.labels({9}, 2100));
      model.compile({.losses = {loss}, .rewrite = rewrite});
      model.step();
    }
    TestModel model;
    Value input, loss;
  };
  Head plain(false), fused(true);
  EXPECT_EQ(fused.model.kinds(), (std::vector<std::string>{"linear", "linear_cross_entropy"}));
  expect_near(fused.model.read(fused.loss), plain.model.read(plain.loss), 1e-5);
  expect_near(fused.model.gradient(fused.input), plain.model.gradient(plain.input), 1e-5);
  expect_near(fused.model.gradients(), plain.model.gradients(), 1e-5);
}

TEST(LinearCrossEntropyTest, LeavesSmallHeadsAndReadLogitsAlone) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel small;
  const Value loss = softmax_cross_entropy(linear(small.input({4, 6}), 10), small.labels({4}, 10));
  small.compile({.losses = {loss}});
  EXPECT_EQ(small.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));

  TestModel read;
  const Value logits = linear(read.input({4, 6}), 2100);
  const Value total = softmax_cross_entropy(logits, read.labels({4}, 2100));
  read.compile({.losses = {total}, .outputs = {logits}});
  EXPECT_EQ(read.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));
}

TEST(LinearCrossEntropyTest, OneThatIsNoLossIsOnlyLookedAt) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({4, 6});
  const Value loss = softmax_cross_entropy(linear(x, 3), model.labels({4}, 3));
  const Value seen = softmax_cross_entropy(linear(x, 2100), model.labels({4}, 2100));
  model.compile(
      {.losses = {loss}, .outputs = {seen}, .unused_parameters = UnusedParameters::allow});
  model.step();
  EXPECT_GT(model.read(seen)[0], 0.0f);
  const auto gradients = model.gradients();
  EXPECT_EQ(gradients.at("linear2.weight"), std::vector<float>(2100 * 6));
  EXPECT_NE(gradients.at("linear1.weight"), std::vector<float>(3 * 6));
}

TEST(LinearCrossEntropyTest, LeavesABiasThatLearnsAloneApart) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  Linear head(6, 2100);
  Parameter(head.weight()).set_trainable(false);
  const Value logits = model.graph.apply(head, {model.input({4, 6})});
  const Value loss = softmax_cross_entropy(logits, model.labels({4}, 2100));
  model.compile({.losses = {loss}});
  EXPECT_EQ(model.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));
  model.step();
  EXPECT_NE(model.gradients().at("linear1.bias"), std::vector<float>(2100));
}

// x [rows, 6] through a head with that many rows in memory.
struct PaddedHead {
  PaddedHead(std::int64_t rows, const LinearOptions& head, std::int64_t chunk_rows, DType type,
             bool float32_gradients = false) {
    x = model.input({rows, 6}, true);
    const Value labels = model.labels({rows}, std::int32_t(head.out));
    loss = model.graph.apply(
        std::make_shared<LinearCrossEntropy>("head", Linear(head), CrossEntropyLoss(), chunk_rows),
        {x, labels})[0];
    model.compile({.losses = {loss}, .compute_type = type, .float32_gradients = float32_gradients});
  }
  TestModel model;
  Value x, loss;
};

TEST(LinearCrossEntropyTest, APaddedVocabularyIsTheSame) {
  ADJOINT_REQUIRE_DEVICE();
  for (const std::int64_t chunk_rows : {0, 4})
    for (const std::int64_t stored : {64, 75}) {
      PaddedHead plain(9, {.out = 57}, chunk_rows, DType::float32);
      PaddedHead padded(9, {.out = 57, .stored_rows = stored}, chunk_rows, DType::float32);
      TestModel& model = padded.model;
      for (const Parameter& parameter : model.graph.parameters())  // what gradients overwrite
        fill_bytes(model.context.stream(), parameter.gradient().data(), 0xff,
                   parameter.stored(parameter.gradient()).bytes());
      plain.model.step();
      model.step();
      expect_near(model.read(padded.loss), plain.model.read(plain.loss), 1e-6);
      expect_near(model.gradient(padded.x), plain.model.gradient(plain.x), 1e-6);
      expect_near(model.gradients(), plain.model.gradients(), 1e-6);
      for (const Parameter& parameter : model.graph.parameters()) {
        const auto all = download<float>(model.context, parameter.stored(parameter.gradient()));
        const auto behind = all.begin() + std::ptrdiff_t(parameter.count());
        EXPECT_EQ(std::vector<float>(behind, all.end()),
                  std::vector<float>(std::size_t(all.end() - behind)))
            << parameter.name();
      }
      EXPECT_NE(model.graph.parameters()[0].stored_shape(), model.graph.parameters()[0].shape());
    }
}

// A head tied to a padded table, as the rewrite makes it of a graph.
TEST(LinearCrossEntropyTest, ATiedPaddedTableTrainsAsOneWithoutPadding) {
  ADJOINT_REQUIRE_DEVICE();
  const auto train = [](std::int64_t stored) {
    Context context({.seed = 3});
    Graph graph(context);
    const Embedding table({.vocabulary = 2100, .width = 4, .stored_rows = stored});
    const Value tokens = graph.input({5}, DType::int32), labels = graph.input({5}, DType::int32);
    const Value hidden = linear(graph.apply(table, {tokens}), 4);
    const Value loss = softmax_cross_entropy(linear(hidden, table.weight()), labels);
    graph.compile({.losses = {loss}});
    EXPECT_EQ(graph.program().nodes.back().layer->kind(), "linear_cross_entropy");
    upload<std::int32_t>(context, graph.tensor(tokens), {0, 2, 2, 4, 2099});
    upload<std::int32_t>(context, graph.tensor(labels), {1, 0, 2099, 2, 7});
    AdamW optimizer(context, graph.slab(), {.learning_rate = 0.1, .weight_decay = 0.1});
    for (int i = 0; i < 4; ++i) {
      graph.forward();
      graph.backward();
      optimizer.step(graph.tensor(loss));
    }
    const Parameter& weight = graph.parameters()[0];
    auto all = download<float>(context, weight.stored(weight.master()));
    EXPECT_TRUE(std::all_of(all.begin() + weight.count(), all.end(),
                            [](float padding) { return padding == 0.0f; }));
    all.resize(std::size_t(weight.count()));
    return all;
  };
  expect_near(train(2112), train(0), 1e-5);
}

// Rounded to 16 bits after each chunk, the sum of 200 would be off by several percent.
TEST(LinearCrossEntropyTest, GradientsOfChunksAreSummedInFloat32) {
  ADJOINT_REQUIRE_DEVICE();
  for (const DType type : {DType::bfloat16, DType::float16})
    for (const bool wide : {false, true}) {
      SCOPED_TRACE(str(name(type), wide ? ", float32 gradients" : ""));
      PaddedHead whole(400, {.out = 20}, 400, type, wide);
      PaddedHead chunks(400, {.out = 20, .stored_rows = 24}, 2, type, wide);
      const double tolerance = type == DType::bfloat16 ? 5e-3 : 7e-4;  // a rounding, twice
      whole.model.step();
      chunks.model.step();
      expect_near(chunks.model.gradients(), whole.model.gradients(), tolerance);
      if (!wide) continue;
      // Added to what is there.
      whole.model.graph.set_accumulating(true);
      chunks.model.graph.set_accumulating(true);
      whole.model.step();
      chunks.model.step();
      expect_near(chunks.model.gradients(), whole.model.gradients(), tolerance);
    }
}

TEST(LinearCrossEntropyTest, ChunksHaveAtLeast8192Rows) {
  ADJOINT_REQUIRE_DEVICE();
  const auto chunk_rows = [](std::int64_t rows, std::int64_t classes) {
    PaddedHead head(rows, {.out = classes}, 0, DType::bfloat16);
    return dynamic_cast<const LinearCrossEntropy&>(*head.model.graph.program().nodes.back().layer)
        .chunk_rows();
  };
  EXPECT_EQ(chunk_rows(9000, 6000), 8192);  // 64 MiB hold 5,592
  EXPECT_EQ(chunk_rows(40'000, 2048), 16'384);
  EXPECT_EQ(chunk_rows(7, 2048), 7);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Hooks on ranges of the gradient: in order, once, and each when its range is final.
#include "core/graph/gradient_ranges.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/norms/batch_norm.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using GradientRangesTest = DeviceTest;

/// Copies what a hook is told to where the same range of the slab lies in memory of its own, so
/// that after the step both can be compared: a range that was not final then differs.
class Shadow {
 public:
  GradientHook hook() {
    return [this](const FinalGradient& ready) {
      ranges.push_back(ready.range);
      EXPECT_EQ(ready.values.count(), ready.range.end - ready.range.begin);
      copy_on_device(ready.stream,
                     static_cast<std::byte*>(buffer_.data()) +
                         std::size_t(ready.range.begin) * size_of(ready.values.dtype()),
                     ready.values.data(), ready.values.bytes());
    };
  }
  void allocate(Graph& graph) {
    slab_ = graph.slab().gradient;
    buffer_ = graph.context().memory().allocate(slab_.bytes(), "shadow");
    clear(graph.context());
  }
  void clear(Context& context) {
    fill_bytes(context.stream(), buffer_.data(), 0xff, slab_.bytes());
  }
  void expect_final(Context& context) const {
    const Tensor copy(buffer_.data(), slab_.dtype(), slab_.shape());
    EXPECT_TRUE(bytes_of(context, copy) == bytes_of(context, slab_));
  }

  std::vector<GradientRange> ranges;

 private:
  Tensor slab_;
  Buffer buffer_;
};

struct Mlp {
  explicit Mlp(CompileOptions options = {}) {
    Value h = model.input({6, 70});
    for (int i = 0; i < 3; ++i) h = dropout(relu(batch_norm(linear(h, 64))), 0.1);
    loss = softmax_cross_entropy(linear(h, 10), model.labels({6}, 10));
    options.losses = {loss};
    options.on_gradient = shadow.hook();
    model.compile(options);
    shadow.allocate(model.graph);
  }
  Graph& graph() { return model.graph; }

  Shadow shadow;
  TestModel model;
  Value loss;
};

// Every element once.
void expect_whole(std::vector<GradientRange> ranges, std::int64_t count) {
  std::ranges::sort(ranges, {}, &GradientRange::begin);
  std::int64_t at = 0;
  for (const GradientRange& range : ranges) {
    EXPECT_EQ(range.begin, at);
    EXPECT_LT(range.begin, range.end);
    at = range.end;
  }
  EXPECT_EQ(at, count);
}

TEST_F(GradientRangesTest, FireOnceInOrderAndWhenFinal) {
  for (const bool rewrite : {false, true})
    for (const bool side : {false, true}) {
      Mlp mlp({.gradient_bucket_bytes = 0, .side_stream = side, .rewrite = rewrite});
      const auto& planned = mlp.graph().gradient_ranges();
      ASSERT_EQ(planned.size(), mlp.graph().parameters().size());
      expect_whole(planned, mlp.graph().slab().gradient.count());
      EXPECT_EQ(planned.front().end, mlp.graph().slab().gradient.count()) << "the head comes first";
      EXPECT_EQ(planned.back().begin, 0) << "and the first layer's weight last";
      for (int step = 1; step <= 2; ++step) {
        mlp.model.step();
        mlp.shadow.expect_final(mlp.model.context);
        EXPECT_EQ(mlp.shadow.ranges, planned);
        mlp.shadow.ranges.clear();
      }
    }
}

TEST_F(GradientRangesTest, AreAsLargeAsToldAndOfWholeParameters) {
  for (const std::size_t bucket : {std::size_t{0}, std::size_t{1}, std::size_t{300},
                                   std::size_t{20000}, std::size_t{1} << 30}) {
    Mlp mlp({.gradient_bucket_bytes = bucket});
    const auto& ranges = mlp.graph().gradient_ranges();
    const auto& parameters = mlp.graph().slab().parameters;
    expect_whole(ranges, mlp.graph().slab().gradient.count());
    for (const GradientRange& range : ranges) {
      EXPECT_TRUE(range.begin == 0 || std::size_t(range.end - range.begin) * 4 >= bucket);
      EXPECT_TRUE(std::ranges::any_of(
          parameters, [&](const ParameterRange& each) { return each.offset == range.begin; }));
    }
    mlp.model.step();
    mlp.shadow.expect_final(mlp.model.context);
    EXPECT_EQ(ranges.size() == 1, bucket == std::size_t{1} << 30);
  }
}

TEST_F(GradientRangesTest, AreCallsOfTheStep) {
  const auto passes = [](const Mlp& mlp) {
    std::vector<Pass> all;
    for (const Call& call : mlp.model.graph.differentiation().calls.calls())
      all.push_back(call.pass);
    return all;
  };
  const Mlp mlp({.gradient_bucket_bytes = 17000});
  const CallList& calls = mlp.model.graph.differentiation().calls;
  std::size_t hooks = 0;
  for (const Pass pass : passes(mlp)) hooks += pass == Pass::hook ? 1 : 0;
  EXPECT_EQ(hooks, mlp.model.graph.gradient_ranges().size());
  EXPECT_GE(hooks, 3u);
  EXPECT_EQ(calls.calls().back().pass, Pass::hook) << "the first layer's is made last";
  EXPECT_EQ(passes(mlp)[calls.turn()], Pass::backward);
}

TEST_F(GradientRangesTest, OfTiedWeightsFollowTheLastContribution) {
  const auto run = [](bool float32, DType type) {
    TestModel model;
    Shadow shadow;
    const auto table = std::make_shared<Embedding>(30, 64);
    const Value words = model.labels({12}, 30);
    Value h = model.graph.apply(table, {words})[0];
    h = relu(linear(h, 64));
    const Value loss = softmax_cross_entropy(linear(h, table->weight()), model.labels({12}, 30));
    model.compile({.losses = {loss},
                   .compute_type = type,
                   .float32_gradients = float32,
                   .on_gradient = shadow.hook(),
                   .gradient_bucket_bytes = 0});
    shadow.allocate(model.graph);
    model.step();
    shadow.expect_final(model.context);
    ASSERT_EQ(shadow.ranges.size(), 3u);
    EXPECT_EQ(shadow.ranges.back().begin, 0) << "the table, which the head adds to first";
  };
  run(false, DType::float32);
  run(true, DType::bfloat16);
  run(false, DType::float16);
}

TEST_F(GradientRangesTest, OverMicroStepsFireInTheLast) {
  for (const bool side : {false, true}) {
    CompileOptions options{.compute_type = DType::bfloat16, .accumulate = true};
    options.gradient_bucket_bytes = 5000;
    options.side_stream = side;
    const auto gradients = [&](bool hooked) {
      TestModel model;
      Shadow shadow;
      const Value y = linear(relu(linear(model.input({6, 70}), 64)), 10);
      const Value loss = softmax_cross_entropy(y, model.labels({6}, 10));
      options.losses = {loss};
      options.on_gradient = hooked ? shadow.hook() : GradientHook();
      model.compile(options);
      shadow.allocate(model.graph);
      for (int update = 0; update < 2; ++update)
        for (int micro = 0; micro < 3; ++micro) {
          model.graph.set_accumulating(micro > 0);
          model.graph.set_last_of_update(micro == 2);
          shadow.ranges.clear();
          model.step();
          EXPECT_EQ(shadow.ranges.size(),
                    hooked && micro == 2 ? model.graph.gradient_ranges().size() : 0u);
        }
      if (hooked) shadow.expect_final(model.context);
      return download<float>(model.context, model.graph.slab().gradient);
    };
    EXPECT_EQ(gradients(true), gradients(false));
  }
}

TEST_F(GradientRangesTest, ParametersThatNothingTrainsAreFinalFromTheStart) {
  TestModel model;
  Shadow shadow;
  const Value x = model.input({6, 64});
  const Value y = linear(x, 64), unread = linear(relu(x), 64);
  model.compile({.losses = {linear(y, 3)},
                 .outputs = {unread},
                 .on_gradient = shadow.hook(),
                 .gradient_bucket_bytes = 0,
                 .unused_parameters = UnusedParameters::allow});
  shadow.allocate(model.graph);
  model.step();
  shadow.expect_final(model.context);
  const CallList& calls = model.graph.differentiation().calls;
  EXPECT_EQ(calls.calls()[calls.turn()].pass, Pass::hook);
  EXPECT_EQ(shadow.ranges.size(), 6u);
}

TEST_F(GradientRangesTest, AreCapturedWithTheStep) {
  for (const bool side : {false, true}) {
    Mlp mlp({.gradient_bucket_bytes = 5000, .side_stream = side});
    mlp.model.step();
    const std::size_t once = mlp.shadow.ranges.size();
    const CapturedWork work = capture(mlp.model.context.stream(), [&] { mlp.model.step(); });
    EXPECT_EQ(mlp.shadow.ranges.size(), 2 * once);
    for (int i = 0; i < 3; ++i) {
      mlp.shadow.clear(mlp.model.context);
      work.replay(mlp.model.context.stream());
      mlp.shadow.expect_final(mlp.model.context);
    }
    EXPECT_EQ(mlp.shadow.ranges.size(), 2 * once) << "a replay calls nothing on the host";
    mlp.model.step();
    mlp.shadow.expect_final(mlp.model.context);
  }
}

/// A model that is trained for three updates of two micro-steps, of which the hook throws in one.
std::vector<float> trained(bool throws, bool side) {
  TestModel model;
  bool armed = false;
  Value h = dropout(relu(batch_norm(linear(model.input({6, 70}), 64))), 0.1);
  const Value loss = softmax_cross_entropy(linear(h, 10), model.labels({6}, 10));
  model.compile({.losses = {loss},
                 .on_gradient =
                     [&](const FinalGradient& ready) {
                       if (armed && ready.range.begin == 0) throw std::runtime_error("planted");
                     },
                 .gradient_bucket_bytes = 0,
                 .side_stream = side});
  Sgd optimizer(model.context, model.graph.slab(), {.momentum = 0.9});
  const auto micro_step = [&](bool first) {
    model.graph.set_accumulating(!first);
    model.graph.set_last_of_update(!first);
    model.step();
    const Tensor totals = model.graph.tensor(loss);
    first ? optimizer.accumulate(totals) : optimizer.step(totals);
  };
  std::vector<std::uint64_t> step(1);
  for (int update = 0; update < 3; ++update) {
    if (throws && update == 1) {
      copy_to_host(model.context.stream(), step.data(), model.context.step(), sizeof step[0]);
      micro_step(true);
      armed = true;
      EXPECT_THROW(micro_step(false), std::runtime_error);
      armed = false;
      test::expect_error([&] { model.graph.backward(); }, {"forward() before backward()"});
      test::expect_error([&] { micro_step(false); }, {"did not end", "set_accumulating(false)"});
      optimizer.abandon();
      // The random numbers of the update that is given up, so that both runs draw alike.
      copy_to_device(model.context.stream(), model.context.step(), step.data(), sizeof step[0]);
    }
    micro_step(true);
    micro_step(false);
  }
  model.context.stream().synchronize();
  std::vector<float> all;
  for (const StepRecord& record : optimizer.read_metrics())
    all.insert(all.end(), {float(record.loss_sum), float(record.valid_count)});
  for (const Parameter& parameter : model.graph.parameters()) {
    const auto values = download<float>(model.context, parameter.master());
    all.insert(all.end(), values.begin(), values.end());
  }
  for (const Slot& state : model.graph.states()) {
    const auto values = download<float>(model.context, state.tensor());
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

TEST_F(GradientRangesTest, AHookThatThrowsLeavesNothingOfItsStep) {
  for (const bool side : {false, true}) EXPECT_EQ(trained(true, side), trained(false, side));
}

TEST_F(GradientRangesTest, AHookThatThrowsDuringCaptureDropsTheRecording) {
  TestModel model;
  bool armed = false;
  const Value loss =
      softmax_cross_entropy(linear(batch_norm(model.input({6, 64})), 10), model.labels({6}, 10));
  model.compile({.losses = {loss}, .on_gradient = [&](const FinalGradient&) {
                   if (armed) throw std::runtime_error("planted");
                 }});
  model.step();
  const auto gradients = model.gradients();
  const auto state = download<float>(model.context, model.graph.states()[0].tensor());
  armed = true;
  EXPECT_THROW(capture(model.context.stream(), [&] { model.step(); }), std::runtime_error);
  EXPECT_FALSE(model.context.stream().capturing());
  EXPECT_EQ(download<float>(model.context, model.graph.states()[0].tensor()), state);
  armed = false;
  model.step();
  EXPECT_EQ(model.gradients(), gradients);
}

// ---- the list of calls

TEST(CallListTest, InsertedCallsMoveMomentsAndWhatWaitsForThem) {
  CallList calls(2);
  calls.add({.pass = Pass::backward, .node = 1});
  calls.add({.pass = Pass::hook, .range = 0, .stream = Lane::side, .waits = {2}});
  calls.add({.pass = Pass::backward, .node = 0});
  calls.add({.pass = Pass::join, .waits = {3}});
  calls.insert(2, {{.pass = Pass::recompute, .node = 0}, {.pass = Pass::recompute, .node = 1}});
  EXPECT_EQ(calls.backward(1), 4);
  EXPECT_EQ(calls.recompute(1), 3);
  EXPECT_EQ(calls.backward(0), 6);
  EXPECT_EQ(calls.calls()[5].waits, std::vector<int>{4});
  EXPECT_EQ(calls.calls()[7].waits, std::vector<int>{5});
  EXPECT_EQ(calls.after(), 8);
  const auto refuse = [&](int moment, const Call& call, std::initializer_list<std::string> words) {
    test::expect_error([&] { calls.insert(moment, {call}); }, words);
  };
  refuse(1, {.pass = Pass::backward, .node = 0}, {"moment of 2 to 8", "got 1"});
  refuse(4, {.pass = Pass::forward, .node = 0}, {"runs forward already"});
  refuse(4, {.pass = Pass::join, .waits = {4}}, {"cannot wait for moment 4"});
  refuse(4, {.pass = Pass::backward, .node = 0, .stream = Lane::side}, {"on the main stream"});
  EXPECT_EQ(calls.after(), 8) << "a refused call is not put";
}

TEST(CallListTest, HooksMoveAsideBehindWhatMadeTheirRange) {
  CallList calls(1);
  calls.add({.pass = Pass::hook, .range = 0});
  calls.add({.pass = Pass::backward, .node = 0});
  calls.add({.pass = Pass::hook, .range = 1});
  calls.add({.pass = Pass::hook, .range = 2});
  move_hooks_aside(calls);
  const auto aside = [](int range, int wait) {
    return Call{.pass = Pass::hook, .range = range, .stream = Lane::side, .waits = {wait}};
  };
  EXPECT_EQ(calls.calls()[1], aside(0, 0));
  EXPECT_EQ(calls.calls()[3], aside(1, 2));
  EXPECT_EQ(calls.calls()[4], aside(2, 2));
  EXPECT_EQ(calls.calls()[5], (Call{.pass = Pass::join, .waits = {4}}));
  EXPECT_EQ(calls.after(), 6);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

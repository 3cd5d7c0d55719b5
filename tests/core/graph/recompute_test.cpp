// Recompute: what is not kept but made again changes no number, and takes the memory that the plan
// said.
#include "core/graph/recompute.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/graph/sequential.h"
#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/arithmetic/add.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/norms/batch_norm.h"
#include "layers/norms/layer_norm.h"
#include "layers/products/linear.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"
#include "support/plain_layers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using RecomputeTest = DeviceTest;

constexpr std::int64_t kBatch = 24, kWidth = 64;

Value block(const Value& x) {
  const Value h = dropout(gelu(batch_norm(linear(x, 4 * kWidth))), 0.3);
  return add(x, dropout(linear(relu(h), kWidth), 0.2));
}

/// A residual network, trained for a few updates with or without its blocks recomputed.
struct Trained {
  struct Options {
    bool recompute = true, rewrite = false, reuse = true, capture = false;
  };
  explicit Trained(const Options& options, int updates = 4) {
    std::vector<Value> ends{model.input({kBatch, kWidth})};
    for (int i = 0; i < 3; ++i) ends.push_back(block(ends.back()));
    const Value loss =
        softmax_cross_entropy(linear(layer_norm(ends.back()), 10), model.labels({kBatch}, 10));
    model.compile({.losses = {loss},
                   .recompute = options.recompute ? every_block(ends) : std::vector<Recompute>(),
                   .rewrite = options.rewrite,
                   .reuse_memory = options.reuse});
    Sgd optimizer(model.context, model.graph.slab(), {.learning_rate = 0.05, .momentum = 0.9});
    const auto step = [&] {
      model.step();
      optimizer.step(model.graph.tensor(loss));
    };
    step();
    CapturedWork work;
    if (options.capture) work = capture(model.context.stream(), step);
    for (int i = 1; i < updates; ++i) {
      if (options.capture)
        work.replay(model.context.stream());
      else
        step();
      model.context.stream().synchronize();
      losses.push_back(model.read(loss));
    }
    gradients = model.gradients();
    for (const Slot& state : model.graph.states())
      states.push_back(download<float>(model.context, state.tensor()));
    for (const Parameter& parameter : model.graph.parameters())
      parameters.push_back(download<float>(model.context, parameter.master()));
  }

  TestModel model;
  std::vector<std::vector<float>> losses, states, parameters;
  std::map<std::string, std::vector<float>> gradients;
};

void expect_same(const Trained& a, const Trained& b) {
  EXPECT_EQ(a.losses, b.losses);
  EXPECT_EQ(a.gradients, b.gradients);
  EXPECT_EQ(a.states, b.states);
  EXPECT_EQ(a.parameters, b.parameters);
}

TEST_F(RecomputeTest, GradientsAndRunningStateAreTheSameBits) {
  const Trained kept({.recompute = false}), again({}), separate({.reuse = false});
  EXPECT_EQ(kept.states.size(), 6u);
  EXPECT_NE(kept.states[0], std::vector<float>(4 * kWidth, 0.0f)) << "running means moved";
  expect_same(kept, again);
  expect_same(kept, separate);
  expect_same(kept, Trained({.capture = true}));
}

TEST_F(RecomputeTest, ThePlanForetellsASmallerPeak) {
  const Trained kept({.recompute = false}, 1), again({}, 1);
  const MemoryPlan &large = kept.model.graph.plan(), &small = again.model.graph.plan();
  // Of three blocks, each with four activations of the inner width, one is alive at a time.
  EXPECT_LT(small.live_bytes, large.live_bytes / 2);
  EXPECT_LT(small.arena_bytes, large.arena_bytes / 2);
  const auto activations = [](const Trained& trained) {
    for (const MemoryUse::Owner& owner :
         const_cast<Context&>(trained.model.context).memory().use().owners)
      if (owner.name == "activations") return owner.bytes;
    return std::size_t{0};
  };
  EXPECT_EQ(activations(again), small.arena_bytes) << "what was foretold is what is held";
  EXPECT_EQ(activations(kept), large.arena_bytes);
}

TEST_F(RecomputeTest, RewritesJoinWithinARangeOnly) {
  TestModel model;
  const Value x = model.input({kBatch, kWidth});
  const Value h1 = linear(relu(linear(x, 32)), kWidth);
  const Value h2 = linear(relu(linear(relu(h1), 32)), kWidth);
  model.compile({.losses = {h2}, .recompute = every_block({x, h1, h2})});
  EXPECT_EQ(model.kinds(), (std::vector<std::string>{"linear_chain", "relu", "linear_chain"}))
      << "one chain of four linear layers without";
  const Trained fused({.rewrite = true}), kept({.recompute = false, .rewrite = false});
  for (std::size_t i = 0; i < kept.losses.size(); ++i)
    expect_near(fused.losses[i], kept.losses[i], 1e-4);
}

TEST_F(RecomputeTest, OutputsWithinARangeCanBeRead) {
  const auto run = [](bool recompute) {
    TestModel model;
    const Value x = model.input({kBatch, kWidth});
    const Value inner = linear(x, kWidth), h = relu(dropout(inner, 0.5)), y = linear(h, 3);
    model.compile({.losses = {y},
                   .outputs = {inner},
                   .recompute = recompute ? every_block({x, h}) : std::vector<Recompute>(),
                   .rewrite = false});
    model.graph.forward();
    const std::vector<float> before = model.read(inner);
    model.graph.backward();
    EXPECT_EQ(model.read(inner), before);
    return std::pair(before, model.gradients());
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_F(RecomputeTest, AnEvaluationBetweenStepsChangesNothing) {
  const auto run = [](bool recompute) {
    TestModel model;
    const Value x = model.input({kBatch, kWidth});
    const Value h = relu(batch_norm(linear(x, kWidth)));
    const Value y = linear(h, 3);
    model.compile(
        {.losses = {y}, .recompute = recompute ? every_block({x, h}) : std::vector<Recompute>()});
    model.step();
    {
      const ScopedTraining evaluation(model.context, false);
      model.graph.forward();
    }
    model.step();
    std::vector<float> mean = download<float>(model.context, model.graph.states()[0].tensor());
    return std::pair(mean, model.gradients());
  };
  EXPECT_EQ(run(true), run(false));
}

TEST_F(RecomputeTest, RangesThatCannotBeAreRefused) {
  const auto refused = [](const std::function<std::vector<Recompute>(Value, Value, Value)>& ranges,
                          std::initializer_list<std::string> words) {
    TestModel model;
    const Value x = model.input({2, 4});
    const Value a = linear(x, 4), b = relu(a), c = linear(b, 3);
    test::expect_error([&] { model.compile({.losses = {c}, .recompute = ranges(x, a, c)}); },
                       words);
  };
  refused(
      [](Value x, Value a, Value c) {
        return std::vector<Recompute>{{x, c}, {a, c}};
      },
      {"recompute from linear1 to linear2", "lies in another range", "input1 to linear2"});
  refused(
      [](Value, Value a, Value c) {
        return std::vector<Recompute>{{c, a}};
      },
      {"recompute from linear2 to linear1", "no layer lies between"});
  refused(
      [](Value, Value a, Value) {
        return std::vector<Recompute>{{a, a}};
      },
      {"recompute from linear1 to linear1", "no layer lies between"});
  TestModel other;
  const Value foreign = other.input({2, 4});
  refused(
      [&](Value x, Value, Value) {
        return std::vector<Recompute>{{x, foreign}};
      },
      {"another graph"});
  refused(
      [&](Value x, Value, Value) {
        return std::vector<Recompute>{{x, Value()}};
      },
      {"not part of a graph"});
}

TEST_F(RecomputeTest, AContainerIsARangeLikeItsParts) {
  const auto run = [](bool recompute) {
    TestModel model;
    const Value x = model.input({kBatch, kWidth});
    const Value h = model.graph.apply(
        Sequential(Linear(32), BatchNorm(), Dropout(0.5), ReLU(), Linear(16)), {x});
    const Value y = linear(h, 3);
    model.compile({.losses = {y},
                   .recompute = recompute ? every_block({x, h}) : std::vector<Recompute>(),
                   .rewrite = false});
    model.step();
    std::size_t again = 0;
    for (const Call& call : model.graph.differentiation().calls.calls())
      again += call.pass == Pass::recompute ? 1 : 0;
    EXPECT_EQ(again, recompute ? 4u : 0u) << "all but the last, whose result nobody needs";
    return model.gradients();
  };
  EXPECT_EQ(run(true), run(false));
}

// ---- the list of calls, and lives

const Traits kReadsX{}, kReadsNothing{.backward_reads_x = false};

struct Planned {
  Differentiation differentiation;
  MemoryPlan plan;
  const Region& region(ValueId id) const {
    return plan.regions[std::size_t(plan.value_region[std::size_t(id)])];
  }
};

Planned plan(ProgramBuilder& b, ValueId loss, const std::vector<RangeEnds>& ranges) {
  mark_ranges(b.program, ranges);
  const auto declarations = b.declare();
  Planned result;
  result.differentiation =
      differentiate(b.program, declarations, find_dependents(b.program, declarations), {loss}, {});
  recompute_ranges(b.program, declarations, {loss}, result.differentiation);
  result.plan = plan_memory(b.program, declarations, result.differentiation, {.kept = {loss}});
  return result;
}

TEST(Recompute, CallsComeAgainBeforeTheFirstBackwardOfTheRange) {
  ProgramBuilder b;
  const ValueId x = b.input(64);
  ValueId h[5] = {x};
  for (int i = 1; i < 5; ++i) h[i] = b.apply({.traits = kReadsX, .parameter = true}, {h[i - 1]});
  const ValueId loss = b.apply({.traits = kReadsX, .parameter = true}, {h[4]});
  const Planned p = plan(b, loss, {{h[1], h[4]}});
  const CallList& calls = p.differentiation.calls;
  const auto call = [](Pass pass, NodeId node) { return Call{.pass = pass, .node = node}; };
  // Five forward; node 3 made h4, which the loss's node reads before the range begins.
  EXPECT_EQ(
      std::vector<Call>(calls.calls().begin() + 5, calls.calls().end()),
      (std::vector<Call>{call(Pass::backward, 4), call(Pass::recompute, 1),
                         call(Pass::recompute, 2), call(Pass::backward, 3), call(Pass::backward, 2),
                         call(Pass::backward, 1), call(Pass::backward, 0)}));
  EXPECT_EQ(calls.turn(), 5u);
  EXPECT_EQ(calls.recompute(1), 6);
  EXPECT_EQ(calls.recompute(3), -1);
  EXPECT_EQ(calls.backward(0), 11);
  // h2 lives twice; h1 is what the range reads and lives from its making to its reader's backward.
  EXPECT_EQ(lives_of(p.region(h[2])), (std::vector<Lifetime>{{1, 2}, {6, 9}}));
  EXPECT_EQ(lives_of(p.region(h[3])), (std::vector<Lifetime>{{2, 3}, {7, 8}}));
  EXPECT_EQ(lives_of(p.region(h[1])), (std::vector<Lifetime>{{0, 10}}));
  EXPECT_EQ(lives_of(p.region(h[4])), (std::vector<Lifetime>{{3, 5}}));
}

TEST(Recompute, NothingNeededIsNothingDone) {
  ProgramBuilder b;
  const ValueId x = b.apply({.traits = kReadsX, .parameter = true}, {b.input(64)});
  const ValueId y = b.apply({.traits = kReadsNothing}, {b.apply({.traits = kReadsNothing}, {x})});
  const ValueId loss = b.apply({.traits = kReadsNothing}, {y});
  const Planned p = plan(b, loss, {{x, y}});
  for (const Call& call : p.differentiation.calls.calls()) EXPECT_NE(call.pass, Pass::recompute);
}

const Traits kInPlace{
    .backward_reads_x = false, .backward_reads_y = true, .forward_in_place = true};

TEST(Recompute, OperandAndResultInOnePlaceAreBothMadeAgainThere) {
  ProgramBuilder b;
  const ValueId x = b.apply({.traits = kReadsX, .parameter = true}, {b.input(64)});
  const ValueId x1 = b.apply({.traits = kReadsX, .parameter = true}, {x});
  const ValueId x2 = b.apply({.traits = kInPlace}, {x1});
  const ValueId to = b.apply({.traits = kReadsX, .parameter = true}, {x2});
  const Planned p = plan(b, to, {{x, to}});
  EXPECT_EQ(&p.region(x1), &p.region(x2));
  // Four forward; again at 4 and 5; backward of the last at 6, of the one in place at 7.
  EXPECT_EQ(lives_of(p.region(x1)), (std::vector<Lifetime>{{1, 3}, {4, 7}}));
}

// x2 = in_place(x1) lies outside of the range, which makes x1 again while x2 is still needed.
TEST(Recompute, AResultThatIsNeededIsNotOverwrittenByItsOperand) {
  ProgramBuilder b;
  const ValueId x = b.apply({.traits = kReadsX, .parameter = true}, {b.input(64)});
  const ValueId x1 = b.apply(
      {.traits = {.backward_reads_x = true, .backward_reads_y = true}, .parameter = true}, {x});
  const ValueId s = b.apply({.traits = kReadsNothing}, {x1});
  const ValueId x2 = b.apply({.traits = kInPlace}, {x1});
  const ValueId c = b.apply({.traits = kReadsX, .parameter = true}, {x2});
  const ValueId to = b.apply({.traits = kReadsX, .parameter = true}, {s});
  const ValueId end = b.apply({.traits = kReadsNothing}, {c, to});
  const Planned p = plan(b, end, {{x, to}});
  EXPECT_EQ(lives_of(p.region(x1)).size(), 2u);
  EXPECT_EQ(lives_of(p.region(x1))[0], (Lifetime{1, 3})) << "when x2 is made, x1 is done with";
  EXPECT_NE(&p.region(x1), &p.region(x2));
}

TEST(Recompute, RegionsWithPausesShareMemoryInThem) {
  std::vector<Region> regions{
      {.name = "twice", .bytes = 512, .first = 0, .last = 9, .lives = {{0, 2}, {7, 9}}},
      {.name = "between", .bytes = 256, .first = 3, .last = 6},
      {.name = "meets", .bytes = 256, .first = 6, .last = 7}};
  EXPECT_EQ(place_regions(regions, true), 768u);
  EXPECT_EQ(regions[0].offset, 0u);
  EXPECT_EQ(regions[1].offset, 0u);
  EXPECT_EQ(regions[2].offset, 512u);
}

TEST(Recompute, ARewriteThatJoinsRangesIsRefused) {
  ProgramBuilder b;
  const ValueId x = b.input(4), a = b.apply({}, {x}), c = b.apply({}, {a});
  mark_ranges(b.program, {{a, c}});
  EXPECT_FALSE(b.program.may_join({0, 1}));
  test::expect_error(
      [&] {
        b.program.replace({{.removed = {0, 1}, .node = {.name = "joined"}, .at = 1}});
      },
      {"joined", "recomputed together", "may_join"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

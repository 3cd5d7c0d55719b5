// What every registered layer must keep, checked on every case it registered (core/graph/layer.h).
// A layer is here by being registered: there is no list to forget it in.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/graph/registry.h"
#include "core/train/files/model_file.h"
#include "support/backend.h"
#include "support/floats.h"
#include "support/layer_graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace {

using Numbers = std::vector<float>;

Numbers normal(std::mt19937_64& random, std::int64_t count, double mean, double deviation) {
  std::normal_distribution<float> distribution(static_cast<float>(mean),
                                               static_cast<float>(deviation));
  Numbers values(static_cast<std::size_t>(count));
  for (float& value : values) value = distribution(random);
  return values;
}

// A case in a graph of its own in float32 or 16 bits, its inputs drawn, its outputs seeded.
class Harness {
 public:
  // `adds`: parameter gradients are float32, so that they can be added to.
  Harness(const LayerCase& layer_case, DType type, bool reuse = true, bool adds = false)
      : graph_(context_), random_(5) {
    for (const CheckInput& input : layer_case.inputs) {
      const bool floating = is_floating(input.type.dtype);
      inputs_.push_back(graph_.input(input.type.shape, floating ? type : input.type.dtype,
                                     {.wants_gradient = floating}));
    }
    layer_ = layer_case.make();
    loss_ = layer_->traits().gradient_in_forward;
    outputs_ = graph_.apply(layer_, inputs_);
    CompileOptions options{.outputs = outputs_,
                           .compute_type = type,
                           .float32_gradients = adds,
                           .rewrite = false,
                           .reuse_memory = reuse};
    (loss_ ? options.losses : options.seeds) = outputs_;
    graph_.compile(options);
    for (const CheckInput& input : layer_case.inputs) draw(input);
    // Zeros and ones at the start would hide terms.
    for (const Parameter& parameter : graph_.parameters())
      upload(context_, parameter.master(), normal(random_, parameter.count(), 0.5, 0.5));
    graph_.refresh_parameters();
    for (const Value& output : outputs_)
      seeds_.push_back(normal(random_, output.shape().count(), 0, 1));
    write_inputs();
    write_seeds();
  }

  Context& context() { return context_; }
  Graph& graph() { return graph_; }
  Layer& layer() { return *graph_.program().nodes[0].layer; }
  bool loss() const { return loss_; }
  const std::vector<Value>& inputs() const { return inputs_; }
  const std::vector<Value>& outputs() const { return outputs_; }

  void write_inputs() {
    std::size_t floats = 0, ints = 0;
    for (const Value& input : inputs_) {
      const Tensor tensor = graph_.tensor(input);
      if (is_floating(tensor.dtype()))
        write_floats(context_, tensor, front(floats_[floats++], tensor.count()));
      else
        upload(context_, tensor, front(ints_[ints++], tensor.count()));
    }
  }

  void write_seeds() {
    if (loss_) return;
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const Tensor gradient = graph_.gradient(outputs_[i]);
      write_floats(context_, gradient, front(seeds_[i], gradient.count()));
    }
  }

  void step() {
    graph_.forward();
    graph_.backward();
  }

  // Everything a step makes: outputs, input gradients, parameter gradients.
  std::vector<Numbers> results() {
    std::vector<Numbers> all;
    for (const Value& output : outputs_)
      all.push_back(read_floats(context_, graph_.tensor(output)));
    for (const Value& input : inputs_)
      if (is_floating(input.type().dtype))
        all.push_back(read_floats(context_, graph_.gradient(input)));
    for (const Numbers& gradient : parameter_gradients()) all.push_back(gradient);
    return all;
  }

  std::vector<Numbers> parameter_gradients() {
    std::vector<Numbers> all;
    for (const Parameter& parameter : graph_.parameters())
      all.push_back(read_floats(context_, parameter.gradient()));
    return all;
  }

  std::vector<Numbers> parameters() {
    std::vector<Numbers> all;
    for (const Parameter& parameter : graph_.parameters())
      all.push_back(download<float>(context_, parameter.master()));
    return all;
  }

 private:
  template <class T>
  static std::vector<T> front(const std::vector<T>& values, std::int64_t count) {
    return {values.begin(), values.begin() + count};
  }

  void draw(const CheckInput& input) {
    if (is_floating(input.type.dtype)) {
      floats_.push_back(normal(random_, input.type.shape.count(), input.mean, input.deviation));
      return;
    }
    std::uniform_int_distribution<std::int32_t> distribution(input.low, input.high);
    auto& values = ints_.emplace_back(static_cast<std::size_t>(input.type.shape.count()));
    for (std::int32_t& value : values) value = distribution(random_);
  }

  Context context_{{.seed = 9}};
  Graph graph_;
  std::mt19937_64 random_;
  std::shared_ptr<Layer> layer_;
  bool loss_ = false;
  std::vector<Value> inputs_, outputs_;
  std::vector<Numbers> floats_, seeds_;
  std::vector<std::vector<std::int32_t>> ints_;
};

// The first entries of one harness's inputs and seeds into another built for a smaller batch.
void copy_inputs(Harness& from, Harness& to) {
  const auto copy = [&](const Tensor& source, const Tensor& target) {
    std::vector<std::byte> bytes(target.bytes());
    copy_to_host(from.context().stream(), bytes.data(), source.data(), target.bytes());
    from.context().stream().synchronize();
    copy_to_device(to.context().stream(), target.data(), bytes.data(), target.bytes());
    to.context().stream().synchronize();
  };
  for (std::size_t i = 0; i < from.inputs().size(); ++i)
    copy(from.graph().tensor(from.inputs()[i]), to.graph().tensor(to.inputs()[i]));
  if (from.loss()) return;
  for (std::size_t i = 0; i < from.outputs().size(); ++i)
    copy(from.graph().gradient(from.outputs()[i]), to.graph().gradient(to.outputs()[i]));
}

bool same_bits(const std::vector<Numbers>& a, const std::vector<Numbers>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i].size() != b[i].size() ||
        std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0)
      return false;
  return true;
}

// Largest difference relative to the largest element; NaN anywhere gives NaN, which no bound
// passes.
double difference(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::quiet_NaN();
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(double(b[i])));
    const double d = std::abs(double(a[i]) - double(b[i]));
    if (!(d <= apart)) apart = d;
  }
  return apart / std::max(largest, 1e-6);
}

class Contract : public testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }

  template <class Body>
  static void in_each_type(const Body& body) {
    for (const DType type : {DType::float32, DType::bfloat16, DType::float16}) {
      if (type != DType::float32 && !takes_16_bits(GetParam())) continue;
      SCOPED_TRACE(name(type));
      body(type);
    }
  }
};

// By how much what is computed twice may differ, relative to the largest element: where sums are
// made in another order, and where a result is rounded to 16 bits once more.
double allowed(DType type) {
  return type == DType::float32 ? 1e-6 : type == DType::float16 ? 2e-3 : 1.6e-2;
}

TEST_P(Contract, GradientsAgreeWithCentralDifferences) {
  for (const GradientCheckEntry& entry : check_gradients(GetParam())) {
    EXPECT_LE(entry.error, 1e-6) << entry.name << "[" << entry.worst << "]: analytic "
                                 << entry.analytic << ", numeric " << entry.numeric;
    EXPECT_GE(entry.checked, 1) << entry.name << " was not checked at all";
  }
}

TEST_P(Contract, AStepIsRepeatableBitForBit) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type);
    harness.step();
    const auto first = harness.results();
    harness.step();
    EXPECT_TRUE(same_bits(first, harness.results()));
    Harness again(GetParam(), type);
    again.step();
    EXPECT_TRUE(same_bits(first, again.results()));
  });
}

TEST_P(Contract, SharingMemoryChangesNothing) {
  in_each_type([&](DType type) {
    Harness shared(GetParam(), type, true), separate(GetParam(), type, false);
    shared.step();
    separate.step();
    EXPECT_TRUE(same_bits(shared.results(), separate.results()));
  });
}

TEST_P(Contract, AccumulatingAddsParameterGradients) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type, true, true);
    harness.step();
    const auto once = harness.parameter_gradients();
    harness.graph().set_accumulating(true);
    harness.step();
    const auto twice = harness.parameter_gradients();
    for (std::size_t i = 0; i < once.size(); ++i) {
      Numbers doubled = once[i];
      for (float& value : doubled) value *= 2;
      EXPECT_LE(difference(twice[i], doubled), allowed(type))
          << harness.graph().parameters()[i].name();
    }
  });
}

// The layer's own calls with gradients that overwrite NaN, add to what is there, or are not wanted.
TEST_P(Contract, GradientModesAreHonest) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type);
    harness.step();
    Context& context = harness.context();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<Tensor> x, y, dy;
    Signature types;
    for (const Value& input : harness.inputs()) x.push_back(harness.graph().tensor(input));
    for (const Tensor& tensor : x) types.push_back(tensor.type());
    for (const Value& output : harness.outputs()) {
      y.push_back(harness.graph().tensor(output));
      dy.push_back(harness.loss() ? Tensor() : harness.graph().gradient(output));
    }
    for (std::size_t wanted = 0; wanted < x.size(); ++wanted) {
      if (!is_floating(x[wanted].dtype())) continue;
      const Tensor place = harness.graph().gradient(harness.inputs()[wanted]);
      const auto run = [&](GradientMode mode, float before) {
        write_floats(context, place, Numbers(std::size_t(place.count()), before));
        std::vector<Gradient> dx(x.size());
        dx[wanted] = {place, mode};
        if (harness.loss())
          harness.layer().run_forward(context, {.x = x, .y = y, .dx = dx});
        else
          harness.layer().run_backward(context, {.x = x, .y = y, .dy = dy, .dx = dx}, types);
        return read_floats(context, place);
      };
      const Numbers written = run(GradientMode::overwrite, nan);
      Numbers added = run(GradientMode::accumulate, 0.25f);
      for (float& value : added) value -= 0.25f;
      const Numbers untouched = run(GradientMode::none, 7.0f);
      for (float value : written) EXPECT_FALSE(std::isnan(value)) << "x[" << wanted << "]";
      // Rounded where 0.25 was added, the difference is off by as much as that sum is.
      const double largest = std::abs(double(
          *std::ranges::max_element(written, {}, [](float value) { return std::abs(value); })));
      const double bound =
          type == DType::float32 ? 2e-6 : allowed(type) * (1 + 0.25 / std::max(largest, 1e-6));
      EXPECT_LE(difference(added, written), bound) << "x[" << wanted << "]";
      EXPECT_EQ(untouched, Numbers(std::size_t(place.count()), 7.0f)) << "x[" << wanted << "]";
    }
  });
}

// An output that nothing differentiated reads has no dy: it counts as zeros, and what was in the
// places of gradients before is overwritten all the same.
TEST_P(Contract, AnOutputWithoutGradientCountsAsZeros) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type);
    if (harness.outputs().size() < 2) GTEST_SKIP() << "one output";
    Context& context = harness.context();
    Graph& graph = harness.graph();
    std::vector<Tensor> x, y, dy, gradients;
    std::vector<Gradient> dx;
    Signature types;
    for (const Value& input : harness.inputs()) {
      x.push_back(graph.tensor(input));
      types.push_back(x.back().type());
      const bool floating = is_floating(types.back().dtype);
      dx.push_back(floating ? Gradient{graph.gradient(input), GradientMode::overwrite}
                            : Gradient{});
      if (floating) gradients.push_back(dx.back().tensor);
    }
    for (const Value& output : harness.outputs()) {
      y.push_back(graph.tensor(output));
      dy.push_back(graph.gradient(output));
    }
    std::vector<ParameterGradient> parameters;
    for (const Parameter& parameter : graph.parameters()) {
      gradients.push_back(parameter.gradient());
      parameters.push_back({parameter, {parameter.gradient(), GradientMode::overwrite}});
    }
    for (std::size_t without = 0; without < dy.size(); ++without) {
      const auto run = [&](const std::vector<Tensor>& given) {
        for (const Tensor& tensor : gradients)
          write_floats(
              context, tensor,
              Numbers(std::size_t(tensor.count()), std::numeric_limits<float>::quiet_NaN()));
        harness.layer().run_backward(
            context, {.x = x, .y = y, .dy = given, .dx = dx, .parameters = parameters}, types);
        std::vector<Numbers> made;
        for (const Tensor& tensor : gradients) made.push_back(read_floats(context, tensor));
        return made;
      };
      harness.write_inputs();
      harness.write_seeds();
      harness.step();
      harness.write_seeds();
      std::vector<Tensor> given = dy;
      given[without] = Tensor();
      const auto made = run(given);
      write_floats(context, dy[without], Numbers(std::size_t(dy[without].count()), 0.0f));
      const auto expected = run(dy);
      for (std::size_t i = 0; i < made.size(); ++i)
        EXPECT_LE(difference(made[i], expected[i]), allowed(type))
            << "without dy[" << without << "]";
    }
  });
}

// What backward did not declare to read is spoilt between forward and backward.
TEST_P(Contract, UndeclaredReadsDoNotHappen) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type);
    if (harness.loss()) GTEST_SKIP() << "a loss makes its gradient in forward";
    harness.step();
    const auto expected = harness.results();
    harness.graph().forward();
    const Traits traits = harness.layer().traits();
    const auto spoil = [&](const Value& value) {
      const Tensor tensor = harness.graph().tensor(value);
      fill_bytes(harness.context().stream(), tensor.data(), 0xff, tensor.bytes());
    };
    if (!traits.backward_reads_x && !traits.view)
      for (const Value& input : harness.inputs()) spoil(input);
    harness.graph().backward();
    auto actual = harness.results();
    EXPECT_TRUE(
        same_bits({expected.begin() + std::ptrdiff_t(harness.outputs().size()), expected.end()},
                  {actual.begin() + std::ptrdiff_t(harness.outputs().size()), actual.end()}));
    harness.write_inputs();
    harness.graph().forward();
    if (!traits.backward_reads_y && !traits.view)
      for (const Value& output : harness.outputs()) spoil(output);
    harness.graph().backward();
    actual = harness.results();
    EXPECT_TRUE(
        same_bits({expected.begin() + std::ptrdiff_t(harness.outputs().size()), expected.end()},
                  {actual.begin() + std::ptrdiff_t(harness.outputs().size()), actual.end()}));
  });
}

TEST_P(Contract, SmallerBatchesAreNormal) {
  in_each_type([&](DType type) {
    const LayerCase& whole = GetParam();
    Harness harness(whole, type);
    const auto parameters = harness.parameters();
    for (std::int64_t batch = harness.graph().max_batch(); batch >= whole.smallest_batch; --batch) {
      harness.graph().set_batch(batch);
      harness.write_inputs();
      harness.write_seeds();
      harness.step();
      const auto actual = harness.results();

      LayerCase smaller = whole;
      for (CheckInput& input : smaller.inputs) input.type.shape = input.type.shape.with(0, batch);
      Harness built_for_it(smaller, type);
      for (std::size_t i = 0; i < parameters.size(); ++i)
        upload(built_for_it.context(), built_for_it.graph().parameters()[i].master(),
               parameters[i]);
      built_for_it.graph().refresh_parameters();
      copy_inputs(harness, built_for_it);
      built_for_it.step();
      const auto expected = built_for_it.results();
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < actual.size(); ++i)
        EXPECT_LE(difference(actual[i], expected[i]), allowed(type))
            << "batch " << batch << ", result " << i;
    }
  });
}

TEST_P(Contract, AStepAllocatesNothingAndWaitsForNothing) {
  in_each_type([&](DType type) {
    Harness harness(GetParam(), type);
    harness.step();
    harness.context().stream().synchronize();
    const DeviceCounters before = device_counters();
    harness.step();
    const DeviceCounters after = device_counters();
    EXPECT_EQ(after.allocations, before.allocations);
    EXPECT_EQ(after.synchronizations, before.synchronizations);
  });
}

TEST_P(Contract, ThreeReplaysEqualThreePlainSteps) {
  in_each_type([&](DType type) {
    Harness plain(GetParam(), type, true, true), captured(GetParam(), type, true, true);
    // Accumulating makes each step leave a trace of its own.
    for (Harness* harness : {&plain, &captured}) {
      harness->step();
      harness->graph().set_accumulating(true);
    }
    for (int i = 0; i < 3; ++i) plain.step();
    Stream& stream = captured.context().stream();
    stream.synchronize();
    stream.begin_capture();
    captured.step();
    const CapturedWork work = stream.end_capture();
    for (int i = 0; i < 3; ++i) work.replay(stream);
    EXPECT_TRUE(same_bits(plain.results(), captured.results()));
  });
}

std::vector<Numbers> states(Harness& harness) {
  std::vector<Numbers> all;
  for (const Slot& state : harness.graph().states())
    all.push_back(read_floats(harness.context(), state.tensor()));
  return all;
}

// Running state changes in training alone, is all that evaluation depends on beside the parameters,
// and comes back from a snapshot.
TEST_P(Contract, StateIsSavedAndLeftAloneInEvaluation) {
  in_each_type([&](DType type) {
    Harness trained(GetParam(), type), fresh(GetParam(), type);
    if (trained.graph().states().empty()) GTEST_SKIP() << "this layer has no state";
    const auto initial = states(trained);
    trained.step();
    const auto after = states(trained);
    EXPECT_FALSE(same_bits(initial, after)) << "training left the state as it was";
    restore_snapshot(fresh.graph(), take_snapshot(trained.graph()));
    EXPECT_TRUE(same_bits(states(fresh), after));
    for (Harness* harness : {&trained, &fresh}) {
      harness->context().set_training(false);
      harness->graph().forward();
      EXPECT_TRUE(same_bits(states(*harness), after)) << "evaluation changed the state";
    }
    for (std::size_t i = 0; i < trained.outputs().size(); ++i)
      EXPECT_TRUE(
          same_bits({read_floats(trained.context(), trained.graph().tensor(trained.outputs()[i]))},
                    {read_floats(fresh.context(), fresh.graph().tensor(fresh.outputs()[i]))}));
  });
}

TEST_P(Contract, ATwinSharesParametersAndNothingElse) {
  in_each_type([&](DType type) {
    const LayerCase& layer_case = GetParam();
    Context context;
    Graph graph(context);
    const std::shared_ptr<Layer> layer = layer_case.make();
    std::vector<Value> inputs;
    for (const CheckInput& input : layer_case.inputs)
      inputs.push_back(
          graph.input(input.type.shape, is_floating(input.type.dtype) ? type : input.type.dtype));
    graph.apply(layer, inputs);
    const std::vector<Value> second = graph.apply(layer, inputs);
    graph.compile({.outputs = second, .compute_type = type, .rewrite = false});
    ASSERT_EQ(graph.program().nodes.size(), 2u);
    EXPECT_NE(graph.program().nodes[0].layer, graph.program().nodes[1].layer);
    Harness once(layer_case, type);
    EXPECT_EQ(graph.parameters().size(), once.graph().parameters().size());
  });
}

INSTANTIATE_TEST_SUITE_P(Layers, Contract, testing::ValuesIn(registered_cases()), case_test_name);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

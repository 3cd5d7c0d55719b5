// What every update rule must do, over all cases of cases.h.
#include "optim/rules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/tensor/transfer.h"
#include "optim/cases.h"
#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kPattern = 7;  // elements of a fixture
// Lengths that are whole patterns, so that LAMB's ratio is that of one.
constexpr std::int64_t kLengths[] = {7, 4102, 20006};

/// Three parameters filled with the parameters of a fixture again and again, in the middle of which
/// lies padding.
template <class T, class Gradient = T, class Compute = void>
struct Model {
  static constexpr bool kMixed = !std::is_void_v<Compute>;
  using Copy = std::conditional_t<kMixed, Compute, float16>;

  explicit Model(Context& context)
      : ranges(lay_out()),
        count(ranges.back().offset + (ranges.back().count() + 63) / 64 * 64),
        master(context, tiled(fixture_start<T>(kPattern))),
        gradient(context, std::size_t(count)),
        compute(context, std::vector<Copy>(std::size_t(count))),
        totals(context, std::vector<float>{4, 8, 6}) {}

  static std::vector<ParameterRange> lay_out() {
    std::vector<ParameterRange> ranges;
    std::int64_t offset = 0;
    for (const std::int64_t length : kLengths) {
      ranges.push_back({str("p", ranges.size(), ".weight"), Shape{length}, offset});
      offset += (length + 63) / 64 * 64;
    }
    return ranges;
  }
  template <class V>
  std::vector<V> tiled(const std::vector<V>& pattern) const {
    std::vector<V> values(std::size_t(count), V(0));
    for (const ParameterRange& range : ranges)
      for (std::int64_t i = 0; i < range.count(); ++i)
        values[std::size_t(range.offset + i)] = pattern[std::size_t(i % kPattern)];
    return values;
  }
  ParameterSlab slab() const {
    return {flat(master), flat(gradient), kMixed ? flat(compute) : Tensor(), ranges};
  }
  /// Mean gradients of step `step`; 8 samples of them are exact in every type.
  void set_gradient(int step) {
    std::vector<Gradient> values;
    for (const float mean : fixture_gradient<float>(kPattern, step))
      values.push_back(Gradient(8 * mean));
    gradient.upload(tiled(values));
  }
  void steps(Optimizer& optimizer, int first, int last) {
    for (int step = first; step < last; ++step) {
      set_gradient(step);
      optimizer.step(flat(totals));
    }
  }

  std::vector<ParameterRange> ranges;
  std::int64_t count;
  DeviceVector<T> master;
  DeviceVector<Gradient> gradient;
  DeviceVector<Copy> compute;
  DeviceVector<float> totals;
};

/// The parameters of a case after some steps, by PyTorch.
std::vector<double> fixture(const std::string& name, int steps) {
  std::ifstream file(source_folder() / "tests/optim/fixtures.txt");
  for (std::string line, word; std::getline(file, line);) {
    std::istringstream words(line);
    int made = 0;
    words >> word >> made;
    if (word != name || made != steps) continue;
    std::vector<double> values(kPattern);
    for (double& value : values) words >> value;
    if (words) return values;
  }
  ADD_FAILURE() << "fixtures.txt has no line '" << name << " " << steps
                << "'; add the case to fixtures.py";
  return std::vector<double>(kPattern, std::nan(""));
}

/// The rule with another weight decay.
UpdateRule with_weight_decay(const RuleOptions& options, double decay) {
  UpdateRule rule = update_rule(options);
  rule.weight_decay = decay;
  return rule;
}

class RuleTest : public SlabTest, public testing::WithParamInterface<test::RuleCase> {
 protected:
  const RuleOptions& rule() const { return GetParam().rule; }

  template <class T, class Gradient = T, class Compute = void>
  void expect_fixture(std::initializer_list<int> recorded, double tolerance) {
    Model<T, Gradient, Compute> model(context());
    Optimizer optimizer(context(), model.slab(), rule());
    int made = 0;
    for (const int steps : recorded) {
      model.steps(optimizer, made, steps);
      made = steps;
      const std::vector<T> values = model.master.download();
      EXPECT_LE(relative_error(values, model.tiled(fixture(GetParam().name, steps))), tolerance)
          << "after " << steps << " steps, gradient " << name(kDTypeOf<Gradient>);
      if constexpr (!std::is_void_v<Compute>) {
        const std::vector<Compute> copies = model.compute.download();
        for (std::size_t i = 0; i < values.size(); ++i)
          ASSERT_EQ(copies[i].bits, Compute(float(values[i])).bits) << i;
      }
    }
  }
};

TEST_P(RuleTest, AgreesWithPyTorchInEveryPlaceAndType) {
  expect_fixture<double>({1, 2, 10, 100}, 1e-9);
  expect_fixture<float>({1, 2, 10, 100}, 1e-5);
  expect_fixture<float, float, bfloat16>({1, 2, 10}, 1e-5);
  expect_fixture<float, float, float16>({2}, 1e-5);
  expect_fixture<float, bfloat16, bfloat16>({10}, 1e-5);
  expect_fixture<float, float16, float16>({10}, 1e-5);
}

TEST_P(RuleTest, AgreesWithPyTorchWithTheGpusBlocks) {
  const GpuBlocks blocks;
  expect_fixture<double>({2}, 1e-9);
  expect_fixture<float>({2}, 1e-5);
  expect_fixture<float, bfloat16, bfloat16>({2}, 1e-5);
}

TEST_P(RuleTest, ABadGradientChangesNothing) {
  Model<float, bfloat16, bfloat16> model(context());
  Optimizer optimizer(context(), model.slab(), rule(), {.ema = 0.9});
  model.steps(optimizer, 0, 2);
  const auto contents = [&] {
    std::vector<std::vector<std::uint8_t>> bytes = {bytes_of(context(), flat(model.master)),
                                                    bytes_of(context(), flat(model.compute))};
    for (std::size_t i = 1; i < optimizer.state().size(); ++i)
      bytes.push_back(bytes_of(context(), optimizer.state()[i].tensor));
    return bytes;
  };
  const auto before = contents();
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    std::vector<bfloat16> gradient(std::size_t(model.count), bfloat16(1.0f));
    gradient[4321] = bfloat16(bad);
    model.gradient.upload(gradient);
    optimizer.step(flat(model.totals));
    EXPECT_EQ(contents(), before) << bad;
  }
  EXPECT_EQ(optimizer.read_metrics().back().skipped, 1u);
}

// Gradients far below those of any training, which arithmetic of subnormal numbers would follow.
TEST_P(RuleTest, MomentsAreNeverSubnormal) {
  Model<float> model(context());
  Optimizer optimizer(context(), model.slab(), rule(), {.check_gradient = false});
  std::vector<float> gradient(std::size_t(model.count));
  for (std::size_t i = 0; i < gradient.size(); ++i)
    gradient[i] = std::ldexp(i % 2 == 0 ? 1.0f : -1.0f, -int(i % 127));
  for (int step = 0; step < 4; ++step) {
    model.gradient.upload(gradient);
    optimizer.step(flat(model.totals));
  }
  for (const OptimizerState& state : optimizer.state()) {
    if (state.tensor.dtype() != DType::float32) continue;
    const std::vector<float> moments = download<float>(context(), state.tensor);
    EXPECT_EQ(
        std::ranges::count_if(moments, [](float m) { return std::fpclassify(m) == FP_SUBNORMAL; }),
        0)
        << state.name;
  }
}

TEST_P(RuleTest, WithoutItsCheckAFiniteGradientDoesTheSame) {
  Model<float, float, bfloat16> checked(context()), unchecked(context());
  Optimizer a(context(), checked.slab(), rule(), {.clip_value = 0.25});
  Optimizer b(context(), unchecked.slab(), rule(), {.check_gradient = false, .clip_value = 0.25});
  for (int i = 0; i < 3; ++i) {
    checked.set_gradient(i);
    unchecked.set_gradient(i);
    a.step(flat(checked.totals));
    b.step(flat(unchecked.totals));
  }
  EXPECT_TRUE(same_bits(checked.master.download(), unchecked.master.download()));
  EXPECT_TRUE(same_bits(checked.compute.download(), unchecked.compute.download()));
  for (std::size_t i = 1; i < a.state().size(); ++i)
    EXPECT_EQ(bytes_of(context(), a.state()[i].tensor), bytes_of(context(), b.state()[i].tensor))
        << a.state()[i].name;
  for (const StepRecord& record : b.read_metrics()) {
    EXPECT_TRUE(std::isnan(record.gradient_norm));
    EXPECT_EQ(record.skipped, 0u);
  }
}

TEST_P(RuleTest, ThreeReplaysEqualThreeSteps) {
  const OptimizerOptions options{.schedule = cosine(0.01, 20, {.warmup_steps = 2}), .ema = 0.9};
  Model<float, float16, float16> plain(context()), captured(context());
  Optimizer a(context(), plain.slab(), rule(), options);
  Optimizer b(context(), captured.slab(), rule(), options);
  plain.set_gradient(3);
  captured.set_gradient(3);
  for (int i = 0; i < 3; ++i) a.step(flat(plain.totals));
  context().stream().begin_capture();
  b.step(flat(captured.totals));
  const CapturedWork work = context().stream().end_capture();
  EXPECT_EQ(work.operations().size(), rule().kind() == "lamb" ? 3u : 2u);
  for (int i = 0; i < 3; ++i) work.replay(context().stream());
  EXPECT_TRUE(same_bits(plain.master.download(), captured.master.download()));
  EXPECT_TRUE(same_bits(plain.compute.download(), captured.compute.download()));
  for (std::size_t i = 0; i < a.state().size(); ++i)
    EXPECT_EQ(bytes_of(context(), a.state()[i].tensor), bytes_of(context(), b.state()[i].tensor))
        << a.state()[i].name;
}

TEST_P(RuleTest, SavedStateContinuesBitForBit) {
  const OptimizerOptions options{.loss_scale = 4, .scaling = {.dynamic = true}, .ema = 0.5};
  Context other;
  Model<float> first(context()), second(other);
  Optimizer a(context(), first.slab(), rule(), options);
  first.steps(a, 0, 3);
  Optimizer b(other, second.slab(), rule(), options);
  second.master.upload(first.master.download());
  ASSERT_EQ(a.state().size(), b.state().size());
  for (std::size_t i = 0; i < a.state().size(); ++i) {
    EXPECT_EQ(a.state()[i].name, b.state()[i].name);
    const auto bytes = bytes_of(context(), a.state()[i].tensor);
    copy_to_device(other.stream(), b.state()[i].tensor.data(), bytes.data(), bytes.size());
    other.stream().synchronize();
  }
  first.steps(a, 3, 6);
  second.steps(b, 3, 6);
  EXPECT_TRUE(same_bits(first.master.download(), second.master.download()));
  for (std::size_t i = 0; i < a.state().size(); ++i)
    EXPECT_EQ(bytes_of(context(), a.state()[i].tensor), bytes_of(other, b.state()[i].tensor))
        << a.state()[i].name;
}

TEST_P(RuleTest, GroupsAreHonoured) {
  Model<double> model(context()), decayed(context());
  Optimizer optimizer(
      context(), model.slab(), rule(),
      {.groups = {{.match = "p0.*", .lr_scale = 0}, {.match = "*1.weight", .weight_decay = 0.25}}});
  Optimizer reference(context(), decayed.slab(), with_weight_decay(rule(), 0.25));
  Model<double> plain(context());
  Optimizer other(context(), plain.slab(), rule());
  model.steps(optimizer, 0, 5);
  decayed.steps(reference, 0, 5);
  plain.steps(other, 0, 5);
  const std::vector<double> start = model.tiled(fixture_start<double>(kPattern));
  const std::vector<double> found = model.master.download();
  const std::vector<double> expected[] = {start, decayed.master.download(),
                                          plain.master.download()};
  for (std::size_t p = 0; p < 3; ++p) {
    const auto begin = model.ranges[p].offset;
    for (std::int64_t i = begin; i < begin + model.ranges[p].count(); ++i)
      ASSERT_EQ(found[std::size_t(i)], expected[p][std::size_t(i)]) << "parameter " << p;
  }
  EXPECT_NE(expected[1], expected[2]);
}

TEST_P(RuleTest, AveragesItsParameters) {
  Model<double> model(context());
  Optimizer optimizer(context(), model.slab(), rule(), {.ema = 0.75});
  std::vector<double> average;
  for (int step = 0; step < 5; ++step) {
    model.steps(optimizer, step, step + 1);
    const std::vector<double> now = model.master.download();
    if (step == 0) average = now;
    for (std::size_t i = 0; i < now.size(); ++i) average[i] = 0.75 * average[i] + 0.25 * now[i];
  }
  const std::vector<double> last = model.master.download();
  optimizer.swap_average();
  EXPECT_LE(relative_error(model.master.download(), average), 1e-15);
  optimizer.swap_average();
  EXPECT_TRUE(same_bits(model.master.download(), last));
}

TEST_P(RuleTest, ClipsEveryElement) {
  Model<double> wild(context()), tame(context());
  Optimizer a(context(), wild.slab(), rule(), {.clip_value = 0.25});
  Optimizer b(context(), tame.slab(), rule());
  for (int step = 0; step < 4; ++step) {
    wild.steps(a, step, step + 1);
    tame.set_gradient(step);
    std::vector<double> gradient = tame.gradient.download();
    for (double& value : gradient) value = std::clamp(value, -8 * 0.25, 8 * 0.25);
    tame.gradient.upload(gradient);
    b.step(flat(tame.totals));
  }
  EXPECT_TRUE(same_bits(wild.master.download(), tame.master.download()));
}

TEST_P(RuleTest, RepeatsBitForBit) {
  std::vector<float> results[2];
  for (auto& result : results) {
    Model<float> model(context());
    Optimizer optimizer(context(), model.slab(), rule());
    model.steps(optimizer, 0, 3);
    result = model.master.download();
  }
  EXPECT_TRUE(same_bits(results[0], results[1]));
}

INSTANTIATE_TEST_SUITE_P(Rules, RuleTest, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

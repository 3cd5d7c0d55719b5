#include "kernels/settle_running_state.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using SettleRunningStateTest = SlabTest;

/// `words` of bytes, whose front are `count` numbers of type T with an average.
template <class T>
struct State {
  State(Context& context, std::int64_t words, std::int64_t count)
      : live(context, draw_words(words, 1)),
        before(context, draw_words(words, 2)),
        average(context, draw<T>(count, 3)),
        update(context, std::vector<UpdateState>(1)) {
    const std::vector<T> values = draw<T>(count, 4);
    std::vector<std::uint64_t> contents = live.download();
    if (count > 0) std::memcpy(contents.data(), values.data(), values.size() * sizeof(T));
    live.upload(contents);
  }
  // Any bits: signalling NaN must come back as they are.
  static std::vector<std::uint64_t> draw_words(std::int64_t count, unsigned seed) {
    std::mt19937_64 engine(seed);
    std::vector<std::uint64_t> words(std::size_t(count), 0x7ff0000000000001);
    for (std::size_t i = 1; i < words.size(); ++i) words[i] = engine();
    return words;
  }
  SettleRunningState call() const {
    const auto bytes = std::int64_t(live.size() * sizeof(std::uint64_t));
    return {.live = Tensor(live.data(), DType::uint8, {bytes}),
            .before = Tensor(before.data(), DType::uint8, {bytes}),
            .averaged = Tensor(live.data(), kDTypeOf<T>, {std::int64_t(average.size())}),
            .average = flat(average),
            .state = update.data()};
  }
  void set(std::uint32_t finite, double kept) {
    UpdateState state{};
    state.finite = finite;
    state.average_kept = kept;
    update.upload({state});
  }
  std::vector<T> averaged() const {
    std::vector<T> values(average.size());
    const auto words = live.download();
    if (!values.empty()) std::memcpy(values.data(), words.data(), values.size() * sizeof(T));
    return values;
  }

  DeviceVector<std::uint64_t> live, before;
  DeviceVector<T> average;
  DeviceVector<UpdateState> update;
};

template <class T>
void expect_settled(Context& context, std::int64_t words, std::int64_t count) {
  State<T> skipped(context, words, count);
  skipped.set(0, 0.75);
  const auto average_before = skipped.average.download();
  settle_running_state(context.stream(), skipped.call());
  EXPECT_TRUE(same_bits(skipped.live.download(), skipped.before.download())) << words;
  EXPECT_TRUE(same_bits(skipped.average.download(), average_before)) << words;

  State<T> made(context, words, count);
  made.set(1, 0.75);
  const auto live = made.live.download();
  const auto average = made.average.download(), now = made.averaged();
  settle_running_state(context.stream(), made.call());
  EXPECT_TRUE(same_bits(made.live.download(), live)) << words;
  const auto found = made.average.download();
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(double(found[i]), 0.75 * double(average[i]) + 0.25 * double(now[i]), 1e-6) << i;
}

TEST_F(SettleRunningStateTest, TakesBackOrAverages) {
  with_both_blocks([&] {
    for (std::int64_t count : kSlabSizes) {
      expect_settled<double>(context(), count + 1, count);
      expect_settled<float>(context(), count / 2 + 3, count);
      expect_settled<float>(context(), count + 9000, count);
    }
  });
}

TEST_F(SettleRunningStateTest, WithoutAnAverageNothingElseIsTouched) {
  State<float> state(context(), 8, 4);
  SettleRunningState call = state.call();
  call.average = Tensor();
  const auto live = state.live.download();
  state.set(1, 0);
  settle_running_state(context().stream(), call);
  EXPECT_TRUE(same_bits(state.live.download(), live));
  state.set(0, 0);
  settle_running_state(context().stream(), call);
  EXPECT_TRUE(same_bits(state.live.download(), state.before.download()));
}

TEST_F(SettleRunningStateTest, RefusesWhatDoesNotFit) {
  const State<float> state(context(), 8, 4);
  const auto refuse = [&](const SettleRunningState& call, const std::string& part) {
    test::expect_error([&] { settle_running_state(context().stream(), call); },
                       {"settle_running_state: ", part});
  };
  SettleRunningState call = state.call();
  call.before = call.before.first(56);
  refuse(call, "before");
  call = state.call();
  call.live = call.live.first(60);
  call.before = call.before.first(60);
  refuse(call, "words of 8");
  call = state.call();
  call.average = call.average.first(3);
  refuse(call, "average");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

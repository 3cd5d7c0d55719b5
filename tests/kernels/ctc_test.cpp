// Connectionist temporal classification against the sum over all paths, spelled out; long sequences
// against what every gradient must sum to; targets that no path can spell.
#include "kernels/ctc.h"

#include <limits>

#include "row_loss_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using CtcKernel = KernelTest<T>;
TYPED_TEST_SUITE(CtcKernel, FloatingTypes);

using Labels = std::vector<std::int32_t>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// All classes^steps paths of one sequence: those whose labels, without repetitions and blanks, are
/// the target.
struct Paths {
  double probability = 0;
  std::vector<double> shares;  // of each step and class

  Paths(const double* x, int steps, int classes, const Labels& target, int blank)
      : shares(std::size_t(steps * classes), 0.0) {
    std::vector<int> path(std::size_t(steps), 0);
    for (;;) {
      Labels spelled;
      double log_p = 0;
      for (int t = 0; t < steps; ++t) {
        const int c = path[std::size_t(t)];
        log_p += x[t * classes + c];
        if (c != blank && (t == 0 || c != path[std::size_t(t - 1)])) spelled.push_back(c);
      }
      if (spelled == target) {
        probability += std::exp(log_p);
        for (int t = 0; t < steps; ++t)
          shares[std::size_t(t * classes + path[std::size_t(t)])] += std::exp(log_p);
      }
      int t = 0;
      while (t < steps && ++path[std::size_t(t)] == classes) path[std::size_t(t++)] = 0;
      if (t == steps) return;
    }
  }
};

template <class T>
struct Case {
  Case(Context& context, std::int64_t batch, std::int64_t time, std::int64_t classes, Labels labels,
       std::size_t offset)
      : x(
            context,
            [&] {
              auto values = to_double(random_values<T>(std::size_t(batch * time * classes), 1));
              for (double& value : values) value -= 1.5;
              return from_double<T>(values);
            }(),
            {batch, time, classes}, offset),
        shape{batch, std::int64_t(labels.size()) / batch},
        targets(context, labels),
        results(context, batch),
        workspace(context,
                  std::size_t(ctc_workspace(x.tensor().type(), target().type()).shape.count())),
        links(context, std::size_t(ctc_links(target().type()).shape.count())) {}

  Tensor target() const { return targets.tensor(shape); }
  CtcCall call() const {
    return {.x = x.tensor(),
            .targets = target(),
            .dx = x.into(GradientMode::overwrite),
            .out = results.out(),
            .status = results.status.tensor({2}),
            .workspace = workspace.tensor({std::int64_t(workspace.size())}),
            .links = links.tensor({std::int64_t(links.size())})};
  }
  Operand<T> x;
  Shape shape;
  DeviceVector<std::int32_t> targets;
  RowLossResults<T> results;
  DeviceVector<Accumulate<T>> workspace;
  DeviceVector<std::int32_t> links;
};

TYPED_TEST(CtcKernel, MatchesTheSumOverAllPaths) {
  using T = TypeParam;
  const double allowed = std::max(tolerance(kDTypeOf<T>), sizeof(T) == 8 ? 1e-12 : 3e-6);
  const int steps = 5, classes = 4;
  for (int blank : {0, 2})
    for_each_variant([&](const Variant& variant) {
      // Labels twice, twice in a row, none, more than fit with their blanks between.
      const int p = blank == 0 ? 1 : 0, q = 3;
      const std::vector<Labels> all = {{p, q, p}, {p, p}, {}, {q}, {q, q, q, q}};
      Labels padded;
      RowLossReference want;
      std::vector<double> gradient;
      for (const Labels& target : all)
        for (std::size_t i = 0; i < 4; ++i) padded.push_back(i < target.size() ? target[i] : -1);
      Case<T> c(this->context, std::ssize(all), steps, classes, padded, variant.offset);
      const auto x = to_double(c.x.values);
      for (std::size_t r = 0; r < all.size(); ++r) {
        const Paths paths(x.data() + r * steps * classes, steps, classes, all[r], blank);
        want.losses.push_back(paths.probability > 0 ? -std::log(paths.probability) : 0);
        want.count += 1;
        for (double share : paths.shares)
          gradient.push_back(paths.probability > 0 ? -share / paths.probability : 0);
      }
      CtcCall call = c.call();
      call.blank = blank;
      call.zero_infinity = true;
      ctc(this->context.stream(), call);
      c.results.expect(want, allowed);
      c.x.expect(gradient, 0.5, false, allowed);
      EXPECT_EQ(c.results.status.download()[0], 0);
      call.zero_infinity = false;
      call.dx = {};
      ctc(this->context.stream(), call);
      EXPECT_EQ(to_double(c.results.losses.download())[4], kInfinity);
    });
}

TYPED_TEST(CtcKernel, LengthsLeaveTheRestAlone) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    const double allowed = std::max(tolerance(kDTypeOf<T>), sizeof(T) == 8 ? 1e-12 : 3e-6);
    Case<T> c(this->context, 3, 5, 3, {1, 2, 1, 1, 2, 77}, variant.offset);
    const DeviceVector<std::int32_t> times(this->context, Labels{5, 3, 4});
    const DeviceVector<std::int32_t> lengths(this->context, Labels{2, 2, 1});
    CtcCall call = c.call();
    call.times = times.tensor({3});
    call.lengths = lengths.tensor({3});
    call.dx = c.x.into(GradientMode::accumulate);
    call.per_label = true;
    ctc(this->context.stream(), call);
    RowLossReference want{.count = 3};
    std::vector<double> gradient(45, 0.0);
    const auto x = to_double(c.x.values);
    const std::vector<Labels> all = {{1, 2}, {1, 1}, {2}};
    for (std::size_t r = 0; r < 3; ++r) {
      const int steps = std::vector<int>{5, 3, 4}[r];
      const Paths paths(x.data() + r * 15, steps, 3, all[r], 0);
      const double each = 1.0 / double(all[r].size());
      want.losses.push_back(-each * std::log(paths.probability));
      for (std::size_t i = 0; i < paths.shares.size(); ++i)
        gradient[r * 15 + i] = -each * paths.shares[i] / paths.probability;
    }
    c.results.expect(want, allowed);
    c.x.expect(gradient, 0.5, true, allowed);
    // More steps than there are, more labels, a label that is none.
    for (const auto& [bad_times, bad_lengths] : {std::pair<Labels, Labels>{{5, 6, 4}, {2, 2, 1}},
                                                 {{5, 3, 4}, {2, 3, 1}},
                                                 {{5, 3, 4}, {2, -1, 2}}}) {
      c.results.status.upload({0, 0});
      times.upload(bad_times);
      lengths.upload(bad_lengths);
      ctc(this->context.stream(), call);
      EXPECT_EQ(c.results.status.download()[0], 2);
      EXPECT_EQ(to_double(c.results.losses.download())[1], 0);
    }
  });
}

TYPED_TEST(CtcKernel, EveryStepOfLongSequencesIsSharedOut) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    const std::int64_t time = 150, classes = 33, length = 40;
    Labels labels;
    for (std::int64_t i = 0; i < 2 * length; ++i) labels.push_back(std::int32_t(1 + i * i % 32));
    Case<T> c(this->context, 2, time, classes, labels, variant.offset);
    const auto run = [&] {
      ctc(this->context.stream(), c.call());
      return c.x.gradient.download();
    };
    const auto one = with_workers(1, run), two = with_workers(2, run);
    EXPECT_TRUE(same_bits(one, two));
    const auto gradient = to_double(one);
    for (std::int64_t t = 0; t < 2 * time; ++t) {
      double sum = 0;
      for (std::int64_t j = 0; j < classes; ++j) sum += gradient[std::size_t(t * classes + j)];
      ASSERT_LE(std::abs(sum + 0.5), kDTypeOf<T> == DType::float64 ? 1e-11
                                     : sizeof(T) == 4              ? 2e-4
                                                                   : 1e-2)
          << t;
    }
    EXPECT_GT(to_double(c.results.losses.download())[0], 0);
  });
}

TYPED_TEST(CtcKernel, RefusesWhatDoesNotFit) {
  const Case<TypeParam> c(this->context, 2, 5, 3, {1, 2, 1, 1}, 0);
  CtcCall call = c.call();
  call.blank = 3;
  EXPECT_THROW(ctc(this->context.stream(), call), Error);
  call = c.call();
  call.workspace = c.workspace.tensor({2});
  EXPECT_THROW(ctc(this->context.stream(), call), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

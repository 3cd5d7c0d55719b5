#include "kernels/lamb_norms.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/slab.h"
#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using LambNormsTest = SlabTest;

constexpr std::int64_t kLengths[] = {1, 4097, 64, 13000, 3};
constexpr int kParameters = 5;
constexpr double kDecay = 0.1;

/// Five parameters with gaps, in the midst of training.
template <class T>
struct Slab {
  explicit Slab(Context& context)
      : layout(lay_out()),
        pieces(context, layout.pieces),
        ranges(context, layout.ranges),
        master(context, draw<T>(layout.count, 1)),
        gradient(context, draw<T>(layout.count, 2)),
        m(context, draw<T>(layout.count, 3)),
        v(context, std::vector<T>(std::size_t(layout.count), T(0.25))),
        sums(context, 2 * layout.pieces.size()),
        ratio(context, kParameters),
        arrived(context, std::vector<unsigned>(kParameters)),
        state(context, std::vector{UpdateState{.step = 2,
                                               .gradient_scale = 0.125,
                                               .first_factor = 5,
                                               .second_factor = 3,
                                               .finite = 1}}) {
    call = {.master = flat(master),
            .gradient = flat(gradient),
            .moments = {flat(m), flat(v), Tensor()},
            .pieces = pieces.data(),
            .piece_count = std::int64_t(pieces.size()),
            .norms = {ranges.data(), sums.data(), arrived.data(), ratio.data()},
            .state = state.data()};
  }

  struct Layout {
    std::vector<SlabPiece> pieces;
    std::vector<PieceRange> ranges;
    std::vector<std::int64_t> offsets;
    std::int64_t count = 0;
  };
  static Layout lay_out() {
    Layout layout;
    for (int parameter = 0; parameter < kParameters; ++parameter) {
      layout.offsets.push_back(layout.count);
      const std::int64_t length = kLengths[parameter];
      const auto first = std::int32_t(layout.pieces.size());
      for (std::int64_t at = 0; at < length; at += kSlabPiece)
        layout.pieces.push_back({layout.count + at,
                                 std::int32_t(std::min<std::int64_t>(kSlabPiece, length - at)),
                                 parameter, 1, kDecay});
      layout.ranges.push_back({first, std::int32_t(layout.pieces.size()) - first});
      layout.count += (length + 63) / 64 * 64;
    }
    return layout;
  }

  Layout layout;
  DeviceVector<SlabPiece> pieces;
  DeviceVector<PieceRange> ranges;
  DeviceVector<T> master, gradient, m, v;
  DeviceVector<double> sums, ratio;
  DeviceVector<unsigned> arrived;
  DeviceVector<UpdateState> state;
  SlabUpdate call;
};

template <class T>
void expect_ratios(Context& context, double tolerance) {
  Slab<T> slab(context);
  const auto p = slab.master.download(), g = slab.gradient.download(), m = slab.m.download();
  for (int pass = 0; pass < 2; ++pass) {  // the second finds the counters reset
    slab.m.upload(m);
    slab.v.upload(std::vector<T>(p.size(), T(0.25)));
    lamb_norms(context.stream(), slab.call, {.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3});
    const auto ratios = slab.ratio.download();
    const auto moments = slab.m.download();
    for (int i = 0; i < kParameters; ++i) {
      double p_squares = 0, u_squares = 0;
      for (std::int64_t k = 0; k < kLengths[i]; ++k) {
        const auto at = std::size_t(slab.layout.offsets[std::size_t(i)] + k);
        const double mean = double(g[at]) / 8;
        const double first = 0.8 * double(m[at]) + 0.2 * mean;
        const double second = 0.9 * 0.25 + 0.1 * mean * mean;
        const double u = 5 * first / (3 * std::sqrt(second) + 1e-3) + kDecay * double(p[at]);
        EXPECT_NEAR(double(moments[at]), first, 1e-6);
        p_squares += double(p[at]) * double(p[at]);
        u_squares += u * u;
      }
      const double expected = std::sqrt(p_squares / u_squares);
      EXPECT_LE(std::abs(ratios[std::size_t(i)] - expected), tolerance * expected) << i;
    }
  }
}

TEST_F(LambNormsTest, AgreesWithTheFormulasInDouble) {
  with_both_blocks([&] {
    expect_ratios<float>(context(), 1e-6);
    expect_ratios<double>(context(), 1e-13);
  });
}

TEST_F(LambNormsTest, IsOneWhereANormIsZero) {
  Slab<float> slab(context());
  slab.master.upload(std::vector<float>(std::size_t(slab.layout.count)));
  lamb_norms(context().stream(), slab.call, {});
  EXPECT_EQ(slab.ratio.download(), std::vector<double>(kParameters, 1));
}

TEST_F(LambNormsTest, TouchesNothingInASkippedStep) {
  Slab<float> slab(context());
  UpdateState state = slab.state.download()[0];
  state.finite = 0;
  slab.state.upload({state});
  const auto m = slab.m.download(), v = slab.v.download();
  lamb_norms(context().stream(), slab.call, {});
  EXPECT_TRUE(same_bits(slab.m.download(), m));
  EXPECT_TRUE(same_bits(slab.v.download(), v));
}

TEST_F(LambNormsTest, RefusesWhatDoesNotFit) {
  Slab<float> slab(context());
  SlabUpdate call = slab.call;
  call.moments[1] = Tensor();
  test::expect_error([&] { lamb_norms(context().stream(), call, {}); }, {"two moments"});
  call = slab.call;
  call.norms = {};
  test::expect_error([&] { lamb_norms(context().stream(), call, {}); }, {"memory for the norms"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

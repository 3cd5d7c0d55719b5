// AdamW's update alone, on a slab in the midst of training.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using AdamWUpdateTest = SlabTest;

void adamw(Stream& stream, const SlabUpdate& call) {
  update_rule(AdamWOptions{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3}).update(stream, call);
}

/// A slab in the midst of training.
template <class T, class Gradient, class Compute = float16>
struct Slab {
  Slab(Context& context, std::int64_t count, bool with_compute)
      : context(context),
        master(context, draw<T>(count, 1)),
        gradient(context, draw<Gradient>(count, 2)),
        m(context, draw<T>(count, 3)),
        v(context, squares(draw<T>(count, 4))),
        compute(context, draw<Compute>(count, 5)),
        state(context,
              std::vector{UpdateState{.step = 3,
                                      .learning_rate = 0.02,
                                      .gradient_scale = 0.125,
                                      .first_factor = 1 / (1 - 0.8 * 0.8 * 0.8),
                                      .second_factor = 1 / std::sqrt(1 - 0.95 * 0.95 * 0.95),
                                      .finite = 1}}) {
    call.master = flat(master);
    call.gradient = flat(gradient);
    call.moments = {flat(m), flat(v), Tensor()};
    pieces.emplace(context, whole_slab(call.master, 0.1));
    call.pieces = pieces->data();
    call.piece_count = std::int64_t(pieces->size());
    if (with_compute) call.compute = flat(compute);
    call.state = state.data();
  }
  static std::vector<T> squares(std::vector<T> values) {
    for (T& value : values) value = value * value;
    return values;
  }

  Context& context;
  DeviceVector<T> master;
  DeviceVector<Gradient> gradient;
  DeviceVector<T> m, v;
  DeviceVector<Compute> compute;
  DeviceVector<UpdateState> state;
  std::optional<DeviceVector<SlabPiece>> pieces;
  SlabUpdate call;
};

/// The formulas of the header, one element at a time, in double.
template <class T, class Gradient, class Compute>
void expect_update(Context& context, std::int64_t count, bool with_compute, double tolerance) {
  Slab<T, Gradient, Compute> slab(context, count, with_compute);
  std::vector<double> p, m, v;
  for (T value : slab.master.download()) p.push_back(double(value));
  for (T value : slab.m.download()) m.push_back(double(value));
  for (T value : slab.v.download()) v.push_back(double(value));
  const std::vector<Gradient> gradient = slab.gradient.download();
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double g = double(gradient[i]) * 0.125;
    p[i] *= 1 - 0.02 * 0.1;
    m[i] = 0.8 * m[i] + 0.2 * g;
    v[i] = 0.95 * v[i] + 0.05 * g * g;
    const double m_hat = m[i] / (1 - std::pow(0.8, 3)), v_hat = v[i] / (1 - std::pow(0.95, 3));
    p[i] -= 0.02 * m_hat / (std::sqrt(v_hat) + 1e-3);
  }
  adamw(context.stream(), slab.call);
  SCOPED_TRACE(str(count, " elements, gradient ", name(kDTypeOf<Gradient>)));
  EXPECT_LE(relative_error(slab.master.download(), p), tolerance);
  EXPECT_LE(relative_error(slab.m.download(), m), tolerance);
  EXPECT_LE(relative_error(slab.v.download(), v), tolerance);
  if (!with_compute) return;
  const std::vector<T> master = slab.master.download();
  const std::vector<Compute> compute = slab.compute.download();
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_EQ(compute[i].bits, Compute(float(master[i])).bits) << i;
  }
}

TEST_F(AdamWUpdateTest, AgreesWithTheFormulasInDouble) {
  with_both_blocks([&] {
    for (std::int64_t count : kSlabSizes) {
      expect_update<float, float, float16>(context(), count, false, 3e-7);
      expect_update<double, double, float16>(context(), count, false, 1e-15);
      expect_update<float, float, bfloat16>(context(), count, true, 3e-7);
      expect_update<float, float, float16>(context(), count, true, 3e-7);
      expect_update<float, bfloat16, bfloat16>(context(), count, true, 3e-7);
      expect_update<float, float16, float16>(context(), count, true, 3e-7);
    }
  });
}

TEST_F(AdamWUpdateTest, TouchesNothingInASkippedStep) {
  Slab<float, bfloat16, bfloat16> slab(context(), 5003, true);
  UpdateState state = slab.state.download()[0];
  state.finite = 0;
  slab.state.upload({state});
  const auto master = slab.master.download();
  const auto m = slab.m.download(), v = slab.v.download();
  const auto compute = slab.compute.download();
  adamw(context().stream(), slab.call);
  EXPECT_TRUE(same_bits(slab.master.download(), master));
  EXPECT_TRUE(same_bits(slab.m.download(), m));
  EXPECT_TRUE(same_bits(slab.v.download(), v));
  EXPECT_TRUE(same_bits(slab.compute.download(), compute));
}

TEST_F(AdamWUpdateTest, BlockSizeDoesNotMatter) {
  Slab<float, float> one(context(), 9001, false), other(context(), 9001, false);
  adamw(context().stream(), one.call);
  {
    const GpuBlocks blocks;
    adamw(context().stream(), other.call);
  }
  EXPECT_LE(relative_error(one.master.download(),
                           [&] {
                             const auto values = other.master.download();
                             return std::vector<double>(values.begin(), values.end());
                           }()),
            1e-7);
}

TEST_F(AdamWUpdateTest, RefusesWhatDoesNotFit) {
  Slab<float, float, bfloat16> slab(context(), 16, true);
  const auto refuse = [&](const SlabUpdate& call, std::initializer_list<std::string> parts) {
    test::expect_error([&] { adamw(context().stream(), call); }, parts);
  };
  SlabUpdate call = slab.call;
  call.moments[0] = call.moments[0].first(15);
  refuse(call, {"adamw: m", "float32 [16]", "float32 [15]"});
  call = slab.call;
  call.gradient = Tensor(slab.gradient.data(), DType::float16, {16});
  refuse(call, {"no update for float32 master parameters with float16 gradients and bfloat16"});
  call = slab.call;
  call.moments[1] = Tensor();
  refuse(call, {"adamw: v", "got nothing"});
  call = slab.call;
  call.master = Tensor(slab.master.data() + 1, DType::float32, {15});
  refuse(call, {"adamw: master", "aligned to 16 bytes"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

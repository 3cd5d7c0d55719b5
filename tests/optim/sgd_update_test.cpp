// SGD's update alone, on a slab in the midst of training.

#include <gtest/gtest.h>

#include <cstring>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using SgdUpdateTest = SlabTest;

void sgd(Stream& stream, const SlabUpdate& call, double momentum = 0.9) {
  update_rule(SgdOptions{.momentum = momentum}).update(stream, call);
}

/// A slab in the midst of training.
template <class T, class Gradient, class Compute = float16>
struct Slab {
  Slab(Context& context, std::int64_t count, bool with_compute, double momentum)
      : master(context, draw<T>(count, 1)),
        gradient(context, draw<Gradient>(count, 2)),
        v(context, draw<T>(count, 3)),
        compute(context, draw<Compute>(count, 5)),
        state(context, std::vector{UpdateState{
                           .learning_rate = 0.02, .gradient_scale = 0.125, .finite = 1}}) {
    call.master = flat(master);
    call.gradient = flat(gradient);
    if (momentum != 0) call.moments[0] = flat(v);
    pieces.emplace(context, whole_slab(call.master, 0.1));
    call.pieces = pieces->data();
    call.piece_count = std::int64_t(pieces->size());
    if (with_compute) call.compute = flat(compute);
    call.state = state.data();
  }

  DeviceVector<T> master;
  DeviceVector<Gradient> gradient;
  DeviceVector<T> v;
  DeviceVector<Compute> compute;
  DeviceVector<UpdateState> state;
  std::optional<DeviceVector<SlabPiece>> pieces;
  SlabUpdate call;
};

template <class T, class Gradient, class Compute>
void expect_update(Context& context, std::int64_t count, bool with_compute, double tolerance) {
  for (double momentum : {0.0, 0.9}) {
    Slab<T, Gradient, Compute> slab(context, count, with_compute, momentum);
    std::vector<double> p, v;
    for (T value : slab.master.download()) p.push_back(double(value));
    for (T value : slab.v.download()) v.push_back(double(value));
    const std::vector<Gradient> gradient = slab.gradient.download();
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = double(gradient[i]) * 0.125 + 0.1 * p[i];
      const double velocity = momentum * v[i] + g;
      p[i] -= 0.02 * velocity;
      if (momentum != 0) v[i] = velocity;
    }
    sgd(context.stream(), slab.call, momentum);
    SCOPED_TRACE(str(count, " elements, gradient ", name(kDTypeOf<Gradient>)));
    EXPECT_LE(relative_error(slab.master.download(), p), tolerance);
    EXPECT_LE(relative_error(slab.v.download(), v), tolerance);
    if (!with_compute) continue;
    const std::vector<T> master = slab.master.download();
    const std::vector<Compute> compute = slab.compute.download();
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_EQ(compute[i].bits, Compute(float(master[i])).bits) << i;
    }
  }
}

TEST_F(SgdUpdateTest, AgreesWithTheFormulasInDouble) {
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

TEST_F(SgdUpdateTest, TouchesNothingInASkippedStep) {
  Slab<float, float16, float16> slab(context(), 5003, true, 0.9);
  UpdateState state = slab.state.download()[0];
  state.finite = 0;
  slab.state.upload({state});
  const auto master = slab.master.download(), v = slab.v.download();
  const auto compute = slab.compute.download();
  sgd(context().stream(), slab.call);
  EXPECT_EQ(slab.master.download(), master);
  EXPECT_EQ(slab.v.download(), v);
  const auto after = slab.compute.download();
  EXPECT_EQ(std::memcmp(after.data(), compute.data(), after.size() * sizeof(float16)), 0);
}

TEST_F(SgdUpdateTest, RefusesWhatDoesNotFit) {
  Slab<float, float> slab(context(), 16, false, 0.9);
  SlabUpdate call = slab.call;
  call.moments[0] = Tensor();
  test::expect_error([&] { sgd(context().stream(), call); }, {"sgd: v", "got nothing"});
  call = slab.call;
  call.gradient = call.gradient.first(3);
  test::expect_error([&] { sgd(context().stream(), call); },
                     {"sgd: gradient", "float32 [16]", "float32 [3]"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

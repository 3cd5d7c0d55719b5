// From totals T_i = {sum of losses, count, number right} and weights w_i, D_i being T_i[1], or 1
// where T_i has a fourth number (kernels/totals.h):
//
//   N = the first T_i[1] that is not 0          f_i = N w_i / D_i, 0 where D_i is 0
//   total = {sum_i f_i T_i[0], N, T_0[2]}       dT_i (+)= {f_i s, 0, 0, 0}
//
// where s is the product of *scale and dy[0]. If all have a fourth number, so has total, and
// f_i = w_i.
#include "kernels/total_loss.h"

#include "core/device/kernel.h"
#include "kernels/dispatch.h"
#include "kernels/totals.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class A>
struct Operands {
  const A* totals[kMostLosses];  // [3] or [4] each
  A* gradients[kMostLosses];     // likewise, or null
  float weights[kMostLosses];
  bool adds[kMostLosses];
  bool undivided[kMostLosses];
  int losses;
  bool all_undivided;
  A* total;            // [3] or [4], or null
  const float* scale;  // or null
  const A* dy;         // [3], or null
};

template <class A>
__global__ void total_loss_kernel(Operands<A> in) {
  double count = 0;
  for (int i = in.losses; i-- > 0;)
    if (in.totals[i][1] != A(0)) count = double(in.totals[i][1]);
  double seed = in.scale == nullptr ? 1.0 : double(*in.scale);
  if (in.dy != nullptr) seed *= double(in.dy[0]);
  double sum = 0;
  for (int i = 0; i < in.losses; ++i) {
    const A* const totals = in.totals[i];
    const double own = in.undivided[i] ? 1.0 : double(totals[1]);
    const double all = in.all_undivided ? 1.0 : count;
    const double factor = own == 0 ? 0.0 : all * double(in.weights[i]) / own;
    if (own != 0) sum += factor * double(totals[0]);
    A* const gradient = in.gradients[i];
    if (gradient == nullptr) continue;
    for (int k = 0; k < (in.undivided[i] ? 4 : 3); ++k) {
      const A written = k == 0 ? A(factor * seed) : A(0);
      gradient[k] = in.adds[i] ? gradient[k] + written : written;
    }
  }
  if (in.total == nullptr) return;
  in.total[0] = A(sum);
  in.total[1] = A(count);
  in.total[2] = in.totals[0][2];
  if (in.all_undivided) in.total[3] = A(1);
}

template <class A>
void run(Stream& stream, const TotalLossCall& call) {
  constexpr const char* kName = "total_loss";
  Operands<A> operands{
      .losses = int(call.totals.size()), .all_undivided = true, .scale = call.scale};
  for (std::size_t i = 0; i < call.totals.size(); ++i) {
    operands.undivided[i] = is_undivided(call.totals[i].shape());
    operands.all_undivided = operands.all_undivided && operands.undivided[i];
    const TensorType type{kDTypeOf<A>, totals_shape(operands.undivided[i])};
    check_operand(kName, "totals", call.totals[i], type);
    operands.totals[i] = call.totals[i].data<A>();
    operands.weights[i] = call.weights[i];
    if (call.gradients.empty() || !call.gradients[i].wanted()) continue;
    check_operand(kName, "gradients", call.gradients[i].tensor, type);
    operands.gradients[i] = call.gradients[i].tensor.data<A>();
    operands.adds[i] = call.gradients[i].accumulates();
  }
  const TensorType type{kDTypeOf<A>, totals_shape(operands.all_undivided)};
  if (call.total.defined()) {
    check_operand(kName, "total", call.total, type);
    operands.total = call.total.data<A>();
  }
  if (call.dy.defined()) {
    check_operand(kName, "dy", call.dy, type);
    operands.dy = call.dy.data<A>();
  }
  launch<total_loss_kernel<A>>(stream, {.grid = 1, .block = 1}, operands);
}

}  // namespace

void total_loss(Stream& stream, const TotalLossCall& call) {
  const std::size_t losses = call.totals.size();
  ADJOINT_CHECK(losses >= 1 && losses <= std::size_t(kMostLosses) &&
                    call.weights.size() == losses &&
                    (call.gradients.empty() || call.gradients.size() == losses),
                "total_loss: expected 1 to ", kMostLosses,
                " totals and as many weights and gradients, got ", losses);
  if (call.totals[0].dtype() == DType::float64) return run<double>(stream, call);
  run<float>(stream, call);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// workspace.totals[i] += totals[i], i in {loss sum, valid count, correct count}; in double, so that
// counts stay exact.
#include "kernels/accumulate_totals.h"

#include "core/device/kernel.h"
#include "kernels/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

__global__ void accumulate_totals_kernel(LossTotals totals, StepWorkspace* __restrict__ workspace,
                                         std::uint64_t* __restrict__ random_step) {
  ADJOINT_UNROLL
  for (int i = 0; i < 3; ++i) workspace->totals[i] += totals[i];
  ++*random_step;
}

}  // namespace

void accumulate_totals(Stream& stream, const Tensor& totals, StepWorkspace* workspace,
                       std::uint64_t* random_step) {
  launch<accumulate_totals_kernel>(stream, {.grid = 1, .block = 1},
                                   loss_totals("accumulate_totals", totals), workspace,
                                   random_step);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "layers/activations/gelu.h"

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

GELU::GELU(Form form)
    : Pointwise(form == Form::tanh ? pointwise("gelu", GeluTanh{})
                                   : pointwise("gelu", GeluExact{}, "gelu(exact)")) {}

Value gelu(const Value& x) { return x.graph().apply(GELU(), {x}); }
Value gelu_exact(const Value& x) { return x.graph().apply(GELU(GELU::Form::exact), {x}); }

namespace {
const bool kRegistered = register_pointwise(
    "gelu",
    [](Options& options) {
      // PyTorch's name and values for it.
      const bool exact = options.choice("approximate", "tanh", {"tanh", "none"}) == "none";
      return std::make_shared<GELU>(exact ? GELU::Form::exact : GELU::Form::tanh);
    },
    {pointwise_case("gelu", GELU()), pointwise_case("gelu/exact", GELU(GELU::Form::exact))});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

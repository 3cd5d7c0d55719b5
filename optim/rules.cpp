#include "optim/rules.h"

#include "core/update/rule_options.h"

namespace adjoint {
namespace {

// Recipes name rules where there is no device and nothing that launches them. The first is what
// recipes that name none get.
template <class... Rules>
bool register_rules() {
  return (register_rule_options(Rules{}) && ...);
}

const bool registered =
    register_rules<AdamWOptions, SgdOptions, AdamOptions, NAdamOptions, RAdamOptions,
                   RmsPropOptions, AdagradOptions, AdadeltaOptions, LionOptions, LambOptions>();

}  // namespace
}  // namespace adjoint

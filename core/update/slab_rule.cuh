// An update rule from a functor over one element; what functors are is told in
// kernels/slab_update.cuh.
#pragma once

#include "core/update/update_rule.h"
#include "kernels/slab_update.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// For update rules' options (OptionsOfRule). `rule` says what the functor needs beside its
/// options: moments, betas.
template <template <class> class StepOf, OptionsOfRule Options>
UpdateRule slab_rule(const Options& options, UpdateRule rule) {
  rule.name = Options::kName;
  rule.learning_rate = options.learning_rate;
  rule.weight_decay = options.weight_decay;
  rule.update = [options, moments = rule.moments](Stream& stream, const SlabUpdate& call) {
    check_slab(Options::kType, "master", call.master);
    for (std::size_t i = 0; i < moments.size(); ++i)
      if (moments[i].kept)
        check_slab(Options::kType, moments[i].name, call.moments[i], call.master.type());
    launch_slab_update<StepOf>(stream, call, options);
  };
  return rule;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// UpdateRule: what the Optimizer must know of a rule - its moments, what of its bookkeeping is
// computed once a step, and how to launch its update. Made of the rule's options by what is entered
// here under their kind, once a backend.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/update/rule_options.h"
#include "kernels/slab_update.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Moment {
  std::string name;    ///< "m"; in checkpoints "optimizer.m.linear1.weight"
  bool kept = true;    ///< false: not needed with these options; no memory
  double initial = 0;  ///< of each element
};

struct UpdateRule {
  std::string name = {};  ///< "AdamW", for reports and errors
  std::vector<Moment> moments = {};
  double learning_rate = 1e-3;  ///< unless the optimizer's options have a schedule
  double weight_decay = 0;      ///< of parameters that no group says otherwise of
  // See GradientNorm:
  double beta1 = 0;
  double beta2 = 0;
  double momentum_fade = 0;
  /// With float32 parameters, a step whose gradient (the mean, after clipping) is longer
  /// than 1.8e19 is skipped like one that is not finite: its square would make a moment infinite
  /// for ever.
  bool squares_gradient = false;
  /// Pieces do not cross parameters, and SlabUpdate::norms is there.
  bool by_parameter = false;
  std::function<void(Stream&, const SlabUpdate&)> update = {};
};

/// The rule of these options, by its kind. Throws Error for an option out of range, and for a kind
/// that has no kernels on this backend, that two rules claim, or that was compiled otherwise.
UpdateRule update_rule(const RuleOptions& options);

/// Enters what makes the rule of options that are in range, and the options with them. Never
/// throws; see register_rule_options. The file that defines a rule ends with
///
///   UpdateRule sign_rule(const SignOptions& o) { return slab_rule<SignStep>(o, {}); }
///   const bool registered = register_update_rule(sign_rule);
///
/// With several backends it is compiled for each: let the options stand outside of ADJOINT_BACKEND
/// and of unnamed namespaces, so that they are one type.
template <OptionsOfRule O>
bool register_update_rule(UpdateRule (*make)(const O&), const char* abi = kAbiTag);

/// For register_update_rule.
bool enter_update_rule(const std::string& kind,
                       const std::function<UpdateRule(const RuleOptions&)>& make, const char* abi);

template <OptionsOfRule O>
bool register_update_rule(UpdateRule (*make)(const O&), const char* abi) {
  register_rule_options(O{}, abi);
  return enter_update_rule(
      O::kType, [make](const RuleOptions& options) { return make(options.as<O>()); }, abi);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

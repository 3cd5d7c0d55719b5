// One case or more for each kind of update rule, with the options of fixtures.py. A kind without
// cases here is tested with its defaults; a case without lines in fixtures.txt fails.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "core/update/rule_options.h"
#include "optim/rules.h"

namespace adjoint::test {

struct RuleCase {
  std::string name;  ///< as in fixtures.txt
  RuleOptions rule;
};
/// GoogleTest would print the bytes of a case, addresses among them.
inline void PrintTo(const RuleCase& rule_case, std::ostream* out) { *out << rule_case.name; }

inline std::vector<RuleCase> sgd_cases() {
  const SgdOptions momentum{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.01};
  SgdOptions nesterov = momentum, dampening = momentum;
  nesterov.nesterov = true;
  dampening.momentum = 0.8;
  dampening.dampening = 0.3;
  return {{"sgd", SgdOptions{.learning_rate = 0.01}},
          {"sgd_momentum", momentum},
          {"sgd_nesterov", nesterov},
          {"sgd_dampening", dampening}};
}

inline std::vector<RuleCase> rmsprop_cases() {
  const RmsPropOptions momentum{.learning_rate = 0.002, .alpha = 0.95, .momentum = 0.9};
  RmsPropOptions centered = momentum;
  centered.centered = true;
  centered.epsilon = 1e-4;
  return {{"rmsprop", RmsPropOptions{.alpha = 0.95, .weight_decay = 0.02}},
          {"rmsprop_momentum", momentum},
          {"rmsprop_centered", centered}};
}

inline std::vector<RuleCase> other_cases() {
  return {{"adamw", AdamWOptions{}},
          {"adam",
           AdamOptions{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.98, .weight_decay = 0.02}},
          {"nadam", NAdamOptions{.learning_rate = 0.01,
                                 .beta1 = 0.85,
                                 .beta2 = 0.98,
                                 .momentum_decay = 0.01,
                                 .weight_decay = 0.02}},
          {"radam", RAdamOptions{.learning_rate = 0.01, .beta2 = 0.99, .weight_decay = 0.02}},
          {"adagrad", AdagradOptions{.learning_rate = 0.05,
                                     .rate_decay = 0.02,
                                     .initial_accumulator = 0.1,
                                     .weight_decay = 0.02}},
          {"adadelta", AdadeltaOptions{.learning_rate = 0.8, .rho = 0.92, .weight_decay = 0.02}},
          {"lion", LionOptions{.learning_rate = 0.002, .beta2 = 0.97, .weight_decay = 0.1}},
          {"lamb", LambOptions{.learning_rate = 0.02, .beta2 = 0.99, .weight_decay = 0.05}}};
}

/// Of every kind that is entered.
inline std::vector<RuleCase> all_cases() {
  std::vector<RuleCase> all;
  for (const auto& cases : {other_cases(), sgd_cases(), rmsprop_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  for (const std::string& kind : rule_kinds()) {
    const auto of_kind = [&](const RuleCase& rule_case) { return rule_case.rule.kind() == kind; };
    if (std::ranges::none_of(all, of_kind)) all.push_back({kind, default_rule_options(kind)});
  }
  return all;
}

}  // namespace adjoint::test

// One case or more for each method of optim/methods.h, with the options of fixtures.py: a method
// without cases does not compile here, and a case without lines in fixtures.txt fails.
#pragma once

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "core/base/error.h"
#include "optim/methods.h"

namespace adjoint::test {

struct MethodCase {
  std::string name;  ///< as in fixtures.txt
  OptimizerMethod method;
};
/// GoogleTest would print the bytes of a case, addresses among them.
inline void PrintTo(const MethodCase& method_case, std::ostream* out) { *out << method_case.name; }

using MethodCases = std::vector<MethodCase>;

inline MethodCases cases(const AdamWOptions&) { return {{"adamw", AdamWOptions{}}}; }
inline MethodCases cases(const SgdOptions&) {
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
inline MethodCases cases(const AdamOptions&) {
  return {{"adam",
           AdamOptions{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.98, .weight_decay = 0.02}}};
}
inline MethodCases cases(const NAdamOptions&) {
  return {{"nadam", NAdamOptions{.learning_rate = 0.01,
                                 .beta1 = 0.85,
                                 .beta2 = 0.98,
                                 .momentum_decay = 0.01,
                                 .weight_decay = 0.02}}};
}
inline MethodCases cases(const RAdamOptions&) {
  return {{"radam", RAdamOptions{.learning_rate = 0.01, .beta2 = 0.99, .weight_decay = 0.02}}};
}
inline MethodCases cases(const RmsPropOptions&) {
  const RmsPropOptions momentum{.learning_rate = 0.002, .alpha = 0.95, .momentum = 0.9};
  RmsPropOptions centered = momentum;
  centered.centered = true;
  centered.epsilon = 1e-4;
  return {{"rmsprop", RmsPropOptions{.alpha = 0.95, .weight_decay = 0.02}},
          {"rmsprop_momentum", momentum},
          {"rmsprop_centered", centered}};
}
inline MethodCases cases(const AdagradOptions&) {
  return {{"adagrad", AdagradOptions{.learning_rate = 0.05,
                                     .rate_decay = 0.02,
                                     .initial_accumulator = 0.1,
                                     .weight_decay = 0.02}}};
}
inline MethodCases cases(const AdadeltaOptions&) {
  return {{"adadelta", AdadeltaOptions{.learning_rate = 0.8, .rho = 0.92, .weight_decay = 0.02}}};
}
inline MethodCases cases(const LionOptions&) {
  return {{"lion", LionOptions{.learning_rate = 0.002, .beta2 = 0.97, .weight_decay = 0.1}}};
}
inline MethodCases cases(const LambOptions&) {
  return {{"lamb", LambOptions{.learning_rate = 0.02, .beta2 = 0.99, .weight_decay = 0.05}}};
}

inline MethodCases all_cases() {
  MethodCases all;
  for (const OptimizerMethod& method : optimizer_methods()) {
    MethodCases some = std::visit([](const auto& options) { return cases(options); }, method);
    ADJOINT_CHECK(!some.empty(), method_type(method), " has no test case");
    for (MethodCase& one : some) all.push_back(std::move(one));
  }
  return all;
}

/// The method with another weight decay.
inline OptimizerMethod with_weight_decay(OptimizerMethod method, double decay) {
  std::visit([&](auto& options) { options.weight_decay = decay; }, method);
  return method;
}

}  // namespace adjoint::test

#include "optim/methods.h"

#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

// Visits the options of one method. Comparisons are written so that NaN fails each.
struct Check {
  const char* name;

  void fraction(const char* key, double value) const {
    ADJOINT_CHECK(value >= 0 && value < 1, name, ": expected ", key,
                  " of 0 or more and below 1, got ", value);
  }
  void not_negative(const char* key, double value) const {
    ADJOINT_CHECK(std::isfinite(value) && value >= 0, name, ": expected a finite ", key,
                  " of 0 or more, got ", value);
  }
  void positive(const char* key, double value) const {
    ADJOINT_CHECK(std::isfinite(value) && value > 0, name, ": expected a finite ", key,
                  " above 0, got ", value);
  }
  void betas(double beta1, double beta2) const {
    fraction("beta1", beta1);
    fraction("beta2", beta2);
  }
  void epsilon(double value) const { positive("epsilon", value); }
  void flag(const char*, bool) const {}
  void require(bool condition, const char* key, const char* expected) const {
    ADJOINT_CHECK(condition, name, ": ", key, ": expected ", expected);
  }
};

template <std::size_t... I>
std::vector<OptimizerMethod> all_methods(std::index_sequence<I...>) {
  return {std::variant_alternative_t<I, OptimizerMethod>{}...};
}

}  // namespace

std::string method_type(const OptimizerMethod& method) {
  return std::visit([](const auto& options) { return std::string(options.kType); }, method);
}

std::vector<OptimizerMethod> optimizer_methods() {
  return all_methods(std::make_index_sequence<std::variant_size_v<OptimizerMethod>>());
}

void check_method(const OptimizerMethod& method) {
  std::visit([](const auto& options) { options.visit(options, Check{options.kName}); }, method);
}

}  // namespace adjoint

#include "core/base/option_visitors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace adjoint {
namespace {

// Written so that NaN fails each.
bool is_positive(double value) { return value > 0 && std::isfinite(value); }
bool is_not_negative(double value) { return value >= 0 && std::isfinite(value); }
bool is_fraction(double value) { return value >= 0 && value < 1; }

constexpr const char* kPositive = "a positive number";
constexpr const char* kNotNegative = "a number of at least 0";

}  // namespace

void OptionReader::number(const char* key, double& value, bool (*valid)(double),
                          const char* expected) const {
  value = options.number(key, value);
  options.require(valid(value), key, expected);
}

void OptionReader::fraction(const char* key, double& value) const {
  number(key, value, is_fraction, "a number from 0 to below 1");
}

void OptionReader::not_negative(const char* key, double& value) const {
  number(key, value, is_not_negative, kNotNegative);
}

void OptionReader::positive(const char* key, double& value) const {
  number(key, value, is_positive, kPositive);
}

void OptionReader::optional_not_negative(const char* key, std::optional<double>& value) const {
  value = options.optional_number(key);
  options.require(!value || is_not_negative(*value), key, kNotNegative);
}

void OptionReader::optional_positive(const char* key, std::optional<double>& value) const {
  value = options.optional_number(key);
  options.require(!value || is_positive(*value), key, kPositive);
}

void OptionReader::betas(double& beta1, double& beta2) const {
  const auto betas = options.numbers("betas", {beta1, beta2});
  options.require(betas.size() == 2 && std::ranges::all_of(betas, is_fraction), "betas",
                  "two numbers from 0 to below 1");
  beta1 = betas[0];
  beta2 = betas[1];
}

void OptionReader::flag(const char* key, bool& value) const { value = options.flag(key, value); }

void OptionReader::require(bool condition, const char* key, const char* expected) const {
  options.require(condition, key, expected);
}

std::int64_t OptionReader::read_steps(const char* key, std::int64_t fallback,
                                      std::int64_t least) const {
  const std::int64_t value = options.integer(key, fallback);
  options.require(value >= least, key, str("a whole number of at least ", least));
  return value;
}

std::int64_t OptionReader::read_count(const char* key, std::int64_t fallback,
                                      std::int64_t least) const {
  const std::int64_t value = read_steps(key, fallback, least);
  options.require(value <= std::numeric_limits<std::int32_t>::max(), key,
                  "a whole number of 31 bits");
  return value;
}

void OptionWriter::betas(double beta1, double beta2) const {
  set("betas", std::vector<double>{beta1, beta2});
}

void OptionCheck::fraction(const char* key, double value) const {
  ADJOINT_CHECK(is_fraction(value), name, ": expected ", key, " of 0 or more and below 1, got ",
                value);
}

void OptionCheck::not_negative(const char* key, double value) const {
  ADJOINT_CHECK(is_not_negative(value), name, ": expected a finite ", key, " of 0 or more, got ",
                value);
}

void OptionCheck::positive(const char* key, double value) const {
  ADJOINT_CHECK(is_positive(value), name, ": expected a finite ", key, " above 0, got ", value);
}

void OptionCheck::betas(double beta1, double beta2) const {
  fraction("beta1", beta1);
  fraction("beta2", beta2);
}

void OptionCheck::require(bool condition, const char* key, const char* expected) const {
  ADJOINT_CHECK(condition, name, ": ", key, ": expected ", expected);
}

void OptionCheck::at_least(const char* key, std::int64_t value, std::int64_t least) const {
  ADJOINT_CHECK(value >= least, name, ": expected ", key, " of ", least, " or more, got ", value);
}

}  // namespace adjoint

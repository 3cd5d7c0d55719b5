#include "core/update/schedule_visitors.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/base/error.h"
#include "kernels/learning_rate.h"

namespace adjoint {
namespace {

// Written so that NaN fails each.
bool is_factor(double value) { return value > 0 && value <= 1; }
bool is_factor_below_one(double value) { return value > 0 && value < 1; }
bool is_divisor(double value) { return value >= 1 && std::isfinite(value); }

constexpr const char* kFactor = "a number above 0, at most 1";
constexpr const char* kBelowOne = "a number between 0 and 1";

// "a cycle factor" for the key cycle_factor.
std::string described(const char* key) {
  std::string text = str("a ", key);
  std::ranges::replace(text, '_', ' ');
  return text;
}

}  // namespace

void ScheduleReader::final_rate(double& value) const {
  value = options.number("final_lr", value);
  options.require(value >= 0 && value <= rate, "final_lr",
                  str("a number from 0 to optim.lr, ", rate));
}

void ScheduleReader::factor(const char* key, double& value, bool may_be_one) const {
  number(key, value, may_be_one ? is_factor : is_factor_below_one,
         may_be_one ? kFactor : kBelowOne);
}

void ScheduleReader::required_factor(const char* key, double& value) const {
  value = options.number(key);
  factor(key, value);
}

void ScheduleReader::part(const char* key, double& value) const {
  number(key, value, is_factor_below_one, kBelowOne);
}

void ScheduleReader::divisor(const char* key, double& value) const {
  number(key, value, is_divisor, "a number of at least 1");
}

void ScheduleReader::required_steps(const char* key, std::uint64_t& value,
                                    const char* /*what*/) const {
  value = static_cast<std::uint64_t>(options.integer(key));
  steps(key, value, 1);
}

void ScheduleReader::milestones(const char* key, std::vector<std::uint64_t>& values,
                                std::uint64_t warmup_steps) const {
  const std::vector<std::int64_t> given = options.integers(key);
  options.require(!given.empty() && given.size() <= Schedule::kMilestones &&
                      std::ranges::is_sorted(given, std::ranges::less_equal{}) &&
                      given[0] > static_cast<std::int64_t>(warmup_steps),
                  key,
                  str("1 to ", Schedule::kMilestones,
                      " ascending whole numbers above warmup_steps, ", warmup_steps));
  values.assign(given.begin(), given.end());
}

void ScheduleCheck::fraction(const char* key, double value) const {
  OptionCheck{"Schedule"}.fraction(described(key).c_str(), value);
}

void ScheduleCheck::positive(const char* key, double value) const {
  OptionCheck{"Schedule"}.positive(key, value);
}

void ScheduleCheck::not_negative(const char* key, double value) const {
  OptionCheck{"Schedule"}.not_negative(key, value);
}

void ScheduleCheck::factor(const char* /*key*/, double value, bool may_be_one) const {
  ADJOINT_CHECK(may_be_one ? is_factor(value) : is_factor_below_one(value),
                "Schedule: expected a factor above 0 and ", may_be_one ? "at most 1" : "below 1",
                " for a ", name, " schedule, got ", value);
}

void ScheduleCheck::part(const char* key, double value) const {
  ADJOINT_CHECK(is_factor_below_one(value), "Schedule: expected ", described(key),
                " between 0 and 1, a part of the steps, got ", value);
}

void ScheduleCheck::divisor(const char* key, double value) const {
  ADJOINT_CHECK(is_divisor(value), "Schedule: expected a ", key, " of 1 or more, got ", value);
}

void ScheduleCheck::require(bool condition, const char* key, const char* expected) const {
  OptionCheck{"Schedule"}.require(condition, key, expected);
}

void ScheduleCheck::count(const char* key, std::uint64_t value, std::int64_t least) const {
  if (least > 0) required_steps(key, value, described(key).c_str());
}

void ScheduleCheck::required_steps(const char* /*key*/, std::uint64_t value,
                                   const char* what) const {
  ADJOINT_CHECK(value > 0, "Schedule: expected ", what, " of at least 1 step, got 0");
}

void ScheduleCheck::milestones(const char* /*key*/, const std::vector<std::uint64_t>& values,
                               std::uint64_t warmup_steps) const {
  ADJOINT_CHECK(values.size() <= Schedule::kMilestones, "Schedule: expected at most ",
                Schedule::kMilestones, " milestones, got ", values.size());
  ADJOINT_CHECK(!values.empty() && values[0] != 0, "Schedule: a ", name,
                " schedule needs at least one milestone above 0");
  std::uint64_t last = warmup_steps;
  for (const std::uint64_t milestone : values) {
    ADJOINT_CHECK(milestone > last, "Schedule: expected milestones that ascend and lie ",
                  "beyond the warm-up of ", warmup_steps, " steps, got ", milestone, " after ",
                  last);
    last = milestone;
  }
}

}  // namespace adjoint

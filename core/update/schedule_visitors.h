// Visitors of a schedule's options: those of core/base/option_visitors.h with the bounds that
// rates, factors and milestones have. The keys are those of a recipe's [schedule].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/option_visitors.h"

namespace adjoint {

struct ScheduleReader : OptionReader {
  double rate;  ///< highest, optim.lr

  /// Where the rate ends, in [0, rate], under `final_lr`.
  void final_rate(double& value) const;
  /// What the rate is multiplied by, in (0, 1], or below 1.
  void factor(const char* key, double& value, bool may_be_one = true) const;
  /// The same, and the key must be there.
  void required_factor(const char* key, double& value) const;
  void part(const char* key, double& value) const;     ///< of the steps, in (0, 1)
  void divisor(const char* key, double& value) const;  ///< finite, >= 1
  /// At least 1, and the key must be there. `what` names it in C++: "a period".
  void required_steps(const char* key, std::uint64_t& value, const char* /*what*/) const;
  /// Steps of the run beyond the warm-up, ascending, 1 to Schedule::kMilestones of them.
  void milestones(const char* key, std::vector<std::uint64_t>& values,
                  std::uint64_t warmup_steps) const;
};

struct ScheduleWriter : OptionWriter {
  void final_rate(double value) const { set("final_lr", value); }
  void factor(const char* key, double value, bool /*may_be_one*/ = true) const { set(key, value); }
  void required_factor(const char* key, double value) const { set(key, value); }
  void part(const char* key, double value) const { set(key, value); }
  void divisor(const char* key, double value) const { set(key, value); }
  void required_steps(const char* key, std::uint64_t value, const char* /*what*/) const {
    steps(key, value);
  }
  void milestones(const char* key, const std::vector<std::uint64_t>& values,
                  std::uint64_t /*warmup_steps*/) const {
    set(key, std::vector<std::int64_t>(values.begin(), values.end()));
  }
};

/// What C++ gave, but for rates and the run's length, which check_schedule and check_run check.
struct ScheduleCheck {
  const char* name;  ///< "one-cycle"

  void final_rate(double) const {}
  void fraction(const char* key, double value) const;
  void positive(const char* key, double value) const;
  void not_negative(const char* key, double value) const;
  void factor(const char* key, double value, bool may_be_one = true) const;
  void required_factor(const char* key, double value) const { factor(key, value); }
  void part(const char* key, double value) const;
  void divisor(const char* key, double value) const;
  void flag(const char*, bool) const {}
  void require(bool condition, const char* key, const char* expected) const;
  void count(const char* key, std::uint64_t value, std::int64_t least = 0) const;
  void steps(const char* key, std::uint64_t value, std::int64_t least = 0) const {
    count(key, value, least);
  }
  void required_steps(const char* key, std::uint64_t value, const char* what) const;
  void milestones(const char* key, const std::vector<std::uint64_t>& values,
                  std::uint64_t warmup_steps) const;
};

}  // namespace adjoint

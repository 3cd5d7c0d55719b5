// ScheduleOptions: the options of a learning-rate schedule, whatever its kind, as a plain value:
// what recipes read, write and compare, and what becomes the device's Schedule
// (kernels/learning_rate.h) once the rate and the length of the run are known. No device is needed.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "core/base/abi.h"
#include "core/base/error.h"
#include "core/update/schedule_visitors.h"
#include "kernels/learning_rate.h"

namespace adjoint {

/// What a struct of options must have to be one of a schedule's:
///
///   struct HoldOptions {
///     static constexpr const char* kName = "holding";      // in errors: "a holding schedule"
///     static constexpr const char* kType = "hold";         // the kind: type = "hold" in recipes
///     static constexpr std::uint64_t kLeastSteps = 1;      // only if it has an end: see below
///     std::uint64_t warmup_steps = 0;
///     double final = 0;
///     bool operator==(const HoldOptions&) const = default;
///     template <class O, class Visitor>
///     static void visit(O& o, Visitor&& visitor) {         // core/update/schedule_visitors.h
///       visitor.steps("warmup_steps", o.warmup_steps);
///       visitor.final_rate(o.final);
///     }
///     Schedule schedule(double rate, std::uint64_t total_steps) const;
///   };
///
/// schedule() makes the device's form. A kind that ends with the run says how many steps it needs
/// at least after the warm-up, and may have `void fit(std::uint64_t left)` that shortens more than
/// the warm-up to the steps that are left after it.
template <class O>
concept OptionsOfSchedule = requires(const O& o, ScheduleCheck check, double rate,
                                     std::uint64_t total_steps) {
  std::string(O::kName);
  std::string(O::kType);
  { o.warmup_steps } -> std::convertible_to<std::uint64_t>;
  { o.schedule(rate, total_steps) } -> std::same_as<Schedule>;
  O::visit(o, check);
}
&&std::equality_comparable<O>;

/// Throws Error for rates that are negative or not finite, for a final rate above the base rate,
/// and for what the formulas cannot work out. `name` is of the schedule's kind, "one-cycle".
void check_schedule(const Schedule& schedule, std::string_view name = "");

/// Throws Error where run and warm-up leave fewer steps than a kind with an end needs.
void check_run(std::string_view name, std::uint64_t least, std::uint64_t warmup_steps,
               std::uint64_t total_steps);

/// The device's schedule, checked; `rate` is the highest, total_steps the updates of the run, the
/// warm-up's among them, for kinds that have an end. Throws Error for what is out of range or does
/// not fit in the run.
template <OptionsOfSchedule O>
Schedule make_schedule(const O& options, double rate, std::uint64_t total_steps = 0) {
  O::visit(options, ScheduleCheck{O::kName});
  if constexpr (requires { O::kLeastSteps; })
    check_run(O::kName, O::kLeastSteps, options.warmup_steps, total_steps);
  const Schedule schedule = options.schedule(rate, total_steps);
  check_schedule(schedule, O::kName);
  return schedule;
}

/// The same for a run however short: warm-up and what else there is are shortened to what fits. A
/// run cut short, to try something, should not fail for its warm-up.
template <OptionsOfSchedule O>
Schedule make_fitting_schedule(O options, double rate, std::uint64_t total_steps) {
  if constexpr (requires { O::kLeastSteps; }) {
    total_steps = std::max(total_steps, O::kLeastSteps);
    options.warmup_steps = std::min(options.warmup_steps, total_steps - O::kLeastSteps);
  }
  if constexpr (requires { options.fit(total_steps); })
    options.fit(total_steps - options.warmup_steps);
  return make_schedule(options, rate, total_steps);
}

class ScheduleOptions {
 public:
  template <OptionsOfSchedule O>
  ScheduleOptions(const O& options) : held_(std::make_shared<Of<O>>(options)) {}

  std::string kind() const { return held_->kind(); }  ///< "cosine"
  std::uint64_t warmup_steps() const { return held_->warmup_steps(); }

  /// The options of that struct. Throws Error where these are another's.
  template <OptionsOfSchedule O>
  const O& as() const {
    ADJOINT_CHECK(held_->type() == typeid(O), "expected options of the schedule ", O::kType,
                  ", got those of ", kind());
    return static_cast<const Of<O>&>(*held_).options;
  }

  /// The options of this kind that a recipe's table gives, for a highest rate of `rate`. Throws
  /// Error naming place and key for a value out of range.
  ScheduleOptions read(Options& table, double rate) const {
    return ScheduleOptions(held_->read(table, rate));
  }
  /// Sets every key in the table but type.
  void write(Options& table) const { held_->write(table); }

  /// See make_schedule and make_fitting_schedule.
  Schedule schedule(double rate, std::uint64_t total_steps) const {
    return held_->schedule(rate, total_steps);
  }
  Schedule fitting_schedule(double rate, std::uint64_t total_steps) const {
    return held_->fitting_schedule(rate, total_steps);
  }

  bool operator==(const ScheduleOptions& other) const {
    return held_->type() == other.held_->type() && held_->equals(*other.held_);
  }

 private:
  struct Held {
    virtual ~Held() = default;
    virtual const std::type_info& type() const = 0;
    virtual std::string kind() const = 0;
    virtual std::uint64_t warmup_steps() const = 0;
    virtual std::shared_ptr<const Held> read(Options& table, double rate) const = 0;
    virtual void write(Options& table) const = 0;
    virtual Schedule schedule(double rate, std::uint64_t total_steps) const = 0;
    virtual Schedule fitting_schedule(double rate, std::uint64_t total_steps) const = 0;
    virtual bool equals(const Held& same_type) const = 0;
  };
  template <class O>
  struct Of;

  explicit ScheduleOptions(std::shared_ptr<const Held> held) : held_(std::move(held)) {}

  std::shared_ptr<const Held> held_;  ///< never changed
};

template <class O>
struct ScheduleOptions::Of : Held {
  explicit Of(const O& options) : options(options) {}

  const std::type_info& type() const override { return typeid(O); }
  std::string kind() const override { return O::kType; }
  std::uint64_t warmup_steps() const override { return options.warmup_steps; }
  std::shared_ptr<const Held> read(Options& table, double rate) const override {
    O given;
    O::visit(given, ScheduleReader{{table}, rate});
    return std::make_shared<Of>(given);
  }
  void write(Options& table) const override { O::visit(options, ScheduleWriter{{table}}); }
  Schedule schedule(double rate, std::uint64_t total_steps) const override {
    return make_schedule(options, rate, total_steps);
  }
  Schedule fitting_schedule(double rate, std::uint64_t total_steps) const override {
    return make_fitting_schedule(options, rate, total_steps);
  }
  bool equals(const Held& same_type) const override {
    return options == static_cast<const Of&>(same_type).options;
  }

  const O options;
};

/// Enters options with their defaults as a schedule's kind. Never throws, being called while
/// libraries are loaded; the same struct may be entered by several of them. Another one of that
/// kind, or one that was compiled otherwise than the program (core/base/abi.h), makes the kind an
/// error for whoever looks it up. The file that defines a schedule ends with
///
///   const bool registered = register_schedule(HoldOptions{});
template <OptionsOfSchedule O>
bool register_schedule(const O& defaults, const char* abi = kAbiTag);

/// For register_schedule.
bool enter_schedule(const std::string& kind, const ScheduleOptions& defaults, const char* abi);

/// Kinds that were entered, each once: "constant", ...
std::vector<std::string> schedule_kinds();
/// The defaults of a kind. Throws Error for a kind that is unknown, naming the nearest, that two
/// schedules claim, or that was compiled otherwise.
ScheduleOptions default_schedule_options(const std::string& kind);

template <OptionsOfSchedule O>
bool register_schedule(const O& defaults, const char* abi) {
  return enter_schedule(O::kType, defaults, abi);
}

}  // namespace adjoint

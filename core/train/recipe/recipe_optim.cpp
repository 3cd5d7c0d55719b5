#include "core/train/recipe/recipe_optim.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace adjoint {
namespace {

constexpr const char* kPositive = "a positive number";
constexpr const char* kNotNegative = "a number of at least 0";
constexpr const char* kUnitInterval = "a number from 0 to below 1";

// Written so that NaN fails each.
bool positive(double value) { return value > 0 && std::isfinite(value); }
bool not_negative(double value) { return value >= 0 && std::isfinite(value); }
bool in_unit_interval(double value) { return value >= 0 && value < 1; }
bool above_zero_to_one(double value) { return value > 0 && value <= 1; }
bool between_zero_and_one(double value) { return value > 0 && value < 1; }
bool at_least_one(double value) { return value >= 1 && std::isfinite(value); }

std::int64_t count(Options& options, const std::string& key, std::int64_t fallback,
                   std::int64_t least) {
  const std::int64_t value = options.integer(key, fallback);
  options.require(value >= least, key, str("a whole number of at least ", least));
  return value;
}

void number(Options& options, const std::string& key, double& value, bool (*valid)(double),
            const char* expected) {
  value = options.number(key, value);
  options.require(valid(value), key, expected);
}

std::string line(const std::string& key, const OptionValue& value) {
  return str(key, " = ", toml_text(value), "\n");
}

// ---- methods: the same visits read and write.

struct Reader {
  Options& options;

  void fraction(const char* key, double& value) const {
    number(options, key, value, in_unit_interval, kUnitInterval);
  }
  void not_negative(const char* key, double& value) const {
    number(options, key, value, adjoint::not_negative, kNotNegative);
  }
  void positive(const char* key, double& value) const {
    number(options, key, value, adjoint::positive, kPositive);
  }
  void epsilon(double& value) const { positive("epsilon", value); }
  void flag(const char* key, bool& value) const { value = options.flag(key, value); }
  void betas(double& beta1, double& beta2) const {
    const auto betas = options.numbers("betas", {beta1, beta2});
    options.require(betas.size() == 2 && std::ranges::all_of(betas, in_unit_interval), "betas",
                    "two numbers from 0 to below 1");
    beta1 = betas[0];
    beta2 = betas[1];
  }
  void require(bool condition, const char* key, const char* expected) const {
    options.require(condition, key, expected);
  }
};

struct Writer {
  std::string& text;

  void fraction(const char* key, double value) const { text += line(key, value); }
  void not_negative(const char* key, double value) const { text += line(key, value); }
  void positive(const char* key, double value) const { text += line(key, value); }
  void epsilon(double value) const { text += line("epsilon", value); }
  void flag(const char* key, bool value) const { text += line(key, value); }
  void betas(double beta1, double beta2) const {
    text += line("betas", std::vector<double>{beta1, beta2});
  }
  void require(bool, const char*, const char*) const {}
};

OptimizerMethod recipe_method(const std::string& type) {
  for (const OptimizerMethod& method : optimizer_methods()) {
    if (method_type(method) != type) continue;
    if (type == SgdOptions::kType) return SgdOptions{.momentum = 0.9};
    return method;
  }
  ADJOINT_FAIL("no method of type ", type);
}

std::vector<std::string> method_types() {
  std::vector<std::string> types;
  for (const OptimizerMethod& method : optimizer_methods()) types.push_back(method_type(method));
  return types;
}

ParameterGroup read_group(Options options) {
  ParameterGroup group;
  group.rank = options.optional_integer("rank");
  options.require(!group.rank || *group.rank >= 0, "rank", "a whole number of at least 0");
  // A group says by one or the other which parameters are its own.
  group.match = group.rank ? options.text("match", group.match) : options.text("match");
  group.weight_decay = options.optional_number("weight_decay");
  options.require(!group.weight_decay || not_negative(*group.weight_decay), "weight_decay",
                  kNotNegative);
  number(options, "lr_scale", group.lr_scale, not_negative, kNotNegative);
  options.finish();
  return group;
}

std::string groups_text(const std::vector<ParameterGroup>& groups) {
  std::string text = "groups = [\n";
  for (const ParameterGroup& group : groups) {
    text += str("  {match = ", toml_text(group.match));
    if (group.rank) text += str(", rank = ", *group.rank);
    if (group.weight_decay) text += str(", weight_decay = ", toml_text(*group.weight_decay));
    text += str(", lr_scale = ", toml_text(group.lr_scale), "},\n");
  }
  return text + "]\n";
}

// ---- schedules

const std::vector<std::string>& schedule_types() {
  static const std::vector<std::string> types = {
      "constant",        "step",      "multi_step",          "exponential", "polynomial", "cosine",
      "cosine_restarts", "one_cycle", "warmup_stable_decay", "plateau"};
  return types;
}

/// Visits the keys of a schedule's type: what is read, written and known stands here once.
template <class Recipe, class Visitor>
void visit_schedule(Recipe& s, const Visitor& visit) {
  const std::string& type = s.type;
  const bool falls_by = type == "step" || type == "multi_step" || type == "plateau";
  if (type == "polynomial" || type == "cosine" || type == "cosine_restarts" ||
      type == "warmup_stable_decay" || type == "plateau")
    visit.final_lr(s.final_lr);
  if (falls_by || type == "exponential") visit.gamma(s.gamma, falls_by, type != "plateau");
  if (type == "step") visit.required("period", s.period);
  if (type == "multi_step") visit.milestones(s.milestones);
  if (type == "polynomial" || type == "warmup_stable_decay") visit.positive("power", s.power);
  if (type == "cosine_restarts") {
    visit.required("cycle", s.cycle);
    visit.count("cycle_factor", s.cycle_factor, 1);
  }
  if (type == "one_cycle") {
    visit.part("rise", s.rise);
    visit.divisor("start_divisor", s.start_divisor);
    visit.divisor("final_divisor", s.final_divisor);
  }
  if (type == "warmup_stable_decay") visit.count("decay_steps", s.decay_steps, 0);
  if (type == "plateau") {
    visit.count("patience", s.patience, 0);
    visit.count("cooldown", s.cooldown, 0);
    visit.fraction("threshold", s.threshold);
  }
}

struct ScheduleReader {
  Options& options;
  double lr;
  std::int64_t warmup_steps;

  void final_lr(double& value) const {
    value = options.number("final_lr", value);
    options.require(value >= 0 && value <= lr, "final_lr",
                    str("a number from 0 to optim.lr, ", lr));
  }
  void gamma(double& value, bool has_default, bool may_be_one) const {
    value = has_default ? options.number("gamma", value) : options.number("gamma");
    options.require(may_be_one ? above_zero_to_one(value) : between_zero_and_one(value), "gamma",
                    may_be_one ? "a number above 0, at most 1" : "a number between 0 and 1");
  }
  void required(const char* key, std::int64_t& value) const {
    value = options.integer(key);
    options.require(value >= 1, key, "a whole number of at least 1");
  }
  void milestones(std::vector<std::int64_t>& values) const {
    values = options.integers("milestones");
    options.require(!values.empty() && values.size() <= Schedule::kMilestones &&
                        std::ranges::is_sorted(values, std::ranges::less_equal{}) &&
                        values[0] > warmup_steps,
                    "milestones",
                    str("1 to ", Schedule::kMilestones,
                        " ascending whole numbers above warmup_steps, ", warmup_steps));
  }
  void positive(const char* key, double& value) const {
    number(options, key, value, adjoint::positive, kPositive);
  }
  void fraction(const char* key, double& value) const {
    number(options, key, value, in_unit_interval, kUnitInterval);
  }
  void part(const char* key, double& value) const {
    number(options, key, value, between_zero_and_one, "a number between 0 and 1");
  }
  void divisor(const char* key, double& value) const {
    number(options, key, value, at_least_one, "a number of at least 1");
  }
  void count(const char* key, std::int64_t& value, std::int64_t least) const {
    value = adjoint::count(options, key, value, least);
    options.require(value <= std::numeric_limits<std::int32_t>::max(), key,
                    "a whole number of 31 bits");
  }
};

struct ScheduleWriter {
  std::string& text;

  void final_lr(double value) const { text += line("final_lr", value); }
  void gamma(double value, bool, bool) const { text += line("gamma", value); }
  void required(const char* key, std::int64_t value) const { text += line(key, value); }
  void milestones(const std::vector<std::int64_t>& values) const {
    text += line("milestones", values);
  }
  void positive(const char* key, double value) const { text += line(key, value); }
  void fraction(const char* key, double value) const { text += line(key, value); }
  void part(const char* key, double value) const { text += line(key, value); }
  void divisor(const char* key, double value) const { text += line(key, value); }
  void count(const char* key, std::int64_t value, std::int64_t) const { text += line(key, value); }
};

}  // namespace

OptimizerRecipe read_optimizer(Options& options, const std::vector<Options>& groups) {
  OptimizerRecipe optim;
  optim.type = options.choice("type", optim.type, method_types());
  optim.method = recipe_method(optim.type);
  std::visit(
      [&](auto& method) {
        number(options, "lr", method.learning_rate, positive, kPositive);
        method.visit(method, Reader{options});
        optim.lr = method.learning_rate;
      },
      optim.method);
  number(options, "clip_norm", optim.clip_norm, not_negative, kNotNegative);
  number(options, "clip_value", optim.clip_value, not_negative, kNotNegative);
  optim.check_gradient = options.flag("check_gradient", optim.check_gradient);
  optim.accumulate = count(options, "accumulate", optim.accumulate, 1);
  number(options, "ema", optim.ema, in_unit_interval, kUnitInterval);
  optim.ema_warmup = options.flag("ema_warmup", optim.ema_warmup);
  optim.loss_scale = options.optional_number("loss_scale");
  options.require(!optim.loss_scale || positive(*optim.loss_scale), "loss_scale", kPositive);
  optim.growth_interval = count(options, "growth_interval", optim.growth_interval, 1);
  options.require(optim.growth_interval <= std::numeric_limits<std::int32_t>::max(),
                  "growth_interval", "a whole number of 31 bits");
  for (const Options& group : groups) optim.groups.push_back(read_group(group));
  options.finish();
  return optim;
}

std::string optimizer_text(const OptimizerRecipe& optim) {
  std::string text = str("[optim]\n", line("type", optim.type), line("lr", optim.lr));
  std::visit([&](const auto& method) { method.visit(method, Writer{text}); }, optim.method);
  text += str(line("clip_norm", optim.clip_norm), line("clip_value", optim.clip_value),
              line("check_gradient", optim.check_gradient), line("accumulate", optim.accumulate),
              line("ema", optim.ema), line("ema_warmup", optim.ema_warmup));
  if (optim.loss_scale) text += line("loss_scale", *optim.loss_scale);
  text += line("growth_interval", optim.growth_interval);
  return optim.groups.empty() ? text : text + groups_text(optim.groups);
}

ScheduleRecipe read_schedule(Options& options, double lr) {
  ScheduleRecipe schedule;
  schedule.type = options.choice("type", schedule.type, schedule_types());
  schedule.warmup_steps = count(options, "warmup_steps", schedule.warmup_steps, 0);
  visit_schedule(schedule, ScheduleReader{options, lr, schedule.warmup_steps});
  options.finish();
  return schedule;
}

std::string schedule_text(const ScheduleRecipe& schedule) {
  std::string text =
      str("[schedule]\n", line("type", schedule.type), line("warmup_steps", schedule.warmup_steps));
  visit_schedule(schedule, ScheduleWriter{text});
  return text;
}

Schedule build_schedule(const ScheduleRecipe& s, double lr, std::int64_t total_steps) {
  const auto number = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  const std::uint64_t total = number(total_steps), asked = number(s.warmup_steps);
  if (s.type == "constant") return constant(lr, {.warmup_steps = asked});
  if (s.type == "step") return step_decay(lr, number(s.period), s.gamma, {.warmup_steps = asked});
  if (s.type == "multi_step")
    return multi_step(lr, {s.milestones.begin(), s.milestones.end()}, s.gamma,
                      {.warmup_steps = asked});
  if (s.type == "exponential") return exponential(lr, s.gamma, {.warmup_steps = asked});
  if (s.type == "cosine_restarts")
    return cosine_restarts(
        lr, number(s.cycle),
        {.warmup_steps = asked, .final = s.final_lr, .cycle_factor = number(s.cycle_factor)});
  if (s.type == "plateau")
    return plateau(lr, {.warmup_steps = asked,
                        .factor = s.gamma,
                        .patience = static_cast<std::uint32_t>(s.patience),
                        .cooldown = static_cast<std::uint32_t>(s.cooldown),
                        .threshold = s.threshold,
                        .final = s.final_lr});
  if (s.type == "one_cycle")
    return one_cycle(lr, std::max<std::uint64_t>(total, 2),
                     {.warmup_steps = std::min(asked, std::max<std::uint64_t>(total, 2) - 2),
                      .rise = s.rise,
                      .start_divisor = s.start_divisor,
                      .final_divisor = s.final_divisor});
  const std::uint64_t warmup = std::min(asked, total - 1), left = total - warmup;
  if (s.type == "polynomial")
    return polynomial(lr, total, {.warmup_steps = warmup, .final = s.final_lr, .power = s.power});
  if (s.type == "cosine") return cosine(lr, total, {.warmup_steps = warmup, .final = s.final_lr});
  const std::uint64_t decay = s.decay_steps > 0 ? number(s.decay_steps) : (left + 4) / 5;
  return warmup_stable_decay(lr, total, std::min(decay, left),
                             {.warmup_steps = warmup, .final = s.final_lr, .power = s.power});
}

}  // namespace adjoint

#include "core/train/recipe/recipe_optim.h"

#include "core/base/error.h"
#include "core/base/option_visitors.h"
#include "core/train/recipe/recipe_tables.h"

namespace adjoint {
namespace {

/// What is entered under the kind that `type` says.
template <class Defaults>
auto of_type(Options& options, const std::string& fallback, const std::vector<std::string>& kinds,
             const Defaults& defaults) {
  const std::string kind = options.choice("type", fallback, kinds);
  try {
    return defaults(kind);
  } catch (const Error& error) {
    options.reject("type", error.message());
  }
}

/// What every rule is told besides.
template <class Recipe, class Visitor>
void visit_optimizer(Recipe& o, const Visitor& visitor) {
  visitor.not_negative("clip_norm", o.clip_norm);
  visitor.not_negative("clip_value", o.clip_value);
  visitor.flag("check_gradient", o.check_gradient);
  visitor.steps("accumulate", o.accumulate, 1);
  visitor.fraction("ema", o.ema);
  visitor.flag("ema_warmup", o.ema_warmup);
  visitor.optional_positive("loss_scale", o.loss_scale);
  visitor.count("growth_interval", o.growth_interval, 1);
}

ParameterGroup read_group(Options options) {
  const OptionReader reader{options};
  ParameterGroup group;
  group.rank = options.optional_integer("rank");
  options.require(!group.rank || *group.rank >= 0, "rank", "a whole number of at least 0");
  // A group says by one or the other which parameters are its own.
  group.match = group.rank ? options.text("match", group.match) : options.text("match");
  reader.optional_not_negative("weight_decay", group.weight_decay);
  reader.not_negative("lr_scale", group.lr_scale);
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

}  // namespace

OptimizerRecipe read_optimizer(Options& options, const std::vector<Options>& groups) {
  OptimizerRecipe optim;
  optim.rule =
      of_type(options, optim.rule.kind(), rule_kinds(), default_rule_options).read(options);
  optim.lr = optim.rule.learning_rate();
  visit_optimizer(optim, OptionReader{options});
  for (const Options& group : groups) optim.groups.push_back(read_group(group));
  options.finish();
  return optim;
}

std::string optimizer_text(const OptimizerRecipe& optim) {
  Options table("[optim]");
  table.set("type", optim.rule.kind());
  table.set("lr", optim.lr);
  optim.rule.write(table);
  visit_optimizer(optim, OptionWriter{table});
  const std::string text = toml_table(table);
  return optim.groups.empty() ? text : text + groups_text(optim.groups);
}

ScheduleOptions read_schedule(Options& options, double lr) {
  ScheduleOptions schedule =
      of_type(options, "constant", schedule_kinds(), default_schedule_options).read(options, lr);
  options.finish();
  return schedule;
}

std::string schedule_text(const ScheduleOptions& schedule) {
  Options table("[schedule]");
  table.set("type", schedule.kind());
  schedule.write(table);
  return toml_table(table);
}

}  // namespace adjoint

// RuleOptions: the options of an update rule, whatever its kind, as a plain value: what recipes
// read, write and compare without a device. How such a rule is launched is entered beside it, once
// a backend (core/update/update_rule.h).
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include "core/base/abi.h"
#include "core/base/error.h"
#include "core/base/option_visitors.h"

namespace adjoint {

/// What a struct of options must have to be one of an update rule's:
///
///   struct SignOptions {
///     static constexpr const char* kName = "Sign";  // in reports and errors
///     static constexpr const char* kType = "sign";  // the kind: type = "sign" in recipes
///     double learning_rate = 1e-3;                  // `lr` in recipes; visit() leaves it out
///     double weight_decay = 0;
///     bool operator==(const SignOptions&) const = default;
///     template <class O, class Visitor>
///     static void visit(O& o, Visitor&& visitor) {  // core/base/option_visitors.h
///       visitor.not_negative("weight_decay", o.weight_decay);
///     }
///   };
///
/// and, where recipes begin with other values than C++, `static SignOptions recipe_defaults()`.
template <class O>
concept OptionsOfRule = requires(const O& o, OptionCheck check) {
  std::string(O::kName);
  std::string(O::kType);
  { o.learning_rate } -> std::convertible_to<double>;
  { o.weight_decay } -> std::convertible_to<double>;
  O::visit(o, check);
}
&&std::equality_comparable<O>;

class RuleOptions {
 public:
  template <OptionsOfRule O>
  RuleOptions(const O& options) : held_(std::make_shared<Of<O>>(options)) {}

  std::string kind() const { return held_->kind(); }  ///< "adamw"
  std::string name() const { return held_->name(); }  ///< "AdamW"
  double learning_rate() const { return held_->learning_rate(); }
  double weight_decay() const { return held_->weight_decay(); }

  /// The options of that struct. Throws Error where these are another's.
  template <OptionsOfRule O>
  const O& as() const {
    ADJOINT_CHECK(held_->type() == typeid(O), "expected options of the update rule ", O::kName,
                  ", got those of ", name());
    return static_cast<const Of<O>&>(*held_).options;
  }

  /// The options of this kind that a recipe's table gives, `lr` among them; what it leaves out is
  /// as recipes have it. Throws Error naming place and key for a value out of range.
  RuleOptions read(Options& table) const { return RuleOptions(held_->read(table)); }
  /// Sets every key in the table but type and lr.
  void write(Options& table) const { held_->write(table); }
  /// Throws Error naming rule and option for an option out of range.
  void check() const { held_->check(); }

  bool operator==(const RuleOptions& other) const {
    return held_->type() == other.held_->type() && held_->equals(*other.held_);
  }

 private:
  struct Held {
    virtual ~Held() = default;
    virtual const std::type_info& type() const = 0;
    virtual std::string kind() const = 0;
    virtual std::string name() const = 0;
    virtual double learning_rate() const = 0;
    virtual double weight_decay() const = 0;
    virtual std::shared_ptr<const Held> read(Options& table) const = 0;
    virtual void write(Options& table) const = 0;
    virtual void check() const = 0;
    virtual bool equals(const Held& same_type) const = 0;
  };
  template <class O>
  struct Of;

  explicit RuleOptions(std::shared_ptr<const Held> held) : held_(std::move(held)) {}

  std::shared_ptr<const Held> held_;  ///< never changed
};

template <class O>
struct RuleOptions::Of : Held {
  explicit Of(const O& options) : options(options) {}

  const std::type_info& type() const override { return typeid(O); }
  std::string kind() const override { return O::kType; }
  std::string name() const override { return O::kName; }
  double learning_rate() const override { return options.learning_rate; }
  double weight_decay() const override { return options.weight_decay; }
  std::shared_ptr<const Held> read(Options& table) const override {
    O given;
    if constexpr (requires { O::recipe_defaults(); }) given = O::recipe_defaults();
    const OptionReader reader{table};
    reader.positive("lr", given.learning_rate);
    O::visit(given, reader);
    return std::make_shared<Of>(given);
  }
  void write(Options& table) const override { O::visit(options, OptionWriter{table}); }
  void check() const override { O::visit(options, OptionCheck{O::kName}); }
  bool equals(const Held& same_type) const override {
    return options == static_cast<const Of&>(same_type).options;
  }

  const O options;
};

/// Enters options with their defaults as an update rule's kind. Never throws, being called while
/// libraries are loaded; the same struct may be entered by several of them. Another one of that
/// kind, or one that was compiled otherwise than the program (core/base/abi.h), makes the kind an
/// error for whoever looks it up.
template <OptionsOfRule O>
bool register_rule_options(const O& defaults, const char* abi = kAbiTag);

/// For register_rule_options.
bool enter_rule_options(const std::string& kind, const RuleOptions& defaults, const char* abi);

/// Kinds that were entered, each once: "adamw", ...
std::vector<std::string> rule_kinds();
/// The defaults of a kind, as C++ has them. Throws Error for a kind that is unknown, naming the
/// nearest, that two rules claim, or that was compiled otherwise.
RuleOptions default_rule_options(const std::string& kind);

template <OptionsOfRule O>
bool register_rule_options(const O& defaults, const char* abi) {
  return enter_rule_options(O::kType, defaults, abi);
}

}  // namespace adjoint

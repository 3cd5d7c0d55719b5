// Visitors of a struct of options. The struct says once, in a function
//
//   template <class O, class Visitor>
//   static void visit(O& o, Visitor&& visitor) {
//     visitor.fraction("momentum", o.momentum);
//     visitor.flag("nesterov", o.nesterov);
//   }
//
// which keys it has and between what bounds. OptionReader reads it from a table of a recipe,
// OptionWriter sets it with every default filled in, OptionCheck checks what C++ gave. Whoever
// needs another bound derives visitors from these (core/update/schedule_visitors.h).
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/options.h"

namespace adjoint {

/// Reads each member from its key; what is left out stays as it is. Throws Error naming place and
/// key for a value out of range, NaN among them.
struct OptionReader {
  Options& options;

  void fraction(const char* key, double& value) const;      ///< in [0, 1)
  void not_negative(const char* key, double& value) const;  ///< finite, >= 0
  void positive(const char* key, double& value) const;      ///< finite, > 0
  void epsilon(double& value) const { positive("epsilon", value); }
  void optional_not_negative(const char* key, std::optional<double>& value) const;
  void optional_positive(const char* key, std::optional<double>& value) const;
  /// Two fractions, in a recipe betas = [0.9, 0.999].
  void betas(double& beta1, double& beta2) const;
  void flag(const char* key, bool& value) const;
  /// A whole number of 31 bits, at least `least`.
  template <std::integral T>
  void count(const char* key, T& value, std::int64_t least = 0) const {
    value = static_cast<T>(read_count(key, static_cast<std::int64_t>(value), least));
  }
  /// A whole number of any size, at least `least`.
  template <std::integral T>
  void steps(const char* key, T& value, std::int64_t least = 0) const {
    value = static_cast<T>(read_steps(key, static_cast<std::int64_t>(value), least));
  }
  /// What must hold between members; the message says what was `expected` of `key`.
  void require(bool condition, const char* key, const char* expected) const;

 protected:
  std::int64_t read_count(const char* key, std::int64_t fallback, std::int64_t least) const;
  std::int64_t read_steps(const char* key, std::int64_t fallback, std::int64_t least) const;
  void number(const char* key, double& value, bool (*valid)(double), const char* expected) const;
};

/// Sets each member in `table`.
struct OptionWriter {
  Options& table;

  void fraction(const char* key, double value) const { set(key, value); }
  void not_negative(const char* key, double value) const { set(key, value); }
  void positive(const char* key, double value) const { set(key, value); }
  void epsilon(double value) const { set("epsilon", value); }
  void optional_not_negative(const char* key, const std::optional<double>& value) const {
    if (value) set(key, *value);
  }
  void optional_positive(const char* key, const std::optional<double>& value) const {
    if (value) set(key, *value);
  }
  void betas(double beta1, double beta2) const;
  void flag(const char* key, bool value) const { set(key, value); }
  template <std::integral T>
  void count(const char* key, T value, std::int64_t /*least*/ = 0) const {
    set(key, static_cast<std::int64_t>(value));
  }
  template <std::integral T>
  void steps(const char* key, T value, std::int64_t /*least*/ = 0) const {
    set(key, static_cast<std::int64_t>(value));
  }
  void require(bool /*condition*/, const char* /*key*/, const char* /*expected*/) const {}

  void set(const char* key, const OptionValue& value) const { table.set(key, value); }
};

/// Throws Error, beginning with `name`, for a member out of range: "AdamW: expected ...".
struct OptionCheck {
  const char* name;

  void fraction(const char* key, double value) const;
  void not_negative(const char* key, double value) const;
  void positive(const char* key, double value) const;
  void epsilon(double value) const { positive("epsilon", value); }
  void optional_not_negative(const char* key, const std::optional<double>& value) const {
    if (value) not_negative(key, *value);
  }
  void optional_positive(const char* key, const std::optional<double>& value) const {
    if (value) positive(key, *value);
  }
  void betas(double beta1, double beta2) const;
  void flag(const char* /*key*/, bool /*value*/) const {}
  template <std::integral T>
  void count(const char* key, T value, std::int64_t least = 0) const {
    at_least(key, static_cast<std::int64_t>(value), least);
  }
  template <std::integral T>
  void steps(const char* key, T value, std::int64_t least = 0) const {
    at_least(key, static_cast<std::int64_t>(value), least);
  }
  void require(bool condition, const char* key, const char* expected) const;

 private:
  void at_least(const char* key, std::int64_t value, std::int64_t least) const;
};

}  // namespace adjoint

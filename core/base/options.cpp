#include "core/base/options.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

constexpr std::string_view kInteger = "a whole number";
constexpr std::string_view kNumber = "a number";
constexpr std::string_view kFlag = "true or false";
constexpr std::string_view kText = "text in quotes";
constexpr std::string_view kIntegers = "a list of whole numbers";
constexpr std::string_view kNumbers = "a list of numbers";
constexpr std::string_view kNames = "text in quotes, a whole number, or a list of these";

// Values as messages show them: texts in quotes, numbers that are not whole with a point.
std::string shown(bool value) { return value ? "true" : "false"; }
std::string shown(std::int64_t value) { return std::to_string(value); }
std::string shown(double value) { return number_text(value); }
std::string shown(const std::string& value) { return str('"', printable(value), '"'); }
template <class T>
std::string shown(const std::vector<T>& values) {
  std::vector<std::string> parts;
  parts.reserve(values.size());
  for (const T& value : values) parts.push_back(shown(value));
  return str("[", join(parts, ", "), "]");
}

/// What was found instead: "the text \"fast\"".
std::string found(const OptionValue& value) {
  constexpr std::array<const char*, 7> kKinds = {"",          "",          "",         "the text ",
                                                 "the list ", "the list ", "the list "};
  return std::visit([&](const auto& held) { return str(kKinds[value.index()], shown(held)); },
                    value);
}

/// The beginning of a message about something set at `where`.
std::string place(const std::string& where) { return where.empty() ? where : str(where, ": "); }

// The value as a T, where it is one or is exactly representable as one.
template <class T>
std::optional<T> converted(const OptionValue& value) {
  if (const T* same = std::get_if<T>(&value)) return *same;
  return std::nullopt;
}

template <>
std::optional<double> converted(const OptionValue& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
  if (const auto* same = std::get_if<double>(&value)) return *same;
  return std::nullopt;
}

template <>
std::optional<std::vector<double>> converted(const OptionValue& value) {
  if (const auto* whole = std::get_if<std::vector<std::int64_t>>(&value)) {
    return std::vector<double>(whole->begin(), whole->end());
  }
  if (const auto* same = std::get_if<std::vector<double>>(&value)) return *same;
  return std::nullopt;
}

}  // namespace

OptionValue name_or_names(const std::vector<std::string>& names) {
  if (names.size() == 1) return names[0];
  return names;
}

Options::Options(std::string owner, std::string where)
    : owner_(std::move(owner)), where_(std::move(where)) {}

void Options::set(const std::string& key, OptionValue value, std::string where) {
  const auto same = std::ranges::find(items_, key, &Item::key);
  if (same != items_.end()) {
    same->value = std::move(value);
    same->where = std::move(where);
  } else {
    items_.push_back({key, std::move(value), std::move(where)});
  }
}

const Options::Item* Options::find(const std::string& key) const {
  const auto item = std::ranges::find(items_, key, &Item::key);
  return item == items_.end() ? nullptr : &*item;
}

const OptionValue* Options::look_up(const std::string& key) {
  asked_.insert(key);
  const Item* item = find(key);
  return item == nullptr ? nullptr : &item->value;
}

void Options::fail_missing(const std::string& key, std::string_view expected) const {
  // The key may be there under a name that is nearly right: better to say so than that it is
  // missing.
  for (const Item& item : items_) {
    const std::vector<std::string> wanted = {key};
    if (!asked_.contains(item.key) && nearest_name(item.key, wanted)) finish();
  }
  ADJOINT_FAIL(place(where_), owner_, " has no ", key, "; expected ", expected);
}

void Options::fail(const std::string& key, std::string_view expected) const {
  const Item* item = find(key);
  if (item == nullptr) {
    ADJOINT_FAIL(place(where_), owner_, " ", key, ": expected ", expected, ", but it is not given");
  }
  ADJOINT_FAIL(place(item->where), owner_, " ", key, ": expected ", expected, ", got ",
               found(item->value));
}

template <class T>
std::optional<T> Options::get(const std::string& key, std::string_view expected) {
  const OptionValue* value = look_up(key);
  if (value == nullptr) return std::nullopt;
  std::optional<T> result = converted<T>(*value);
  // An empty list has no type of its own.
  if constexpr (requires { typename T::allocator_type; }) {
    const auto empty = [](const auto& held) {
      if constexpr (requires { held.empty(); }) return held.empty();
      return false;
    };
    if (!result && value->index() >= 4 && std::visit(empty, *value)) return T{};
  }
  if (!result) fail(key, expected);
  return result;
}

template <class T>
T Options::get_required(const std::string& key, std::string_view expected) {
  std::optional<T> value = get<T>(key, expected);
  if (!value) fail_missing(key, expected);
  return *std::move(value);
}

std::int64_t Options::integer(const std::string& key) {
  return get_required<std::int64_t>(key, kInteger);
}
std::int64_t Options::integer(const std::string& key, std::int64_t fallback) {
  return get<std::int64_t>(key, kInteger).value_or(fallback);
}
double Options::number(const std::string& key) { return get_required<double>(key, kNumber); }
double Options::number(const std::string& key, double fallback) {
  return get<double>(key, kNumber).value_or(fallback);
}
bool Options::flag(const std::string& key) { return get_required<bool>(key, kFlag); }
bool Options::flag(const std::string& key, bool fallback) {
  return get<bool>(key, kFlag).value_or(fallback);
}
std::string Options::text(const std::string& key) { return get_required<std::string>(key, kText); }
std::string Options::text(const std::string& key, const std::string& fallback) {
  return get<std::string>(key, kText).value_or(fallback);
}
std::vector<std::int64_t> Options::integers(const std::string& key) {
  return get_required<std::vector<std::int64_t>>(key, kIntegers);
}
std::vector<std::int64_t> Options::integers(const std::string& key,
                                            const std::vector<std::int64_t>& fallback) {
  return get<std::vector<std::int64_t>>(key, kIntegers).value_or(fallback);
}
std::vector<double> Options::numbers(const std::string& key) {
  return get_required<std::vector<double>>(key, kNumbers);
}
std::vector<double> Options::numbers(const std::string& key, const std::vector<double>& fallback) {
  return get<std::vector<double>>(key, kNumbers).value_or(fallback);
}
std::vector<std::string> Options::names(const std::string& key) {
  const OptionValue* value = look_up(key);
  if (value == nullptr) return {};
  if (const auto* text = std::get_if<std::string>(value)) return {*text};
  if (const auto* number = std::get_if<std::int64_t>(value)) return {std::to_string(*number)};
  if (const auto* texts = std::get_if<std::vector<std::string>>(value)) return *texts;
  const auto* numbers = std::get_if<std::vector<std::int64_t>>(value);
  if (numbers == nullptr) fail(key, kNames);
  std::vector<std::string> found;
  for (const std::int64_t number : *numbers) found.push_back(std::to_string(number));
  return found;
}
std::optional<std::int64_t> Options::optional_integer(const std::string& key) {
  return get<std::int64_t>(key, kInteger);
}
std::optional<std::string> Options::optional_text(const std::string& key) {
  return get<std::string>(key, kText);
}
std::optional<double> Options::optional_number(const std::string& key) {
  return get<double>(key, kNumber);
}

std::int64_t Options::count(const std::string& key, std::int64_t fallback, std::int64_t least) {
  const std::int64_t value = integer(key, fallback);
  require(value >= least, key, str("a whole number of at least ", least));
  return value;
}

double Options::fraction(const std::string& key, double fallback) {
  const double value = number(key, fallback);
  require(value >= 0 && value < 1, key, "a number from 0 to below 1");  // NaN fails
  return value;
}

std::string Options::choice(const std::string& key, const std::string& fallback,
                            const std::vector<std::string>& choices) {
  std::string value = text(key, fallback);
  if (std::ranges::find(choices, value) != choices.end()) return value;
  reject(key, str("unknown '", value, "'", did_you_mean(value, choices)));
}

void Options::require(bool condition, const std::string& key, std::string_view expected) const {
  if (!condition) fail(key, expected);
}

void Options::reject(const std::string& key, std::string_view why) const {
  const Item* item = find(key);
  ADJOINT_FAIL(place(item == nullptr ? where_ : item->where), owner_, " ", key, ": ", why);
}

void Options::refuse(const std::string& key, std::string_view why) {
  if (look_up(key) != nullptr) reject(key, str("has no effect ", why, "; leave it out"));
}

void Options::refuse_unless(const std::string& key, const OptionValue& idle, std::string_view why) {
  const OptionValue* value = look_up(key);
  if (value == nullptr) return;
  const auto number = converted<double>(*value), idle_number = converted<double>(idle);
  // 0 says what 0.0 does.
  if (*value != idle && (!number || number != idle_number)) refuse(key, why);
}

void Options::finish() const {
  const std::vector<std::string> known(asked_.begin(), asked_.end());
  for (const Item& item : items_) {
    ADJOINT_CHECK(asked_.contains(item.key), place(item.where), owner_, " has no key '", item.key,
                  "'", did_you_mean(item.key, known));
  }
}

}  // namespace adjoint

// A table of settings as a recipe gives it: [optim], or { type = "linear", out = 512 }. Whoever the
// table is for asks for its keys by name and type and then calls finish(), which reports keys
// nobody asked for with the nearest name that was: a misspelt key is an error without a list of
// keys kept anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace adjoint {

using OptionValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                                 std::vector<double>, std::vector<std::string>>;

/// What Options::names() reads to these: a text where there is one, else a list.
OptionValue name_or_names(const std::vector<std::string>& names);

class Options {
 public:
  struct Item {
    std::string key;
    OptionValue value;
    /// Where it was set, for messages: "digits.toml, line 12".
    std::string where;
  };

  Options() = default;
  /// `owner` is what messages call the table: "[optim]", "layer 2 (linear)". `where` is where it
  /// stands.
  explicit Options(std::string owner, std::string where = {});

  /// Adds or replaces.
  void set(const std::string& key, OptionValue value, std::string where = {});

  /// Each returns the value of a key; without a fallback a missing key is an error. All throw Error
  /// naming place, key, what was expected and found. A whole number serves where any number is
  /// asked for, and a list of them likewise.
  std::int64_t integer(const std::string& key);
  std::int64_t integer(const std::string& key, std::int64_t fallback);
  double number(const std::string& key);
  double number(const std::string& key, double fallback);
  bool flag(const std::string& key);
  bool flag(const std::string& key, bool fallback);
  std::string text(const std::string& key);
  std::string text(const std::string& key, const std::string& fallback);
  std::vector<std::int64_t> integers(const std::string& key);
  std::vector<std::int64_t> integers(const std::string& key,
                                     const std::vector<std::int64_t>& fallback);
  std::vector<double> numbers(const std::string& key);
  std::vector<double> numbers(const std::string& key, const std::vector<double>& fallback);
  /// Names or numbers of things, one or a list: target = "price", target = [0, 3]. Empty where the
  /// key is missing.
  std::vector<std::string> names(const std::string& key);
  std::optional<std::int64_t> optional_integer(const std::string& key);
  std::optional<std::string> optional_text(const std::string& key);
  std::optional<double> optional_number(const std::string& key);

  /// A whole number of at least `least`.
  std::int64_t count(const std::string& key, std::int64_t fallback, std::int64_t least);
  /// A number from 0 to below 1.
  double fraction(const std::string& key, double fallback);

  /// One of `choices`; the error names the nearest.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& choices);

  /// Throws Error "[optim] lr: expected a positive number, got -1" unless `condition` holds.
  void require(bool condition, const std::string& key, std::string_view expected) const;

  /// Throws Error "[optim] type: " and `why`, beginning with the place where the key was set.
  [[noreturn]] void reject(const std::string& key, std::string_view why) const;

  /// Throws Error "[data] test_part: has no effect beside test; leave it out" where the key is
  /// given: it exists, but nothing would come of it here. `why` is what follows "has no effect".
  void refuse(const std::string& key, std::string_view why);
  /// The same unless the value is what would be so without the key.
  void refuse_unless(const std::string& key, const OptionValue& idle, std::string_view why);

  /// Throws Error for the first key that nothing above was asked for.
  void finish() const;

  bool has(const std::string& key) const { return find(key) != nullptr; }
  /// In the order they were set.
  const std::vector<Item>& items() const { return items_; }
  const std::string& owner() const { return owner_; }
  const std::string& where() const { return where_; }

 private:
  const Item* find(const std::string& key) const;
  /// The value under `key`, remembered as asked for; nullptr where it is missing.
  const OptionValue* look_up(const std::string& key);
  [[noreturn]] void fail_missing(const std::string& key, std::string_view expected) const;
  [[noreturn]] void fail(const std::string& key, std::string_view expected) const;
  template <class T>
  std::optional<T> get(const std::string& key, std::string_view expected);
  template <class T>
  T get_required(const std::string& key, std::string_view expected);

  std::string owner_;
  std::string where_;
  std::vector<Item> items_;
  std::set<std::string> asked_;
};

}  // namespace adjoint

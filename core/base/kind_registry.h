// KindRegistry: what libraries and plugins enter under a name while they are loaded. Nobody could
// catch an error there, so entering never throws: a kind that is taken, or that was compiled
// otherwise than the program, is an error for whoever looks it up.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/abi.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {

template <class Entry>
class KindRegistry {
 public:
  /// `what` is what messages call an entry: "update rule". `abi` is of the library that the
  /// registry is part of.
  explicit KindRegistry(std::string what, const char* abi = kAbiTag)
      : what_(std::move(what)), abi_(abi) {}

  /// Always true, so that it can initialise a variable of the file that enters; `abi` is that
  /// file's. An entry that was compiled otherwise is not looked at: it may lie otherwise in memory.
  bool add(const std::string& kind, const Entry& entry, const char* abi = kAbiTag) {
    std::string difference = abi_difference(abi_, abi);
    entries_.push_back({kind, difference.empty() ? std::optional<Entry>(entry) : std::nullopt,
                        std::move(difference)});
    return true;
  }
  /// The same, but nothing where an equal entry is there: for what several libraries enter.
  bool add_once(const std::string& kind, const Entry& entry, const char* abi = kAbiTag) {
    const bool there =
        abi_difference(abi_, abi).empty() && std::ranges::any_of(entries_, [&](const Held& other) {
          return other.kind == kind && other.entry && *other.entry == entry;
        });
    return there || add(kind, entry, abi);
  }

  /// Each once, in the order they were entered, those that find() refuses among them.
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const Held& held : entries_)
      if (std::ranges::find(kinds, held.kind) == kinds.end()) kinds.push_back(held.kind);
    return kinds;
  }
  /// How often it was entered.
  std::ptrdiff_t count(std::string_view kind) const {
    return std::ranges::count(entries_, kind, &Held::kind);
  }

  /// Why find(kind) throws; empty where it does not.
  std::string problem(std::string_view kind) const {
    const auto times = count(kind);
    if (times == 0) return str("unknown ", what_, " '", kind, "'", did_you_mean(kind, kinds()));
    if (times > 1)
      return str("there are two of kind '", kind, "' for the ", what_,
                 "; rename one of them, or load one plugin without the other");
    const Held& held = *std::ranges::find(entries_, kind, &Held::kind);
    if (held.entry) return "";
    return str(what_, " '", kind, "' was compiled otherwise than this program: ", held.difference,
               "; compile its plugin with the program's headers and flags (CMake target "
               "adjoint_flags), or do not load it");
  }

  /// Throws Error for a kind that is unknown, naming the nearest, that was entered twice, or that
  /// was compiled otherwise.
  const Entry& find(std::string_view kind) const {
    const std::string why = problem(kind);
    ADJOINT_CHECK(why.empty(), why);
    return *std::ranges::find(entries_, kind, &Held::kind)->entry;
  }

 private:
  struct Held {
    std::string kind;
    std::optional<Entry> entry;  ///< nothing where it was compiled otherwise
    std::string difference;
  };
  std::string what_;
  const char* abi_;
  std::vector<Held> entries_;
};

}  // namespace adjoint

// KindRegistry: what libraries and plugins enter under a name while they are loaded. Nobody could
// catch an error there, so entering never throws: a kind that is taken is an error for whoever
// looks it up.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {

template <class Entry>
class KindRegistry {
 public:
  /// `what` is what messages call an entry: "update rule".
  explicit KindRegistry(std::string what) : what_(std::move(what)) {}

  /// Always true, so that it can initialise a variable of the file that enters.
  bool add(const std::string& kind, Entry entry) {
    entries_.emplace_back(kind, std::move(entry));
    return true;
  }
  /// The same, but nothing where an equal entry is there: for what several libraries enter.
  bool add_once(const std::string& kind, Entry entry) {
    const bool there = std::ranges::any_of(
        entries_, [&](const auto& other) { return other.first == kind && other.second == entry; });
    return there || add(kind, std::move(entry));
  }

  /// Each once, in the order they were entered.
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const auto& [kind, entry] : entries_)
      if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
    return kinds;
  }

  /// Throws Error for a kind that is unknown, naming the nearest, or was entered twice.
  const Entry& find(std::string_view kind) const {
    const Entry* found = nullptr;
    for (const auto& [name, entry] : entries_) {
      if (name != kind) continue;
      ADJOINT_CHECK(found == nullptr, "there are two of kind '", kind, "' for the ", what_,
                    "; rename one of them, or load one plugin without the other");
      found = &entry;
    }
    ADJOINT_CHECK(found != nullptr, "unknown ", what_, " '", kind, "'",
                  did_you_mean(kind, kinds()));
    return *found;
  }

 private:
  std::string what_;
  std::vector<std::pair<std::string, Entry>> entries_;
};

}  // namespace adjoint

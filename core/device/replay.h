// Work that is captured once per form and replayed: the first time it runs plainly, because engines
// are chosen and workspaces grow then, the second time it is captured, from then on it is one
// replay.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

template <class Key>
class ReplayCache {
 public:
  /// `body()` puts the work of that form on the stream; what it puts there must depend on `key`
  /// alone.
  template <class Body>
  void run(Stream& stream, const Key& key, Body&& body) {
    Entry& entry = entries_[key];
    if (!entry.ran) {
      body();
      entry.ran = true;
      return;
    }
    if (!entry.captured) {
      entry.work = capture(stream, body);
      entry.captured = true;
    }
    entry.work.replay(stream);
  }

  /// What was captured under the key, by name, in order; empty if nothing was.
  std::vector<std::string> operations(const Key& key) const {
    const auto found = entries_.find(key);
    if (found == entries_.end() || !found->second.captured) return {};
    return found->second.work.operations();
  }

 private:
  struct Entry {
    bool ran = false;
    bool captured = false;
    CapturedWork work;
  };
  std::map<Key, Entry> entries_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "core/base/abi.h"

#include <map>
#include <sstream>

#include "core/base/error.h"

namespace adjoint {
namespace {

std::map<std::string, std::string> entries_of(std::string_view tag) {
  std::map<std::string, std::string> entries;
  std::istringstream text{std::string(tag)};
  for (std::string word; text >> word;) {
    const std::size_t end = word.find('=');
    entries[word.substr(0, end)] = end == std::string::npos ? "" : word.substr(end + 1);
  }
  return entries;
}

}  // namespace

std::string abi_difference(std::string_view expected, std::string_view found) {
  const auto theirs = entries_of(found);
  std::string wanted, given;
  for (const auto& [name, value] : entries_of(expected)) {
    const auto other = theirs.find(name);
    if (other == theirs.end() || other->second == value) continue;
    wanted += str(" ", name, "=", value);
    given += str(" ", name, "=", other->second);
  }
  return wanted.empty() ? "" : str("expected", wanted, ", found", given);
}

}  // namespace adjoint

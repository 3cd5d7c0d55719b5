// What is fuzzed: readers of files that come from strangers. A target takes any bytes, has them
// read, and holds what was read against what the reader promises. Refusing with adjoint::Error is
// right; any other exception, a crash, a sanitizer's report, a hang or memory without bounds is a
// finding. The same functions run under libFuzzer (tools/fuzz) and, over the committed corpora, in
// test_base.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>

#include "core/base/error.h"

namespace adjoint::fuzz {

using Input = std::span<const std::byte>;

void fuzz_csv(Input input);
void fuzz_idx(Input input);
void fuzz_npy(Input input);
void fuzz_npz(Input input);
void fuzz_png(Input input);
void fuzz_recipe(Input input);
void fuzz_safetensors(Input input);

/// The input as text.
inline std::string_view as_text(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

/// A finding, unless `condition` holds.
inline void demand(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

/// The name under which targets hand their input to readers.
inline constexpr const char* kName = "fuzz.input";

/// What `read()` returns; nothing where it refuses, as it must: naming the file or the override, in
/// text that a terminal may be given.
template <std::invocable Read>
auto accepted(const Read& read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const Error& error) {
    const std::string_view message = error.message();
    demand(message.find(kName) != std::string_view::npos || message.starts_with("--set "),
           "an error that does not name the file");
    for (const char c : message)
      demand((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\n' || c == '\t',
             "an error with control characters");
    return std::nullopt;
  }
}

}  // namespace adjoint::fuzz

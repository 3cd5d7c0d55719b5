// Text for messages: the name that was probably meant, sizes for people, joined lists. Error
// messages all over the house end with "did you mean", so the search for the nearest name stands in
// one place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace adjoint {

/// The same with the letters A to Z small.
std::string lower(std::string_view word);

/// Insertions, deletions, substitutions and swaps of neighbours (each character edited at most
/// once) that turn `a` into `b`: the optimal string alignment form of the Damerau-Levenshtein
/// distance.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, ignoring case; none where even the nearest differs in more than
/// a third of its characters. Of equally near ones the first.
std::optional<std::string> nearest_name(std::string_view word,
                                        std::span<const std::string> candidates);

/// The end of a message about an unknown name: "; did you mean 'lr'?", or, where nothing is near,
/// "; known: betas, lr, type" ("; none are known" without candidates).
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// What printf would write: formatted("%.2f ms", 1.5) -> "1.50 ms".
[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...);

/// 1536 -> "1.5 KiB". Exact below 1 KiB, one decimal above, binary units to EiB.
std::string human_bytes(std::uint64_t bytes);

/// The shortest text that reads back as this number, and as no whole number: "0.1", "1.0", "nan".
std::string number_text(double value);

/// join({"a", "b"}, ", ") -> "a, b".
std::string join(std::span<const std::string> parts, std::string_view separator);

/// alternatives({"a", "b", "c"}) -> "a, b or c".
std::string alternatives(std::span<const std::string> parts);

}  // namespace adjoint

// The built-in data set: drawn digits, so that a fresh clone trains without downloading anything.
// Glyphs are strokes of our own, several styles a digit, bent, turned, sheared, scaled and moved at
// random, drawn with a pen of random width and ink, under noise and clutter. A linear model stays
// below 90 % on it (README.md has the measurements), a small network learns it in a few epochs.
#pragma once

#include <cstdint>
#include <span>

#include "core/samples/dataset.h"

namespace adjoint {

inline constexpr std::int64_t kDigitSide = 28;

/// Draws sample `index` of the endless sequence that `seed` names into `pixels`, [28, 28], ink
/// bright on dark, and returns the digit. Depends on nothing but its arguments: the same bits on
/// every machine, for it uses only operations that IEEE 754 rounds exactly.
std::int32_t draw_digit(std::uint64_t seed, std::uint64_t index,
                        std::span<std::uint8_t, kDigitSide * kDigitSide> pixels);

struct DigitsOptions {
  std::int64_t count = 30000;
  std::uint64_t seed = 1;
  /// Index of the first sample in the sequence of `seed`.
  std::uint64_t first = 0;
  /// Threads that draw; 0: one per core. The samples do not depend on it.
  int threads = 0;
};

/// `count` samples, [count, 1, 28, 28] in 10 classes. Throws Error for a negative count.
Dataset draw_digits(const DigitsOptions& options);

/// A training and a test set from parts of the sequence that never meet; a larger training set
/// begins with the smaller one. Throws Error where a count is below 1 or above 2^32.
Datasets make_digits(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed);

}  // namespace adjoint

// What float32 does not hold of a number of a table. A column 1700000000, 1700000001, ... has no
// digits left as float32, which tells 128 of these apart from the next 128; less its mean, it has
// all of them. So readers keep, until a table is normalised (core/samples/statistics.h), the
// nearest float32 of a number and, where that is another number, the rest:
//
//   number = float32 + remainder
//
// exactly, for every double and every whole number of 64 bits. Tables of float32, or of small whole
// numbers, have no remainders and take no memory for them.
#pragma once

#include <cmath>
#include <concepts>
#include <vector>

namespace adjoint {

/// The rest of `number` beside its nearest float32; 0 of NaN.
template <class Number>
double remainder_of(Number number, float nearest) {
  if constexpr (std::integral<Number>) {
    return static_cast<double>(static_cast<__int128>(number) - static_cast<__int128>(nearest));
  } else {
    const double rest = static_cast<double>(number) - nearest;
    return std::isnan(rest) ? 0.0 : rest;
  }
}

/// Appends a number, finite or NaN. `remainders` stays empty as long as all are 0, and is then as
/// long as `values`.
template <class Number>
void append_number(Number number, std::vector<float>& values, std::vector<double>& remainders) {
  const auto nearest = static_cast<float>(number);
  const double rest = remainder_of(number, nearest);
  if (rest != 0 && remainders.empty()) remainders.resize(values.size());
  values.push_back(nearest);
  if (rest != 0 || !remainders.empty()) remainders.push_back(rest);
}

}  // namespace adjoint

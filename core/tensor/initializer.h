// How parameters start. The distributions are those of the papers, by name; the numbers are Philox
// draws keyed by the context's seed and the parameter's place, so that a model starts alike on
// every backend.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/tensor/shape.h"

namespace adjoint {

struct Initializer {
  enum class Kind : std::uint8_t { constant, uniform, normal, truncated_normal, orthogonal };
  /// What the variance is to be divided by; of the parameter's shape, [out, in, ...]: `in` is the
  /// product of all extents but the first, `average` the mean of that and the product of all but
  /// the second.
  enum class Fan : std::uint8_t { none, in, average };

  Kind kind = Kind::constant;
  /// constant: the value. uniform: half the width of [-scale, scale). normal: the standard
  /// deviation. truncated_normal: the standard deviation before truncation at two of them.
  /// orthogonal: the length of rows and columns, see below. With a fan: the gain, the standard
  /// deviation being gain / sqrt(fan).
  float scale = 0.0f;
  Fan fan = Fan::none;

  static Initializer constant(float value) { return {Kind::constant, value}; }
  static Initializer uniform(float bound) { return {Kind::uniform, bound}; }
  static Initializer normal(float deviation) { return {Kind::normal, deviation}; }
  static Initializer truncated_normal(float deviation) {
    return {Kind::truncated_normal, deviation};
  }

  /// He et al. 2015, eq. 10, fan-in mode; gain sqrt(2) suits ReLU.
  static Initializer kaiming_uniform(float gain = 1.41421356f) {
    return {Kind::uniform, gain, Fan::in};
  }
  static Initializer kaiming_normal(float gain = 1.41421356f) {
    return {Kind::normal, gain, Fan::in};
  }
  /// Glorot and Bengio 2010, eq. 16.
  static Initializer xavier_uniform(float gain = 1.0f) {
    return {Kind::uniform, gain, Fan::average};
  }
  static Initializer xavier_normal(float gain = 1.0f) { return {Kind::normal, gain, Fan::average}; }
  /// LeCun et al. 1998, "Efficient BackProp", section 4.6: kaiming's with a gain of 1.
  static Initializer lecun_uniform() { return kaiming_uniform(1.0f); }
  static Initializer lecun_normal() { return kaiming_normal(1.0f); }

  /// Saxe et al. 2014, arXiv:1312.6120, section 3: a parameter [out, in, ...] as a matrix of `out`
  /// rows, drawn evenly from all whose rows, or columns where these are fewer, are at right angles
  /// to each other and of length `gain`. Worked out on the host, once: 4 n n m operations for n
  /// vectors of m elements.
  static Initializer orthogonal(float gain = 1.0f) { return {Kind::orthogonal, gain}; }

  /// The initializer that a name of the above stands for, with a scale or gain in parentheses where
  /// one is meant: "kaiming_normal", "xavier_uniform(2)", "normal(0.02)", "zeros", "ones",
  /// "constant(0.5)". Throws Error for anything else, naming the nearest.
  static Initializer named(std::string_view text);

  /// The same without a fan, for a parameter of that shape. Throws Error where
  /// of_matrix() meets a shape of fewer than two axes, or without elements.
  Initializer resolved(const Shape& shape) const;
  /// Whether it has to know rows from columns: fans do, and orthogonal.
  bool of_matrix() const { return fan != Fan::none || kind == Kind::orthogonal; }

  bool operator==(const Initializer&) const = default;
};

}  // namespace adjoint

// How parameters start. The distributions are those of the papers, by name; the numbers are Philox
// draws keyed by the context's seed and the parameter's place, so that a model starts alike on
// every backend.
#pragma once

#include <cstdint>
#include <string>

namespace adjoint {

struct Initializer {
  enum class Kind : std::uint8_t { constant, uniform, normal, truncated_normal };

  Kind kind = Kind::constant;
  /// constant: the value. uniform: half the width of [-scale, scale). normal: the standard
  /// deviation. truncated_normal: the standard deviation before truncation at two of them.
  float scale = 0.0f;

  static Initializer constant(float value) { return {Kind::constant, value}; }
  static Initializer uniform(float bound) { return {Kind::uniform, bound}; }
  static Initializer normal(float deviation) { return {Kind::normal, deviation}; }
  static Initializer truncated_normal(float deviation) {
    return {Kind::truncated_normal, deviation};
  }

  /// He et al. 2015, eq. 10, fan-in mode: variance gain^2 / fan_in; gain sqrt(2) suits ReLU.
  static Initializer kaiming_uniform(std::int64_t fan_in, float gain = 1.41421356f);
  static Initializer kaiming_normal(std::int64_t fan_in, float gain = 1.41421356f);
  /// Glorot and Bengio 2010, eq. 16: variance gain^2 2 / (fan_in + fan_out).
  static Initializer xavier_uniform(std::int64_t fan_in, std::int64_t fan_out, float gain = 1.0f);
  static Initializer xavier_normal(std::int64_t fan_in, std::int64_t fan_out, float gain = 1.0f);
};

}  // namespace adjoint

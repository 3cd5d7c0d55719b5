// Random numbers for data on the host: a counter-based stream per (seed, index), so that sample i
// is the same whichever thread draws it and whatever was drawn before. Kernels use Philox
// (core/device); here nothing is shared with a device, and SplitMix64 (Steele, Lea, Flood 2014) is
// four lines.
#pragma once

#include <cstdint>

namespace adjoint {

/// Bijective mixing of 64 bits; the output function of SplitMix64.
constexpr std::uint64_t mix_bits(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class SampleRandom {
 public:
  SampleRandom(std::uint64_t seed, std::uint64_t index)
      : state_(mix_bits(mix_bits(seed + kStep) ^ (index * kStep + kStep))) {}

  std::uint64_t bits() { return mix_bits(state_ += kStep); }

  /// In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// In [0, count), count > 0; the bias of the remainder is below count / 2^64.
  std::uint64_t below(std::uint64_t count) { return bits() % count; }

 private:
  static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15u;
  std::uint64_t state_;
};

}  // namespace adjoint

// Philox4x32-10, the counter-based generator of Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3". A draw is a pure function of (key, counter), so numbers do not depend on the
// order, the number of threads, capture or recompute. Plain arithmetic that hosts vectorise when
// called from a loop.
#pragma once

#include <cstdint>

#include "core/device/hd.h"

namespace adjoint {

/// Four random or counter words. A plain struct, so that registers hold it.
struct PhiloxWords {
  std::uint32_t x, y, z, w;
};

/// Ten rounds of Philox4x32.
ADJOINT_HD PhiloxWords philox(std::uint64_t key, PhiloxWords counter) {
  std::uint32_t k0 = std::uint32_t(key), k1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xd2511f53u} * counter.x;
    const std::uint64_t b = std::uint64_t{0xcd9e8d57u} * counter.z;
    counter = {std::uint32_t(b >> 32) ^ counter.y ^ k0, std::uint32_t(b),
               std::uint32_t(a >> 32) ^ counter.w ^ k1, std::uint32_t(a)};
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return counter;
}

/// The counter of the four elements 4 group .. 4 group + 3 of the tensor at `place` in step `step`:
/// group < 2^40; of the place the lowest 24 bits count.
ADJOINT_HD PhiloxWords philox_counter(std::uint64_t group, std::uint64_t place,
                                      std::uint64_t step) {
  return {std::uint32_t(group), std::uint32_t(place << 8) | std::uint32_t(group >> 32),
          std::uint32_t(step), std::uint32_t(step >> 32)};
}

/// A float32 in (0, 1]: 24 random bits, never 0, so that its logarithm is finite.
ADJOINT_HD float philox_uniform(std::uint32_t word) {
  return float((word >> 8) + 1) * (1.0f / 16777216.0f);
}

}  // namespace adjoint

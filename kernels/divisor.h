// Division by a number known before the launch: a multiplication and a shift (Granlund and
// Montgomery 1994, section 4, for 32 bits), where the GPU would take some twenty instructions.
#pragma once

#include <cstdint>

#include "core/device/hd.h"

namespace adjoint {

class Divisor {
 public:
  Divisor() = default;
  /// Of numbers in [0, 2^31); divisor in [1, 2^31).
  explicit Divisor(std::uint32_t divisor) : divisor_(divisor) {
    while ((std::uint64_t{1} << shift_) < divisor) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - divisor;
    multiplier_ = static_cast<std::uint32_t>((excess << 32) / divisor + 1);
  }

  ADJOINT_HD std::uint32_t value() const { return divisor_; }
  ADJOINT_HD std::uint32_t quotient(std::uint32_t n) const {
    const auto high = static_cast<std::uint32_t>((std::uint64_t{n} * multiplier_) >> 32);
    return (high + n) >> shift_;
  }

 private:
  std::uint32_t divisor_ = 1, multiplier_ = 1, shift_ = 0;
};

}  // namespace adjoint

// Shapes: up to eight extents, kept by value so that shapes cost no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

namespace adjoint {

/// The extents of a tensor, outermost first. The empty shape is a scalar of one element. Extents
/// are zero or more; an extent below zero or a product of those above zero beyond 2^63 - 1 throws
/// Error.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  int rank() const { return rank_; }
  /// Number of elements.
  std::int64_t count() const { return count_; }
  /// Extent of an axis; negative axes count from the back, -1 being the last.
  std::int64_t operator[](int axis) const { return extents_[index(axis)]; }
  std::span<const std::int64_t> extents() const { return {extents_.data(), std::size_t(rank_)}; }

  /// The same shape with one extent replaced.
  Shape with(int axis, std::int64_t extent) const;

  bool operator==(const Shape& other) const;

 private:
  std::size_t index(int axis) const;

  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
  std::int64_t count_ = 1;
};

/// Writes "[128, 784]".
std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace adjoint

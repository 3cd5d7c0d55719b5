#include "core/tensor/shape.h"

#include <algorithm>
#include <ostream>

#include "core/base/error.h"

namespace adjoint {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(static_cast<int>(extents.size())) {
  ADJOINT_CHECK(rank_ <= kMaxRank, "Shape: expected at most ", kMaxRank, " axes, got ", rank_);
  std::copy(extents.begin(), extents.end(), extents_.begin());
  bool empty = false;
  for (std::int64_t extent : extents) {
    ADJOINT_CHECK(extent >= 0, "Shape: expected extents of zero or more, got ", extent);
    empty |= extent == 0;
    // Of the others, too, where one is 0: strides and rows are products of some of them.
    ADJOINT_CHECK(!__builtin_mul_overflow(count_, extent == 0 ? 1 : extent, &count_),
                  "Shape: the number of elements exceeds 2^63 - 1");
  }
  if (empty) count_ = 0;
}

std::size_t Shape::index(int axis) const {
  const int from_front = axis < 0 ? axis + rank_ : axis;
  ADJOINT_CHECK(from_front >= 0 && from_front < rank_, "Shape: axis ", axis, " of a shape of rank ",
                rank_);
  return static_cast<std::size_t>(from_front);
}

Shape Shape::with(int axis, std::int64_t extent) const {
  std::array<std::int64_t, kMaxRank> extents = extents_;
  extents[index(axis)] = extent;
  return Shape(std::span<const std::int64_t>(extents.data(), std::size_t(rank_)));
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(extents(), other.extents());
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int axis = 0; axis < shape.rank(); ++axis) out << (axis ? ", " : "") << shape[axis];
  return out << ']';
}

}  // namespace adjoint

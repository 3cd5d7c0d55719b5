// Tensor: a typed, shaped, strided view of device memory. It owns nothing and copies like a
// pointer; what it views is owned by a Buffer (core/device/memory.h), mostly an arena placed by the
// graph's planner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

namespace adjoint {

/// What is known of a tensor before it has a place in memory.
struct TensorType {
  DType dtype = DType::float32;
  Shape shape;

  /// Bytes of a contiguous tensor of this type.
  std::size_t bytes() const { return std::size_t(shape.count()) * size_of(dtype); }
  bool operator==(const TensorType&) const = default;
};

/// Writes "float32 [128, 784]".
std::ostream& operator<<(std::ostream& out, const TensorType& type);

class Tensor {
 public:
  /// No tensor at all: `defined()` is false.
  Tensor() = default;
  /// A contiguous (row-major) view of `data`, which must hold shape.count() elements.
  Tensor(void* data, DType dtype, const Shape& shape);
  /// A view with strides, in elements, one for each axis.
  Tensor(void* data, DType dtype, const Shape& shape, std::span<const std::int64_t> strides);

  bool defined() const { return defined_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  TensorType type() const { return {dtype_, shape_}; }
  std::int64_t count() const { return shape_.count(); }
  std::size_t bytes() const { return type().bytes(); }
  /// Elements between neighbours along an axis (negative axes count from the back).
  std::int64_t stride(int axis) const;
  /// Whether the elements lie in row-major order without gaps.
  bool contiguous() const;

  void* data() const { return data_; }
  /// The elements as T; throws Error if the tensor holds another type, or is undefined: a layer
  /// that reads what its traits do not declare finds such tensors.
  template <class T>
  T* data() const {
    ADJOINT_CHECK(defined_, "Tensor: an undefined tensor was used");
    ADJOINT_CHECK(dtype_ == kDTypeOf<T>, "Tensor: expected ", name(kDTypeOf<T>), " elements, got ",
                  name(dtype_));
    return static_cast<T*>(data_);
  }

  /// The same elements in another shape of the same count; the tensor must be contiguous.
  Tensor reshaped(const Shape& shape) const;
  /// All axes but the last folded into one: [rows, columns]. A scalar gives [1, 1].
  Tensor as_matrix() const;
  /// The first `count` entries along axis 0.
  Tensor first(std::int64_t count) const;

 private:
  void* data_ = nullptr;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxRank> strides_{};
  DType dtype_ = DType::float32;
  bool defined_ = false;
};

}  // namespace adjoint

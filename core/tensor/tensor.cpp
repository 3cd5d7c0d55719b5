#include "core/tensor/tensor.h"

#include <algorithm>
#include <ostream>

namespace adjoint {

std::ostream& operator<<(std::ostream& out, const TensorType& type) {
  return out << name(type.dtype) << ' ' << type.shape;
}

Tensor::Tensor(void* data, DType dtype, const Shape& shape)
    : data_(data), shape_(shape), dtype_(dtype), defined_(true) {
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides_[std::size_t(axis)] = stride;
    stride *= std::max<std::int64_t>(shape[axis], 1);
  }
}

Tensor::Tensor(void* data, DType dtype, const Shape& shape, std::span<const std::int64_t> strides)
    : data_(data), shape_(shape), dtype_(dtype), defined_(true) {
  ADJOINT_CHECK(std::ssize(strides) == shape.rank(), "Tensor: expected ", shape.rank(),
                " strides for shape ", shape, ", got ", strides.size());
  std::ranges::copy(strides, strides_.begin());
}

std::int64_t Tensor::stride(int axis) const {
  const int from_front = axis < 0 ? axis + shape_.rank() : axis;
  ADJOINT_CHECK(from_front >= 0 && from_front < shape_.rank(), "Tensor: axis ", axis, " of shape ",
                shape_);
  return strides_[std::size_t(from_front)];
}

bool Tensor::contiguous() const {
  std::int64_t expected = 1;
  for (int axis = shape_.rank() - 1; axis >= 0; --axis) {
    if (shape_[axis] != 1 && stride(axis) != expected) return count() == 0;
    expected *= shape_[axis];
  }
  return true;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  ADJOINT_CHECK(shape.count() == count(), "Tensor: cannot view ", type(), " as ", shape);
  ADJOINT_CHECK(contiguous(), "Tensor: only contiguous tensors can be reshaped, got strides in ",
                type());
  return Tensor(data_, dtype_, shape);
}

Tensor Tensor::as_matrix() const {
  const std::int64_t columns = shape_.rank() == 0 ? 1 : shape_[-1];
  std::int64_t rows = 1;  // not count / columns, which fails for zero columns
  for (int axis = 0; axis + 1 < shape_.rank(); ++axis) rows *= shape_[axis];
  return reshaped({rows, columns});
}

Tensor Tensor::first(std::int64_t count) const {
  ADJOINT_CHECK(shape_.rank() > 0 && count >= 0 && count <= shape_[0],
                "Tensor: cannot take the first ", count, " entries of ", type());
  Tensor view = *this;
  view.shape_ = shape_.with(0, count);
  return view;
}

}  // namespace adjoint

// ReLU with a learned slope (He et al. 2015), forward and backward. See kernels/prelu.cu.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"
#include "kernels/channels.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y = x where positive, else slope_c x. x, y: [samples, channels, inner] as `shape` says, in any
/// shape of that many elements; slope: [channels]; all of one floating type. y may be x.
void prelu_forward(Stream& stream, const ChannelShape& shape, Tensor y, Tensor x, Tensor slope);

struct PReLUBackward {
  Gradient dx;          ///< may be dy
  Gradient slope_grad;  ///< [channels] of x's type
  Tensor x;
  Tensor dy;
  Tensor slope;
  Tensor scratch;  ///< of prelu_scratch(); not needed without slope_grad
};
void prelu_backward(Stream& stream, const ChannelShape& shape, const PReLUBackward& call);

TensorType prelu_scratch(const ChannelShape& shape, DType dtype);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

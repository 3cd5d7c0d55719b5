// ClassLabels: what losses against class labels share: the weights of the classes, and the report
// of labels that are no class.
#pragma once

#include <vector>

#include "core/graph/layer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class ClassLabels {
 public:
  /// Throws Error unless the weights are finite, none negative, and some positive.
  ClassLabels(const std::string& kind, std::vector<double> weights, std::int32_t ignored_label);

  /// Throws Error unless `x` are scores [..., classes], as many as weights, and labels int32 [...].
  void check(const Signature& x) const;
  /// Declares buffers for scores of this type.
  void build(Builder& builder, const TensorType& scores);
  /// Puts the weights on the device.
  void prepare(Context& context);
  /// Throws Error if a label was no class; see kernels/softmax_cross_entropy.h for `status`.
  void verify(Context& context);

  bool weighted() const { return !weights_.empty(); }
  Tensor weights() const { return weighted() ? device_weights_.tensor() : Tensor(); }
  Tensor status() const { return status_.tensor(); }
  std::int32_t ignored() const { return ignored_label_; }

 private:
  std::string kind_;
  std::vector<double> weights_;
  std::int32_t ignored_label_;
  Slot status_, device_weights_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

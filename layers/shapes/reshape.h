// Reshape: the same elements in another shape behind the batch.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x [batch, ...] -> y [batch, shape...], the same memory. One extent may be -1: what is left.
class Reshape : public LayerOf<Reshape> {
 public:
  explicit Reshape(std::vector<std::int64_t> shape);

  std::string kind() const override { return "reshape"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature& x) const override {
    return moved(ranges[0], x);
  }
  Traits traits() const override { return {.backward_reads_x = false, .view = true}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  std::vector<std::int64_t> shape_;
};

/// x [batch, ...] -> [batch, shape], the same numbers in the same order; one extent may be -1 and
/// is worked out. Throws Error where the counts differ.
Value reshape(const Value& x, const std::vector<std::int64_t>& shape);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

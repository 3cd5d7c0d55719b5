// Split and Slice: parts of the input along an axis, all of them or one.
#pragma once

#include <optional>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// One output for each size, one behind the other; the sizes add up to the axis.
class Split : public LayerOf<Split> {
 public:
  /// axis: from 1, or from the back if negative.
  Split(int axis, std::vector<std::int64_t> sizes);

  std::string kind() const override { return "split"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature& x) const override {
    return moved(ranges[0], x);
  }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  int axis_;
  std::vector<std::int64_t> sizes_;
};

/// The entries [begin, end) along an axis; negative ones count from the back.
class Slice : public LayerOf<Slice> {
 public:
  /// axis: from 1, or from the back if negative. Without an end all from `begin` on.
  Slice(int axis, std::int64_t begin, std::optional<std::int64_t> end = std::nullopt)
      : axis_(axis), begin_(begin), end_(end) {}

  std::string kind() const override { return "slice"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature& x) const override {
    return moved(ranges[0], x);
  }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  struct Range {
    std::int64_t begin, extent;
  };
  Range range(const Shape& x) const;

  int axis_;
  std::int64_t begin_;
  std::optional<std::int64_t> end_;
};

/// x, floating, cut along `axis` (counted from the back if negative) into parts of these sizes.
/// Throws Error unless they add up to the axis, and for the batch, axis 0.
std::vector<Value> split(const Value& x, int axis, const std::vector<std::int64_t>& sizes);
/// Entries [begin, end) of an axis of x, floating; negative ones count from the back. Throws Error
/// for a range that is not within the axis, and for the batch, axis 0.
Value slice(const Value& x, int axis, std::int64_t begin,
            std::optional<std::int64_t> end = std::nullopt);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Embedding: each index becomes its row of a learned table.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct EmbeddingOptions {
  std::int64_t vocabulary = 0;  ///< rows of the table; indices lie in [0, vocabulary)
  std::int64_t width = 0;
  /// Rows in memory, the rest zeros: a multiple of 64 or 128 that a tied product is fast with. 0:
  /// as many as the vocabulary. Files hold the vocabulary's.
  std::int64_t stored_rows = 0;
  /// An index whose row is not learned, -1 for none. The row starts like the others; write zeros
  /// where it should have none.
  std::int64_t padding = -1;
  /// Normal with deviation 1, as PyTorch does.
  Initializer initializer = Initializer::normal(1.0f);
};

/// x int32 [...] -> y [..., width] in the type that the graph computes in; weight [vocabulary,
/// width]. Indices out of range give zeros and are reported by verify().
class Embedding : public LayerOf<Embedding> {
 public:
  explicit Embedding(const EmbeddingOptions& options);
  Embedding(std::int64_t vocabulary, std::int64_t width)
      : Embedding(EmbeddingOptions{.vocabulary = vocabulary, .width = width}) {}

  std::string kind() const override { return "embedding"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true}; }
  void set_compute_type(DType type) override { type_ = type; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
  /// Throws Error naming the first position of a batch whose index was out of range.
  void verify(Context& context) override;

  /// Shared with every copy of this layer; tie it by giving another layer a copy.
  const Parameter& weight() const { return weight_; }

 private:
  EmbeddingOptions options_;
  DType type_ = DType::float32;
  Parameter weight_;
  Slot status_, scratch_;
};

/// Indices int32 [...] -> rows [..., width] of a learned table [vocabulary, width]. An index
/// outside [0, vocabulary) is an error of Graph::verify(), with its position.
Value embedding(const Value& indices, std::int64_t vocabulary, std::int64_t width);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

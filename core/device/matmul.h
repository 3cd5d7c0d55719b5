// The one door for matrix products. Behind it stand cuBLASLt (cuda) or OpenBLAS on tiles fixed by shape
// (host), and on both a tile kernel of ours; which of them runs is chosen once per problem: the first
// deterministic choice unless tuned by timing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/tensor/tensor.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// What happens to a product while it is still in registers (cuda) or cache (host). With
/// z = alpha op(a) op(b) + beta c, for a result of `rows` x `columns`:
enum class Epilogue : std::uint8_t {
  none,           ///< c = z
  bias,           ///< c = z + bias                      (bias: [columns])
  bias_relu,      ///< c = max(z + bias, 0); `saved` as relu_backward needs it
  bias_gelu,      ///< c = gelu(z + bias), tanh form; `saved` as gelu_backward needs it
  relu_backward,  ///< c = z where the saved forward was positive, else 0; bias_gradient = column sums of c
  gelu_backward,  ///< c = z gelu'(saved);                                 bias_gradient = column sums of c
  /// c = z, and bias_gradient = sums of `a` over the summed dimension, for the product that makes a weight's
  /// gradient: dW [out, in] = dy^T x with a = dy transposed, so bias_gradient = column sums of dy [out].
  reduce_a,
};

/// c = epilogue(alpha op(a) op(b) + beta c). Matrices are row-major and may have a row stride (last axis
/// contiguous); a third, leading axis is a batch. op(a) is [rows, inner], op(b) is [inner, columns], c is
/// [rows, columns]. Products of 16-bit types accumulate in float32; c may be float32 then. Zero rows,
/// columns or inner are legal (inner 0 gives z = beta c).
struct Matmul {
  Tensor a, b, c;
  bool transpose_a = false;
  bool transpose_b = false;
  float alpha = 1.0f;
  float beta = 0.0f;  ///< 0 never reads c, 1 accumulates
  Epilogue epilogue = Epilogue::none;
  Tensor bias;           ///< [columns], same type as c
  Tensor saved;          ///< what a forward epilogue saves for its backward: see matmul_saved_type
  Tensor bias_gradient;  ///< [columns] (relu_backward, gelu_backward) or [rows] (reduce_a); optional
  bool accumulate_bias_gradient = false;
};

/// Type and shape of `Matmul::saved` for a forward epilogue over a [rows, columns] result: contents are
/// between the engines of this door (all agree on them), nobody else reads them.
TensorType matmul_saved_type(Epilogue forward, std::int64_t rows, std::int64_t columns, DType dtype);

/// Puts the product on the context's main stream. Throws Error naming the matrices if shapes, types or
/// strides do not fit. Chooses an engine on first sight of a problem, which is not possible during capture:
/// call prepare_matmul before.
void matmul(Context& context, const Matmul& product);

/// Chooses the engine for products of this form (data pointers are ignored) and sizes the workspace. May
/// allocate; launches nothing.
void prepare_matmul(Context& context, const Matmul& product);

/// One choice made for one problem, for reports and for replay in a later run.
struct MatmulChoice {
  std::string problem;  ///< "float32 128x512x784 nt bias_relu", the key of the choice
  std::string engine;   ///< "cublaslt", "openblas" or "tile"
  std::string detail;   ///< the engine's own description of its algorithm; replayed verbatim
  double milliseconds = 0;  ///< measured, when tuned; else 0
};

class MatmulEngines {
 public:
  explicit MatmulEngines(Context& context);
  ~MatmulEngines();

  /// Choices so far, in the order they were made.
  std::vector<MatmulChoice> choices() const;
  /// Fixes choices made earlier (a run folder's file). An engine or detail unknown here throws Error when
  /// its problem is met.
  void restore(const std::vector<MatmulChoice>& choices);
  /// From now on unknown problems are decided by timing every engine on scratch data. Costs time and memory.
  void set_tuning(bool tune);
  /// Restricts all problems not yet chosen to one engine, by name; empty lifts that. For tests and comparisons.
  void force_engine(const std::string& engine);

  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace adjoint::inline ADJOINT_BACKEND

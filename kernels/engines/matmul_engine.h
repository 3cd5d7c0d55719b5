// What stands between the door (matmul.h) and the engines behind it: a product with its arguments
// checked, reduced to extents, strides and pointers. Private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/engines/matmul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A row-major matrix as it lies in memory, before any transpose. Strides in elements.
struct MatrixView {
  void* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t batch_stride = 0;
};

/// All that decides which engines can run a product, and how fast. Plain data without padding in
/// its comparison: a key.
struct MatmulForm {
  std::int64_t rows = 0, columns = 0, inner = 0, batches = 1;
  std::int64_t a_row_stride = 0, b_row_stride = 0, c_row_stride = 0;
  DType type = DType::float32;         ///< of a and b
  DType result_type = DType::float32;  ///< of c, bias, bias_gradient and saved pre-activations
  bool transpose_a = false, transpose_b = false;
  bool reads_c = false;  ///< beta is not 0
  Epilogue epilogue = Epilogue::none;
  bool saves = false;          ///< a forward epilogue with `saved`
  bool bias_gradient = false;  ///< wanted
  bool accumulates_bias_gradient = false;
  /// What divides all addresses, strides between batches and row strides, in bytes; at most 16.
  int alignment = 16;

  bool operator==(const MatmulForm&) const = default;
};

/// One product, ready to run; copied into queues.
struct MatmulProblem {
  MatmulForm form;
  MatrixView a, b, c;
  float alpha = 1.0f, beta = 0.0f;
  const void* bias = nullptr;
  void* saved = nullptr;
  std::int64_t saved_row_bytes = 0;
  void* bias_gradient = nullptr;
};

/// "float32 128x512x784 nt bias_relu saved".
std::string form_name(const MatmulForm& form);
std::size_t form_hash(const MatmulForm& form);

/// bias, bias_relu and bias_gelu.
bool is_forward(Epilogue epilogue);
/// relu_backward and gelu_backward.
bool is_backward(Epilogue epilogue);
/// Whether it writes or reads Matmul::saved.
bool has_saved(Epilogue epilogue);
/// "bias_relu".
const char* epilogue_name(Epilogue epilogue);

class MatmulEngine : public Engine<MatmulForm> {
 public:
  /// Whether its choice depends on MatmulForm::alignment; else that is always 16.
  virtual bool needs_alignment() const { return false; }
  /// Puts the product on the stream. `name` outlives the stream's work. `workspace` has what
  /// workspace_bytes() said.
  virtual void run(Stream& stream, const MatmulProblem& problem, const std::string& name,
                   const std::string& detail, void* workspace) = 0;
};

/// Our own kernel (matmul_tile.cu): any form, slowly; the reference of the others.
std::unique_ptr<MatmulEngine> make_tile_engine();
/// The engines of libraries in this backend, preferred first: cuBLASLt, or OpenBLAS and oneDNN.
std::vector<std::unique_ptr<MatmulEngine>> make_library_engines();

/// What a context has of them: its part MatmulEngines.
class MatmulEngines : public EngineChoices<MatmulForm, MatmulEngine> {
 public:
  explicit MatmulEngines(Context& context);

  /// Takes out of the form what no choice depends on.
  void settle(MatmulForm& form);

 private:
  std::function<void(const Decision&)> rehearsal(const MatmulForm& form) override;
};

// Pieces of the tile engine that cuBLASLt's engine is completed with.

/// Turns c, holding z = alpha op(a) op(b) + beta c, into the product's result, with everything its
/// epilogue writes. z has been rounded to c's type, unlike in a fused epilogue. `workspace` has
/// epilogue_workspace_bytes().
void apply_epilogue(Stream& stream, const MatmulProblem& problem, void* workspace);
std::size_t epilogue_workspace_bytes(const MatmulForm& form);

/// to[i] += from[i]: for a bias gradient that a library can only overwrite.
void add_vector(Stream& stream, DType dtype, void* to, const void* from, std::int64_t count);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Engine "cublaslt". cuBLASLt counts in columns, we in rows: the memory of a row-major matrix read
// column-major is its transpose, so that c = op(a) op(b) is asked for as c^T = op(b)^T op(a)^T,
// with
//
//   its A = our b, its B = our a, its m = our columns, its n = our rows.
//
// So its bias, one element per row of D, is our bias over the columns; its bias gradients of
// DRELU_BGRAD and DGELU_BGRAD, sums along the rows of D, are our column sums; and reduce_a is its
// BGRADB.
//
// A detail is "fused" or "separate", the algorithm as cuBLASLt serialises it, and its workspace.
// Separate is a plain product and then our epilogue kernel, for what the library does not fuse:
// float64, some combinations of types, strides and alignments. Algorithms that add up in an order
// of chance are excluded.
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/device/counters.h"
#include "core/device/cuda/status.h"
#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::size_t kWorkspaceLimit = std::size_t{32} << 20;  // what NVIDIA recommends for Hopper

void check_cublas(cublasStatus_t status, const char* call,
                  SourceLocation where = SourceLocation::current()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(
      str(call, ": ", cublasLtGetStatusName(status), " (", cublasLtGetStatusString(status), ")"),
      where);
}

/// The library's state on the current device.
class Handle {
 public:
  Handle() { check_cublas(cublasLtCreate(&handle_), "cublasLtCreate"); }
  ~Handle() { static_cast<void>(cublasLtDestroy(handle_)); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cublasLtHandle_t get() const { return handle_; }

 private:
  cublasLtHandle_t handle_ = nullptr;
};

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return CUDA_R_32F;
    case DType::float64:
      return CUDA_R_64F;
    case DType::bfloat16:
      return CUDA_R_16BF;
    case DType::float16:
      return CUDA_R_16F;
    default:
      ADJOINT_FAIL("matmul: cuBLASLt is not used for ", adjoint::name(dtype));
  }
}

cublasLtEpilogue_t epilogue_of(const MatmulForm& form) {
  switch (form.epilogue) {
    case Epilogue::none:
      return CUBLASLT_EPILOGUE_DEFAULT;
    case Epilogue::bias:
      return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::bias_relu:
      return form.saves ? CUBLASLT_EPILOGUE_RELU_AUX_BIAS : CUBLASLT_EPILOGUE_RELU_BIAS;
    case Epilogue::bias_gelu:
      return form.saves ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS;
    case Epilogue::relu_backward:
      return form.bias_gradient ? CUBLASLT_EPILOGUE_DRELU_BGRAD : CUBLASLT_EPILOGUE_DRELU;
    case Epilogue::gelu_backward:
      return form.bias_gradient ? CUBLASLT_EPILOGUE_DGELU_BGRAD : CUBLASLT_EPILOGUE_DGELU;
    case Epilogue::reduce_a:
      return form.bias_gradient ? CUBLASLT_EPILOGUE_BGRADB : CUBLASLT_EPILOGUE_DEFAULT;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

/// Elements (bits for ReLU) from row to row of `saved`; see matmul_saved_type.
std::int64_t saved_stride(const MatmulForm& form) {
  const bool relu =
      form.epilogue == Epilogue::bias_relu || form.epilogue == Epilogue::relu_backward;
  const std::int64_t multiple = relu ? 128 : 8;
  return (form.columns + multiple - 1) / multiple * multiple;
}

/// The descriptors of one product; opaque values, nothing to release. Not copyable: they point into
/// themselves when passed.
class Descriptors {
 public:
  Descriptors(const MatmulForm& form, bool fused) {
    const bool wide = form.type == DType::float64;
    check_cublas(cublasLtMatmulDescInit(&operation_, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                                        wide ? CUDA_R_64F : CUDA_R_32F),
                 "cublasLtMatmulDescInit");
    set(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t(form.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N));
    set(CUBLASLT_MATMUL_DESC_TRANSB, std::int32_t(form.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N));
    layout(a_, form.type, form.transpose_b ? form.columns : form.inner,
           form.transpose_b ? form.inner : form.columns, form.b_row_stride);
    layout(b_, form.type, form.transpose_a ? form.inner : form.rows,
           form.transpose_a ? form.rows : form.inner, form.a_row_stride);
    layout(c_, form.result_type, form.rows, form.columns, form.c_row_stride);
    if (!fused) return;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t(epilogue_of(form)));
    // The heuristics read alignments off the addresses; real ones follow in set_addresses().
    void* const aligned = reinterpret_cast<void*>(std::uintptr_t(form.alignment));
    const bool backward =
        form.epilogue == Epilogue::relu_backward || form.epilogue == Epilogue::gelu_backward;
    set_addresses(aligned, form.saves || backward ? aligned : nullptr);
    if (form.saves || backward) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, saved_stride(form));
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  /// Bias or bias gradient, and what is saved; null where the epilogue has none.
  void set_addresses(const void* bias, const void* saved) {
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    if (saved) set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, saved);
  }
  void set_batches(const MatmulProblem& p) {
    set_batches(p.form, p.a.batch_stride, p.b.batch_stride, p.c.batch_stride);
  }
  void set_batches(const MatmulForm& form, std::int64_t a, std::int64_t b, std::int64_t c) {
    if (form.batches == 1) return;
    for (const auto& [matrix, stride] : {std::pair{&a_, b}, {&b_, a}, {&c_, c}}) {
      const std::int32_t count = std::int32_t(form.batches);
      check_cublas(cublasLtMatrixLayoutSetAttribute(matrix, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                    &count, sizeof count),
                   "cublasLtMatrixLayoutSetAttribute");
      check_cublas(cublasLtMatrixLayoutSetAttribute(
                       matrix, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
                   "cublasLtMatrixLayoutSetAttribute");
    }
  }

  cublasLtMatmulDesc_t operation() { return &operation_; }
  cublasLtMatrixLayout_t a() { return &a_; }
  cublasLtMatrixLayout_t b() { return &b_; }
  cublasLtMatrixLayout_t c() { return &c_; }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(&operation_, attribute, &value, sizeof value),
                 "cublasLtMatmulDescSetAttribute");
  }
  static void layout(cublasLtMatrixLayoutOpaque_t& matrix, DType dtype, std::int64_t stored_rows,
                     std::int64_t stored_columns, std::int64_t row_stride) {
    check_cublas(cublasLtMatrixLayoutInit(&matrix, data_type(dtype), std::uint64_t(stored_columns),
                                          std::uint64_t(stored_rows), row_stride),
                 "cublasLtMatrixLayoutInit");
  }

  cublasLtMatmulDescOpaque_t operation_;
  cublasLtMatrixLayoutOpaque_t a_, b_, c_;
};

/// How to run a form, as its detail says.
struct Plan {
  bool fused = false;
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;
};

constexpr int kAlgorithmWords = int(sizeof(cublasLtMatmulAlgo_t) / sizeof(std::uint64_t));

std::string to_detail(const Plan& plan) {
  std::string detail = plan.fused ? "fused " : "separate ";
  for (std::uint64_t word : plan.algorithm.data) {
    std::array<char, 20> hexadecimal;
    std::snprintf(hexadecimal.data(), hexadecimal.size(), "%016llx",
                  static_cast<unsigned long long>(word));
    detail += hexadecimal.data();
  }
  return detail + str(" ", plan.workspace_bytes);
}

Plan from_detail(const std::string& detail) {
  const auto broken = [&] {
    ADJOINT_FAIL("matmul: the engine cublaslt expected a detail such as 'fused', ",
                 16 * kAlgorithmWords, " hexadecimal digits and a number of bytes, got '", detail,
                 "'; remove the stored choice");
  };
  Plan plan{.fused = detail.starts_with("fused ")};
  std::size_t at = plan.fused ? 6 : 9;
  if (!plan.fused && !detail.starts_with("separate ")) broken();
  if (detail.size() < at + 16 * kAlgorithmWords + 2) broken();
  for (std::uint64_t& word : plan.algorithm.data) {
    unsigned long long value = 0;
    if (std::sscanf(detail.substr(at, 16).c_str(), "%16llx", &value) != 1) broken();
    word = value;
    at += 16;
  }
  unsigned long long bytes = 0;
  if (std::sscanf(detail.c_str() + at, " %llu", &bytes) != 1 || bytes > kWorkspaceLimit) broken();
  plan.workspace_bytes = bytes;
  return plan;
}

std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

class CublasLtEngine : public MatmulEngine {
 public:
  std::string name() const override { return "cublaslt"; }
  std::string library() const override { return str("cuBLASLt ", cublasLtGetVersion()); }
  bool needs_alignment() const override { return true; }

  std::vector<std::string> details(const MatmulForm& form, int limit) override {
    if (form.rows == 0 || form.columns == 0 || form.inner == 0 || form.batches == 0) return {};
    if (form.batches > INT32_MAX) return {};
    const bool has_epilogue = epilogue_of(form) != CUBLASLT_EPILOGUE_DEFAULT;
    std::vector<std::string> found;
    // The library has no epilogues in float64.
    if (!has_epilogue || form.type != DType::float64) found = heuristic(form, true, limit);
    if (has_epilogue && found.empty()) found = heuristic(form, false, limit);
    return found;
  }

  std::size_t workspace_bytes(const MatmulForm& form, const std::string& detail) override {
    const Plan plan = from_detail(detail);
    Descriptors descriptors(form, plan.fused);
    set_dense_batches(descriptors, form);
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status =
        cublasLtMatmulAlgoCheck(handle(), descriptors.operation(), descriptors.a(), descriptors.b(),
                                descriptors.c(), descriptors.c(), &plan.algorithm, &result);
    ADJOINT_CHECK(status == CUBLAS_STATUS_SUCCESS,
                  "matmul: the stored cublaslt algorithm cannot run ", form_name(form),
                  " on this device and library: ", cublasLtGetStatusName(status),
                  "; remove the stored choice");
    ADJOINT_CHECK(result.workspaceSize <= plan.workspace_bytes,
                  "matmul: the stored cublaslt algorithm for ", form_name(form), " needs ",
                  result.workspaceSize, " bytes of workspace, not ", plan.workspace_bytes,
                  "; remove the stored choice");
    return aligned(plan.workspace_bytes) + extra_bytes(form, plan);
  }

  void run(Stream& stream, const MatmulProblem& p, const std::string&, const std::string& detail,
           void* workspace) override {
    const Plan plan = from_detail(detail);
    void* const extra = static_cast<char*>(workspace) + aligned(plan.workspace_bytes);
    const bool adds = plan.fused && p.form.accumulates_bias_gradient;
    Descriptors descriptors(p.form, plan.fused);
    descriptors.set_batches(p);
    if (plan.fused)
      descriptors.set_addresses(p.bias ? p.bias : adds ? extra : p.bias_gradient, p.saved);
    multiply(stream, p, plan, descriptors, workspace);
    if (adds) {
      const std::int64_t count =
          p.form.epilogue == Epilogue::reduce_a ? p.form.rows : p.form.columns;
      add_vector(stream, p.form.result_type, p.bias_gradient, extra, count);
    }
    if (!plan.fused) apply_epilogue(stream, p, extra);
  }

 private:
  cublasLtHandle_t handle() {
    bind_thread_to_device();  // the library takes the current device
    if (!handle_)
      handle_ = std::make_unique<Handle>();  // not before a product is met: needs a device
    return handle_->get();
  }

  /// Behind the library's workspace: the partial sums of a separate epilogue, or a bias gradient to
  /// be added.
  static std::size_t extra_bytes(const MatmulForm& form, const Plan& plan) {
    if (!plan.fused) return epilogue_workspace_bytes(form);
    if (!form.accumulates_bias_gradient) return 0;
    return std::size_t(std::max(form.rows, form.columns)) * size_of(form.result_type);
  }

  /// Batch strides are no part of a form; algorithms depend on their alignment alone.
  static void set_dense_batches(Descriptors& descriptors, const MatmulForm& form) {
    descriptors.set_batches(form, form.a_row_stride * (form.transpose_a ? form.inner : form.rows),
                            form.b_row_stride * (form.transpose_b ? form.columns : form.inner),
                            form.c_row_stride * form.rows);
  }

  std::vector<std::string> heuristic(const MatmulForm& form, bool fused, int limit) {
    Descriptors descriptors(form, fused);
    set_dense_batches(descriptors, form);
    cublasLtMatmulPreferenceOpaque_t preference;
    check_cublas(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      check_cublas(
          cublasLtMatmulPreferenceSetAttribute(&preference, attribute, &value, sizeof value),
          "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(kWorkspaceLimit));
    // Split sums are added in float32 and in order: neither in place by atomics nor in the result's
    // type.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           std::uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    for (auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, std::uint32_t(form.alignment));

    std::vector<cublasLtMatmulHeuristicResult_t> results(std::size_t(std::max(1, limit)));
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle(), descriptors.operation(), descriptors.a(), descriptors.b(), descriptors.c(),
        descriptors.c(), &preference, int(results.size()), results.data(), &count);
    // A form that the library does not support is answered by one of these.
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return {};
    check_cublas(status, "cublasLtMatmulAlgoGetHeuristic");
    std::vector<std::string> details;
    for (const auto& result : results)
      if (int(details.size()) < count && result.state == CUBLAS_STATUS_SUCCESS)
        details.push_back(to_detail(
            {.fused = fused, .algorithm = result.algo, .workspace_bytes = result.workspaceSize}));
    return details;
  }

  void multiply(Stream& stream, const MatmulProblem& p, const Plan& plan, Descriptors& descriptors,
                void* workspace) {
    const bool wide = p.form.type == DType::float64;
    const double wide_alpha = p.alpha, wide_beta = p.beta;
    const void* const alpha = wide ? static_cast<const void*>(&wide_alpha) : &p.alpha;
    const void* const beta = wide ? static_cast<const void*>(&wide_beta) : &p.beta;
    check_cublas(cublasLtMatmul(handle(), descriptors.operation(), alpha, p.b.data, descriptors.a(),
                                p.a.data, descriptors.b(), beta, p.c.data, descriptors.c(),
                                p.c.data, descriptors.c(), &plan.algorithm, workspace,
                                plan.workspace_bytes, static_cast<cudaStream_t>(stream.native())),
                 "cublasLtMatmul");
    if (!stream.capturing()) count(atomic_counters.launches);
  }

  std::unique_ptr<Handle> handle_;
};

}  // namespace

std::vector<std::unique_ptr<MatmulEngine>> make_library_engines() {
  std::vector<std::unique_ptr<MatmulEngine>> engines;
  engines.push_back(std::make_unique<CublasLtEngine>());
  return engines;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// OpenBLAS, loaded when the first product needs it. Loaded rather than linked, because what it
// knows of the processor is fixed while it loads: version 0.3.21 takes newer processors with
// AVX-512 for older ones without, and the variable that corrects it must be set before. So a
// program that multiplies nothing does not need it either.
#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "kernels/engines/host/tile_library.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kAdvice =
    "; install the Debian package libopenblas0-pthread (or have its libopenblas.so.0 on the "
    "library path)";

/// cblas_sgemm and cblas_dgemm by their C interface; layouts and transposes are CBLAS's numbers.
struct Blas {
  static constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

  template <class T>
  using Gemm = void (*)(int layout, int transpose_a, int transpose_b, int rows, int columns,
                        int inner, T alpha, const T* a, int a_stride, const T* b, int b_stride,
                        T beta, T* c, int c_stride);
  Gemm<float> sgemm = nullptr;
  Gemm<double> dgemm = nullptr;
  std::string description;  ///< "OpenBLAS 0.3.21 SkylakeX"
};

/// Sets an environment variable for a scope, unless the user has set it.
class DefaultVariable {
 public:
  DefaultVariable(const char* name, const char* value) : name_(name) {
    if (std::getenv(name)) return;
    setenv(name, value, 0);
    set_ = true;
  }
  ~DefaultVariable() {
    if (set_) unsetenv(name_);
  }
  DefaultVariable(const DefaultVariable&) = delete;
  DefaultVariable& operator=(const DefaultVariable&) = delete;

 private:
  const char* name_;
  bool set_ = false;
};

/// A processor with what OpenBLAS's SkylakeX kernels use. The library knows processors by their
/// numbers, and takes those newer than itself for much older ones: AMD's for Haswell, Intel's for
/// Prescott.
bool has_avx512() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

template <class Function>
Function symbol(void* library, const char* name) {
  void* const address = dlsym(library, name);
  ADJOINT_CHECK(address, "OpenBLAS: the library found has no ", name, kAdvice);
  return reinterpret_cast<Function>(address);
}

Blas load() {
  std::optional<DefaultVariable> core;
  if (has_avx512()) core.emplace("OPENBLAS_CORETYPE", "SkylakeX");
  // No pool of its own: products are cut by us and run on our workers.
  const DefaultVariable threads("OPENBLAS_NUM_THREADS", "1");
  void* const library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* const reason = dlerror();
    ADJOINT_FAIL("OpenBLAS: cannot load libopenblas.so.0 (", reason ? reason : "no reason given",
                 ")", kAdvice);
  }
  // 0 is a build that must not be called from several threads, 2 one whose thread count is per
  // caller.
  const int parallel = symbol<int (*)()>(library, "openblas_get_parallel")();
  ADJOINT_CHECK(parallel == 1, "OpenBLAS: expected the variant with POSIX threads, got the ",
                parallel == 0 ? "serial" : "OpenMP", " one", kAdvice);
  symbol<void (*)(int)>(library, "openblas_set_num_threads")(1);
  const std::string config = symbol<char* (*)()>(library, "openblas_get_config")();
  const std::string core_name = symbol<char* (*)()>(library, "openblas_get_corename")();
  return {
      .sgemm = symbol<Blas::Gemm<float>>(library, "cblas_sgemm"),
      .dgemm = symbol<Blas::Gemm<double>>(library, "cblas_dgemm"),
      .description = config.substr(0, config.find(' ', config.find(' ') + 1)) + " " + core_name};
}

/// The library, one thread per call. Throws Error naming the package to install if there is none.
const Blas& blas() {
  static const Blas library = load();  // tried again by the next caller if it throws
  return library;
}

class OpenBlas : public TileLibrary {
 public:
  std::string name() const override { return "openblas"; }
  std::string description() const override { return blas().description; }
  bool has_float64() const override { return true; }
  void multiply(const TileProduct<float>& p) const override { call(blas().sgemm, p); }
  void multiply(const TileProduct<double>& p) const override { call(blas().dgemm, p); }

 private:
  template <class T>
  static void call(Blas::Gemm<T> gemm, const TileProduct<T>& p) {
    const auto flag = [](bool transpose) { return transpose ? Blas::kTransposed : Blas::kPlain; };
    const TileForm& f = p.form;
    gemm(Blas::kRowMajor, flag(f.transpose_a), flag(f.transpose_b), int(f.rows), int(f.columns),
         int(f.inner), p.alpha, p.a, int(f.a_stride), p.b, int(f.b_stride), p.beta, p.c,
         int(f.c_stride));
  }
};

}  // namespace

std::unique_ptr<TileLibrary> make_openblas() { return std::make_unique<OpenBlas>(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

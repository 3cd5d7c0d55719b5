// See blas.h.
#include "kernels/engines/host/blas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kAdvice =
    "; install the Debian package libopenblas0-pthread (or have its libopenblas.so.0 on the "
    "library path)";

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

/// An AMD processor with what OpenBLAS's SkylakeX kernels use. Intel's are recognised by
/// themselves.
bool is_amd_with_avx512() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
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
  if (is_amd_with_avx512()) core.emplace("OPENBLAS_CORETYPE", "SkylakeX");
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

}  // namespace

const Blas& blas() {
  static const Blas library = load();  // tried again by the next caller if it throws
  return library;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

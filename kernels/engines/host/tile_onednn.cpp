// oneDNN. Float32 goes to its sgemm; bfloat16, where the processor has instructions for it, to
// matmul primitives, which are made while a product is prepared and keep nothing between runs.
// Both work on the calling thread alone: the library's loops are OpenMP's in most builds, and a
// thread of ours is an initial thread to OpenMP, whose loops would start a team for it.
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>

#include "core/base/error.h"
#include "core/base/text.h"
#include "kernels/engines/host/tile_library.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// OpenMP starts no threads for this one while it lives. The functions are those that the library
/// itself calls, found as the linker found them for it; a sequential build has none.
class OneThread {
 public:
  OneThread() {
    if (functions().set) {
      before_ = functions().get();
      if (before_ != 1) functions().set(1);
    }
  }
  ~OneThread() {
    if (before_ > 1) functions().set(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  struct Functions {
    void (*set)(int) = nullptr;
    int (*get)() = nullptr;
  };
  static const Functions& functions() {
    static const Functions found = [] {
      Functions f{reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads")),
                  reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"))};
      return f.set && f.get ? f : Functions{};
    }();
    return found;
  }

  int before_ = 1;
};

/// What oneDNN makes of the processor (and of ONEDNN_MAX_CPU_ISA), widest first. Sets of
/// instructions are sets of bits to it.
struct InstructionSet {
  dnnl_cpu_isa_t set;
  const char* name;
};
constexpr InstructionSet kInstructionSets[] = {{dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
                                               {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
                                               {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
                                               {dnnl_cpu_isa_avx512_core, "avx512_core"},
                                               {dnnl_cpu_isa_avx2, "avx2"}};

bool has(dnnl_cpu_isa_t set) {
  return (unsigned(dnnl_get_effective_cpu_isa()) & unsigned(set)) == unsigned(set);
}

const char* instruction_set_name() {
  for (const InstructionSet& known : kInstructionSets)
    if (has(known.set)) return known.name;
  return "generic";
}

bool is_amd() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

dnnl::engine& cpu() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// A product of bfloat16 matrices to float32 that writes its result or adds to it.
struct Kernel {
  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;

  void run(const TileProduct<bfloat16>& p) const {
    void* const scratch = worker_memory<std::byte, 4>(
        std::int64_t(description.scratchpad_desc().get_size()) + 1);  // of no bytes is none
    // The library takes what it only reads as mutable too.
    const auto memory = [](const dnnl::memory::desc& matrix, const void* data) {
      return dnnl::memory(matrix, cpu(), const_cast<void*>(data));
    };
    dnnl::stream stream(cpu());
    primitive.execute(stream,
                      {{DNNL_ARG_SRC, memory(description.src_desc(), p.a)},
                       {DNNL_ARG_WEIGHTS, memory(description.weights_desc(), p.b)},
                       {DNNL_ARG_DST, memory(description.dst_desc(), p.c)},
                       {DNNL_ARG_SCRATCHPAD, memory(description.scratchpad_desc(), scratch)}});
  }
};

Kernel make_kernel(const TileForm& form, bool adds) {
  using Description = dnnl::memory::desc;
  using Type = dnnl::memory::data_type;
  const auto matrix = [](std::int64_t rows, std::int64_t columns, std::int64_t stride,
                         bool transpose, Type type) {
    return Description({rows, columns}, type,
                       transpose ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1});
  };
  const Description a = matrix(form.rows, form.inner, form.a_stride, form.transpose_a, Type::bf16);
  const Description b =
      matrix(form.inner, form.columns, form.b_stride, form.transpose_b, Type::bf16);
  const Description c = matrix(form.rows, form.columns, form.c_stride, false, Type::f32);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (adds) {
    dnnl::post_ops operations;
    operations.append_sum(1.0f);
    attributes.set_post_ops(operations);
  }
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(cpu(), a, b, c, attributes);
#else
  const dnnl::matmul::primitive_desc description({a, b, c}, attributes, cpu());
#endif
  return {description, dnnl::matmul(description)};
}

class OneDnn : public TileLibrary {
 public:
  std::string name() const override { return "onednn"; }
  std::string description() const override {
    const dnnl_version_t& version = *dnnl_version();
    return str("oneDNN ", version.major, ".", version.minor, ".", version.patch, " ",
               instruction_set_name());
  }

  /// OpenBLAS multiplies tiles up to 100 x 100 x 100 without packing them first. Beyond, this
  /// library is faster but where both operands are transposed, or the right one and few rows and
  /// columns share a long inner dimension.
  bool excels(const TileForm& f, DType type) const override {
    if (type == DType::bfloat16 && prefers_bfloat16()) return true;
    if (!has(dnnl_cpu_isa_avx2) || double(f.rows) * double(f.columns) * double(f.inner) <= 1e6)
      return false;
    return f.transpose_a ? !f.transpose_b : !f.transpose_b || std::max(f.rows, f.columns) >= 256;
  }

  /// Intel's processors without AMX do half as many bfloat16 products a cycle as float32 ones.
  bool prefers_bfloat16() const override {
    return has(dnnl_cpu_isa_avx512_core_amx) || (has(dnnl_cpu_isa_avx512_core_bf16) && is_amd());
  }

  bool prepare(const TileForm& form) override {
    if (!has(dnnl_cpu_isa_avx512_core_bf16)) return false;
    std::lock_guard lock(mutex_);
    if (kernels_.contains(form)) return true;
    try {
      const OneThread one_thread;
      Kernels made{make_kernel(form, false), make_kernel(form, true)};
      for (const Kernel* kernel : {&made.writes, &made.adds})
        if (std::string(kernel->description.impl_info_str()).starts_with("ref")) return false;
      kernels_.emplace(form, std::move(made));
      return true;
    } catch (const dnnl::error& error) {
      if (error.status == dnnl_unimplemented) return false;
      ADJOINT_FAIL("oneDNN: ", error.what());
    }
  }

  void multiply(const TileProduct<float>& p) const override {
    const TileForm& f = p.form;
    const OneThread one_thread;
    const dnnl_status_t status =
        dnnl_sgemm(f.transpose_a ? 'T' : 'N', f.transpose_b ? 'T' : 'N', f.rows, f.columns, f.inner,
                   p.alpha, p.a, f.a_stride, p.b, f.b_stride, p.beta, p.c, f.c_stride);
    ADJOINT_CHECK(status == dnnl_success, "oneDNN: sgemm failed with status ", int(status));
  }

  void multiply(const TileProduct<bfloat16>& p) const override {
    const Kernels& kernels = find(p.form);
    const OneThread one_thread;
    const auto multiply_result = [&](float factor) {
      if (factor != 1) scale(p.c, p.form.c_stride, p.form.rows, p.form.columns, factor);
    };
    if (p.alpha == 0) return multiply_result(p.beta);
    if (p.beta == 0) {
      kernels.writes.run(p);
    } else {
      multiply_result(p.beta / p.alpha);
      kernels.adds.run(p);
    }
    multiply_result(p.alpha);
  }

 private:
  struct Kernels {
    Kernel writes, adds;
  };

  const Kernels& find(const TileForm& form) const {
    std::shared_lock lock(mutex_);
    const auto found = kernels_.find(form);
    ADJOINT_CHECK(found != kernels_.end(), "oneDNN: a product of bfloat16 was not prepared");
    return found->second;
  }

  mutable std::shared_mutex mutex_;
  std::map<TileForm, Kernels> kernels_;  // whose places do not change
};

}  // namespace

std::unique_ptr<TileLibrary> make_onednn() { return std::make_unique<OneDnn>(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

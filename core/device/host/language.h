// CUDA's keywords for a C++ compiler, the ADJOINT_ macros of core/device/kernel.h, and which
// sanitizer this translation unit is compiled with.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define ADJOINT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADJOINT_ASAN 1
#endif
#endif
#if !defined(ADJOINT_ASAN)
#define ADJOINT_ASAN 0
#endif

// The engine is compiled without -fsanitize=thread and told by the build instead.
#if !defined(ADJOINT_TSAN)
#if defined(__SANITIZE_THREAD__)
#define ADJOINT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ADJOINT_TSAN 1
#endif
#endif
#endif
#if !defined(ADJOINT_TSAN)
#define ADJOINT_TSAN 0
#endif

#define __host__
#define __device__
#define __global__
#define __constant__ const
#define __launch_bounds__(...)
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) alignas(bytes)
// Not defined on purpose: __noinline__, which libstdc++ spells inside __attribute__, and
// __shared__, which could have neither red zones nor the 48 KiB check: use ADJOINT_SHARED.

// Inlines a whole kernel into the loop over its threads; sanitized code is never fast, and takes
// minutes to compile so.
#if ADJOINT_ASAN || ADJOINT_TSAN
#define ADJOINT_FLATTEN
#else
#define ADJOINT_FLATTEN __attribute__((flatten))
#endif
#define ADJOINT_PRAGMA(text) _Pragma(#text)
#define ADJOINT_DEVICE __forceinline__
// Of a function with a form for blocks of one thread, the form for others, which only checks run
// here: not compiled for speed, which takes a quarter less time.
#define ADJOINT_GPU_FORM __attribute__((noinline, cold))
#define ADJOINT_UNROLL
#define ADJOINT_SIMD _Pragma("omp simd")
#define ADJOINT_SIMD_SUM(...) ADJOINT_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#define ADJOINT_SIMD_MAX(...) ADJOINT_PRAGMA(omp simd reduction(max : __VA_ARGS__))
#if defined(__clang__)
#define ADJOINT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define ADJOINT_INDEPENDENT _Pragma("GCC ivdep")
#endif

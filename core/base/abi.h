// What a plugin must have in common with the program that loads it: headers of the same version,
// and the flags that change what is compiled of them. Each library has a text that says it,
// compiled into it by this header; registries compare theirs with that of whoever enters something.
#pragma once

#include <string>
#include <string_view>

#include "core/base/version.h"

#define ADJOINT_ABI_TEXT(x) #x
#define ADJOINT_ABI_TEXT_OF(x) ADJOINT_ABI_TEXT(x)

#if defined(ADJOINT_BACKEND)  // what knows no backend serves all of them
#define ADJOINT_ABI_BACKEND " backend=" ADJOINT_ABI_TEXT_OF(ADJOINT_BACKEND)
#else
#define ADJOINT_ABI_BACKEND
#endif

#if defined(ADJOINT_CHECKED)
#define ADJOINT_ABI_CHECKED " ADJOINT_CHECKED=1"
#else
#define ADJOINT_ABI_CHECKED " ADJOINT_CHECKED=0"
#endif

// GCC says it by macros, Clang by __has_feature.
#if defined(__has_feature)
#define ADJOINT_ABI_HAS(x) __has_feature(x)
#else
#define ADJOINT_ABI_HAS(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ADJOINT_ABI_HAS(address_sanitizer)
#define ADJOINT_ABI_SANITIZER " sanitizer=address"
#elif defined(__SANITIZE_THREAD__) || ADJOINT_ABI_HAS(thread_sanitizer)
#define ADJOINT_ABI_SANITIZER " sanitizer=thread"
#else
#define ADJOINT_ABI_SANITIZER " sanitizer=none"
#endif

#if defined(_GLIBCXX_DEBUG)
#define ADJOINT_ABI_LIBRARY " library=libstdc++-debug"
#elif defined(__GLIBCXX__)
#define ADJOINT_ABI_LIBRARY " library=libstdc++"
#elif defined(_LIBCPP_VERSION)
#define ADJOINT_ABI_LIBRARY " library=libc++"
#else
#define ADJOINT_ABI_LIBRARY " library=other"
#endif

// -ffast-math and -ffinite-math-only: NaN must stay what it is.
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#define ADJOINT_ABI_MATH " math=fast"
#else
#define ADJOINT_ABI_MATH " math=exact"
#endif

// Inline functions of one name are one in a program. Files that nvcc compiles have no -march and
// say nothing: they fit any.
#if defined(__AVX512F__)
#define ADJOINT_ABI_VECTORS " vectors=avx512"
#elif defined(__AVX2__)
#define ADJOINT_ABI_VECTORS " vectors=avx2"
#else
#define ADJOINT_ABI_VECTORS
#endif

namespace adjoint {

/// What the file that includes this was compiled as, "version=0.1.0 backend=host ...". A default
/// argument `const char* abi = kAbiTag` is that of the caller. (No inline function: of those, one
/// definition would serve program and plugins, which would then always agree.)
constexpr const char* kAbiTag = "version=" ADJOINT_VERSION ADJOINT_ABI_BACKEND ADJOINT_ABI_CHECKED
    ADJOINT_ABI_SANITIZER ADJOINT_ABI_LIBRARY ADJOINT_ABI_MATH ADJOINT_ABI_VECTORS;

/// Empty where the tags fit each other: what both name is the same. Else what differs,
/// "expected version=0.1.0, found version=0.2.0".
std::string abi_difference(std::string_view expected, std::string_view found);

}  // namespace adjoint

#undef ADJOINT_ABI_TEXT
#undef ADJOINT_ABI_TEXT_OF
#undef ADJOINT_ABI_BACKEND
#undef ADJOINT_ABI_CHECKED
#undef ADJOINT_ABI_HAS
#undef ADJOINT_ABI_SANITIZER
#undef ADJOINT_ABI_LIBRARY
#undef ADJOINT_ABI_MATH
#undef ADJOINT_ABI_VECTORS

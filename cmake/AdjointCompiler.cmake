# Compilers, warnings and flags, the same for every target: one -march and one set of sanitizers, or
# inline functions of different translation units would not agree.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O3")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)  # a build folder may be moved: tools/gpu_node does

# Reading the standard library is half of what most files cost. g++ reads it from a precompiled header;
# sources still include what they use, or the preset fuzz and the CUDA backend, which do without, would not compile.
option(ADJOINT_PCH "Precompile standard headers (g++)" ON)
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(ADJOINT_PCH OFF)
endif()

find_program(ADJOINT_CCACHE ccache)
if(ADJOINT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ADJOINT_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${ADJOINT_CCACHE})
  if(ADJOINT_PCH)  # or ccache leaves such files alone, and knows none of another preset's again
    list(PREPEND CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR})
  endif()
endif()

# adjoint_precompile(TARGET [FROM TARGET] [HEADER...]): slow standard headers, and HEADERs, for the C++ of a
# target; FROM a target of the same flags where that has them already. Not for the CUDA backend.
function(adjoint_precompile target)
  if(NOT ADJOINT_PCH OR target MATCHES "_cuda$")
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FROM" "")
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # for ccache
  if(arg_FROM)
    target_precompile_headers(${target} REUSE_FROM ${arg_FROM})
    return()
  endif()
  set(headers algorithm array atomic chrono cmath condition_variable cstdint cstring deque filesystem functional
    initializer_list limits map memory mutex optional span
    sstream string string_view tuple type_traits utility variant vector ${arg_UNPARSED_ARGUMENTS})
  list(TRANSFORM headers REPLACE "^.+$" "$<$<COMPILE_LANGUAGE:CXX>:<\\0$<ANGLE-R>>")
  target_precompile_headers(${target} PRIVATE ${headers})
endfunction()

add_library(adjoint_flags INTERFACE)
target_compile_features(adjoint_flags INTERFACE cxx_std_20)
target_compile_options(adjoint_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Werror;-Wno-unknown-pragmas;-Wno-missing-field-initializers>
  # Kernels vectorise only without errno and floating-point traps; `omp simd` marks reductions.
  $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno;-fno-trapping-math;-fopenmp-simd>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(adjoint_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=${ADJOINT_HOST_ARCH}>)
endif()

if(ADJOINT_SANITIZE STREQUAL "address")
  set(adjoint_sanitizer -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(ADJOINT_SANITIZE STREQUAL "thread")
  set(adjoint_sanitizer -fsanitize=thread)
elseif(ADJOINT_SANITIZE STREQUAL "fuzzer")
  # Coverage in every library; libFuzzer's main() only in the programs of tests/fuzz.
  set(adjoint_sanitizer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(NOT ADJOINT_SANITIZE STREQUAL "")
  message(FATAL_ERROR "ADJOINT_SANITIZE is '${ADJOINT_SANITIZE}': expected empty, address, thread or fuzzer")
endif()
if(adjoint_sanitizer)
  # -O1 keeps stack traces and compile times sane; -g1 gives the kernel's file and line.
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -g1")
  target_compile_options(adjoint_flags INTERFACE ${adjoint_sanitizer} -fno-omit-frame-pointer)
  target_link_options(adjoint_flags INTERFACE ${adjoint_sanitizer})
  target_compile_definitions(adjoint_flags INTERFACE ADJOINT_CHECKED=1)
endif()

if(ADJOINT_CUDA)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90)
  endif()
  # One runtime in a process: a program with kernels of its own would else bring a second, beside the library's.
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
  enable_language(CUDA)
  # CMake 3.25 does not know the flag (nvcc has had it since 12.0), so that the standard may be set
  # only after the compiler was tried.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
  target_compile_options(adjoint_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall,-Werror,-Wno-unknown-pragmas;--expt-relaxed-constexpr;--extended-lambda;-Xptxas=-warn-spills,-warn-lmem-usage,-Werror>)
endif()

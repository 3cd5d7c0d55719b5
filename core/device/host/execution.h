// CUDA C++ for the host compiler: what a .cu file sees in place of the CUDA headers. See README.md
// in this folder for what it catches and what is not there.
#pragma once

#if defined(__CUDA_RUNTIME_H__)
#error "CUDA's headers and core/device/host/execution.h cannot be mixed in one translation unit"
#endif

#include "core/device/host/atomics.h"
#include "core/device/host/collectives.h"
#include "core/device/host/intrinsics.h"
#include "core/device/host/language.h"
#include "core/device/host/launch.h"
#include "core/device/host/reduce.h"
#include "core/device/host/shared_memory.h"
#include "core/device/host/thread_state.h"
#include "core/device/host/vector_types.h"

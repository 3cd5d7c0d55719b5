// The one header a kernels/*.cu file includes for the execution model. nvcc gets CUDA, every other
// compiler gets core/device/host, which runs the same source on the CPU. Both offer, in the same
// form:
//
//   launch<kernel>(stream, {.grid = rows, .block = preferred_block(256)}, arguments...);
//   ADJOINT_SHARED(float, tile, [32][33]);      static shared memory of the block
//   ADJOINT_DYNAMIC_SHARED(float, row);         the launch's shared_bytes, as float* row
//   ADJOINT_DEVICE float gelu(float x)          a function called by kernels
//   ADJOINT_UNROLL for (...)                    a loop over registers
//   ADJOINT_SIMD for (...)                      a loop over a pack's elements: SIMD on the host
//   ADJOINT_SIMD_SUM(a, b) for (...)            a loop that carries these sums alone: likewise
//   ADJOINT_SIMD_MAX(m) for (...)               or this maximum
//
// and the Block object with its loops and reductions (core/device/block.h).
#pragma once

#include "core/device/execution_options.h"
#include "core/device/launch_shape.h"

#if defined(__CUDACC__)
#include "core/device/cuda/execution.h"
#else
#include "core/device/host/execution.h"
#endif

#include "core/device/block.h"

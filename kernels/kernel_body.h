// ADJOINT_KERNEL_BODY: a kernel's body as a function of its own. On the GPU it is inlined; the host
// would else compile it into every form of its loop over threads, and vectorise less of it there.
#pragma once

#include "core/device/kernel.h"

#if defined(__CUDACC__)
#define ADJOINT_KERNEL_BODY ADJOINT_DEVICE
#else
#define ADJOINT_KERNEL_BODY ADJOINT_FLATTEN __attribute__((noinline))
#endif

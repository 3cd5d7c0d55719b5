// ADJOINT_HD marks functions of the headers that plain C++, the host backend and nvcc share.
#pragma once

#if defined(__CUDACC__)
#define ADJOINT_HD __host__ __device__ __forceinline__
#else
#define ADJOINT_HD inline
#endif

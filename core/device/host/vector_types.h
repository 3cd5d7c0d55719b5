// CUDA's built-in vector types: float4 and friends, with CUDA's alignment, so that UBSan reports a
// misaligned vector access. They may alias other types, because kernels read arrays of scalars
// through them.
#pragma once

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

#define ADJOINT_VECTOR2(name, type, bytes)        \
  struct alignas(bytes) [[gnu::may_alias]] name { \
    type x, y;                                    \
  };                                              \
  static inline constexpr name make_##name(type x, type y) { return {x, y}; }
#define ADJOINT_VECTOR4(name, type, bytes)        \
  struct alignas(bytes) [[gnu::may_alias]] name { \
    type x, y, z, w;                              \
  };                                              \
  static inline constexpr name make_##name(type x, type y, type z, type w) { return {x, y, z, w}; }
ADJOINT_VECTOR2(char2, signed char, 2)
ADJOINT_VECTOR2(uchar2, unsigned char, 2)
ADJOINT_VECTOR2(short2, short, 4)
ADJOINT_VECTOR2(ushort2, unsigned short, 4)
ADJOINT_VECTOR2(int2, int, 8)
ADJOINT_VECTOR2(uint2, unsigned, 8)
ADJOINT_VECTOR2(float2, float, 8)
ADJOINT_VECTOR2(longlong2, long long, 16)
ADJOINT_VECTOR2(ulonglong2, unsigned long long, 16)
ADJOINT_VECTOR2(double2, double, 16)
ADJOINT_VECTOR4(char4, signed char, 4)
ADJOINT_VECTOR4(uchar4, unsigned char, 4)
ADJOINT_VECTOR4(short4, short, 8)
ADJOINT_VECTOR4(ushort4, unsigned short, 8)
ADJOINT_VECTOR4(int4, int, 16)
ADJOINT_VECTOR4(uint4, unsigned, 16)
ADJOINT_VECTOR4(float4, float, 16)
ADJOINT_VECTOR4(double4, double, 16)
#undef ADJOINT_VECTOR2
#undef ADJOINT_VECTOR4

struct [[gnu::may_alias]] float3 {
  float x, y, z;
};
struct [[gnu::may_alias]] int3 {
  int x, y, z;
};
static inline constexpr float3 make_float3(float x, float y, float z) { return {x, y, z}; }
static inline constexpr int3 make_int3(int x, int y, int z) { return {x, y, z}; }
static inline constexpr uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }

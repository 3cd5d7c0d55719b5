// Atomic functions and memory fences of the CUDA C++ programming guide. CUDA's are relaxed and
// become ordered by
// __threadfence(); here every atomic acquires and releases. On x86 that costs nothing, and
// ThreadSanitizer, which knows no fences, then sees the order that the pattern "write partial
// results; __threadfence(); count blocks with an integer atomic; the last block reads them" relies
// on. The price: a kernel that forgot the fence passes.
#pragma once

#include <atomic>
#include <type_traits>

#include "core/device/host/language.h"

static inline void __threadfence() {
#if !ADJOINT_TSAN
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}
static inline void __threadfence_system() { __threadfence(); }
static inline void __threadfence_block() { std::atomic_signal_fence(std::memory_order_seq_cst); }

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Replaces *address by update(*address) and returns what it was.
template <class T, class Update>
T atomic_update(T* address, const Update& update) {
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, update(old), std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
  }
  return old;
}

template <class T>
inline constexpr bool kAtomicInteger =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;
template <class T>
inline constexpr bool kAtomicNumber =
    kAtomicInteger<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

template <class T>
requires ::adjoint::kAtomicNumber<T>
static inline T atomicAdd(T* address, std::type_identity_t<T> value) {
  std::atomic_ref<T> cell(*address);
  return cell.fetch_add(value, std::memory_order_acq_rel);
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicSub(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_sub(value, std::memory_order_acq_rel);
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicMin(T* address, std::type_identity_t<T> value) {
  return ::adjoint::atomic_update(address, [value](T old) { return old < value ? old : value; });
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicMax(T* address, std::type_identity_t<T> value) {
  return ::adjoint::atomic_update(address, [value](T old) { return old > value ? old : value; });
}
template <class T>
requires(::adjoint::kAtomicInteger<T> || std::is_same_v<T, float>) static inline T
    atomicExch(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).exchange(value, std::memory_order_acq_rel);
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicCAS(T* address, std::type_identity_t<T> expected,
                          std::type_identity_t<T> value) {
  std::atomic_ref<T>(*address).compare_exchange_strong(expected, value, std::memory_order_acq_rel,
                                                       std::memory_order_acquire);
  return expected;
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicAnd(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_and(value, std::memory_order_acq_rel);
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicOr(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_or(value, std::memory_order_acq_rel);
}
template <class T>
requires ::adjoint::kAtomicInteger<T>
static inline T atomicXor(T* address, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*address).fetch_xor(value, std::memory_order_acq_rel);
}
/// old >= limit ? 0 : old + 1
static inline unsigned atomicInc(unsigned* address, unsigned limit) {
  return ::adjoint::atomic_update(address,
                                  [limit](unsigned old) { return old >= limit ? 0 : old + 1; });
}
/// old == 0 || old > limit ? limit : old - 1
static inline unsigned atomicDec(unsigned* address, unsigned limit) {
  return ::adjoint::atomic_update(
      address, [limit](unsigned old) { return old == 0 || old > limit ? limit : old - 1; });
}

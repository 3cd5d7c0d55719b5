// Device memory with accounting: who holds how much. Buffers are few and large; what lies inside an
// arena is placed by the graph's planner, not here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Memory;

/// Bytes in use, by owner; owners with nothing left are dropped.
struct MemoryUse {
  struct Owner {
    std::string name;
    std::size_t bytes = 0;
  };
  std::size_t current = 0;
  std::size_t peak = 0;
  std::vector<Owner> owners;  ///< largest first
};

/// Owns a range of device memory, 256-byte aligned; empty if default-constructed or of zero bytes.
/// In checking builds (ADJOINT_CHECKED) new memory is filled with 0xff bytes, which is NaN in every
/// floating type, has red zones under AddressSanitizer, and on the host backend cannot be touched
/// outside launches and copies. Releasing waits until no stream can still use the memory (as
/// cudaFree does); a recording that refers to it must not be replayed afterwards.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  friend class Memory;
  std::shared_ptr<struct MemoryLedger> ledger_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint64_t owner_ = 0;
};

/// Allocates device memory and keeps the ledger. Buffers may outlive it.
class Memory {
 public:
  Memory();
  /// `owner` says on whose behalf, in the words of the user's model ("activations", "AdamW
  /// moments"). Throws Error if the device has not enough (naming what was asked for, what is used,
  /// and by whom), if the limit would be passed, or while the calling thread is capturing a stream.
  Buffer allocate(std::size_t bytes, const std::string& owner);
  MemoryUse use() const;
  /// Refuses to hold more than this many bytes; 0 (the default) is no limit but the device's.
  void set_limit(std::size_t bytes);

 private:
  std::shared_ptr<struct MemoryLedger> ledger_;
};

/// Page-locked host memory that the device can copy from and to while the CPU goes on, and that
/// kernels may write to directly (cuda: mapped). Zero-filled, 256-byte aligned. Made and released
/// like a Buffer, but not counted in any ledger: it is not device memory.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

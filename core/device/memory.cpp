// The ledger of device memory: who holds how much, the peak, the limit, and an error that says all
// of it when there is not enough. The same on both backends.
#include "core/device/memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/device/allocator.h"
#include "core/device/counters.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Owners are numbered as they first appear; a buffer remembers the number of its own.
struct MemoryLedger {
  struct Owner {
    std::string name;
    std::size_t bytes = 0;
  };

  mutable std::mutex mutex;
  std::size_t current = 0;
  std::size_t peak = 0;
  std::size_t limit = 0;
  std::vector<Owner> owners;

  MemoryUse use() const {
    MemoryUse use{.current = current, .peak = peak, .owners = {}};
    for (const Owner& owner : owners) {
      if (owner.bytes > 0) use.owners.push_back({owner.name, owner.bytes});
    }
    std::stable_sort(use.owners.begin(), use.owners.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
    return use;
  }

  std::uint64_t add(const std::string& name, std::size_t bytes) {
    const auto found = std::find_if(owners.begin(), owners.end(),
                                    [&](const Owner& owner) { return owner.name == name; });
    const auto index = std::uint64_t(found - owners.begin());
    if (found == owners.end()) owners.push_back({name, 0});
    owners[index].bytes += bytes;
    current += bytes;
    peak = std::max(peak, current);
    return index;
  }

  void remove(std::uint64_t owner, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    owners[owner].bytes -= bytes;
    current -= bytes;
  }
};

namespace {

[[noreturn]] void fail_for_memory(std::size_t bytes, const std::string& owner, const MemoryUse& use,
                                  const std::string& bound) {
  std::vector<std::string> holders;
  for (const auto& [name, held] : use.owners) holders.push_back(str(name, " ", human_bytes(held)));
  ADJOINT_FAIL("out of device memory: asked ", human_bytes(bytes), " for '", owner, "', in use ",
               human_bytes(use.current), " (peak ", human_bytes(use.peak), ") of ", bound,
               holders.empty() ? "" : ": ", join(holders, ", "),
               "; use a smaller batch, a 16-bit precision, or a device with more memory");
}

}  // namespace

Memory::Memory() : ledger_(std::make_shared<MemoryLedger>()) {}

Buffer Memory::allocate(std::size_t bytes, const std::string& owner) {
  refuse_during_capture(str("Memory: cannot allocate ", human_bytes(bytes), " for '", owner, "'"));
  Buffer buffer;
  if (bytes == 0) return buffer;
  const std::lock_guard lock(ledger_->mutex);
  if (ledger_->limit > 0 &&
      (ledger_->current > ledger_->limit || bytes > ledger_->limit - ledger_->current)) {
    fail_for_memory(bytes, owner, ledger_->use(), str("limit ", human_bytes(ledger_->limit)));
  }
  count(atomic_counters.allocations);
  void* data = allocate_device_memory(bytes);
  if (data == nullptr) {
    const DeviceCapacity capacity = device_capacity();
    fail_for_memory(bytes, owner, ledger_->use(),
                    str(human_bytes(capacity.total), " on the device, ",
                        human_bytes(capacity.available), " of them free"));
  }
  buffer.owner_ = ledger_->add(owner, bytes);
  buffer.ledger_ = ledger_;
  buffer.data_ = data;
  buffer.bytes_ = bytes;
  return buffer;
}

MemoryUse Memory::use() const {
  const std::lock_guard lock(ledger_->mutex);
  return ledger_->use();
}

void Memory::set_limit(std::size_t bytes) {
  const std::lock_guard lock(ledger_->mutex);
  ledger_->limit = bytes;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  release_device_memory(data_, bytes_);
  ledger_->remove(owner_, bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : ledger_(std::move(other.ledger_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      owner_(other.owner_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  std::swap(ledger_, taken.ledger_);
  std::swap(data_, taken.data_);
  std::swap(bytes_, taken.bytes_);
  std::swap(owner_, taken.owner_);
  return *this;
}

PinnedBuffer::PinnedBuffer(std::size_t bytes) : bytes_(bytes) {
  refuse_during_capture(str("PinnedBuffer: cannot allocate ", human_bytes(bytes)));
  if (bytes == 0) return;
  count(atomic_counters.allocations);
  data_ = allocate_pinned_memory(bytes);
  ADJOINT_CHECK(data_ != nullptr, "PinnedBuffer: out of page-locked host memory: asked ",
                human_bytes(bytes), "; use a smaller batch or fewer batches in flight");
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ != nullptr) release_pinned_memory(data_, bytes_);
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  PinnedBuffer taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

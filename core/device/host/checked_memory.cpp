// Device memory of checking builds lies in one reserved range of addresses. The pages in use are
// without rights unless stream work runs; the gaps between buffers, and released buffers, are
// poisoned for AddressSanitizer. Addresses are not used again until the range is used up, so that
// stale pointers stay stale. A SIGSEGV in the range is explained before the handler that was there
// (a sanitizer's, which prints the stack) goes on.
#include "core/device/host/checked_memory.h"

#ifdef ADJOINT_CHECKED

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) \
  (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) \
  (static_cast<void>(address), static_cast<void>(size))
#endif

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kGap = kPage;  ///< red zone between buffers

/// Read by the signal handler, hence plain variables: set once, before the handler is installed.
std::uintptr_t range_begin = 0, range_end = 0;
struct sigaction earlier_action;

void explain_fault(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (address >= range_begin && address < range_end) {
    static constexpr char kMessage[] =
        "adjoint: the host touched device memory outside a launch or copy (a GPU's memory is not "
        "the CPU's); "
        "use copy_to_host() or copy_to_device()\n";
    // Nothing can be done about an error of write() here.
    [[maybe_unused]] const auto written = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  }
  // The faulting instruction runs again under the earlier action.
  static_cast<void>(context);
  sigaction(signal, &earlier_action, nullptr);
}

class Range {
 public:
  static Range& get() {
    static auto* const range = new Range();  // outlives the buffers of static objects
    return *range;
  }

  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
    char* data = take(pages + kGap);
    if (data == nullptr) return nullptr;
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
    return data;
  }

  void release(void* data, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t pages = (bytes + kPage - 1) / kPage * kPage;
    ASAN_POISON_MEMORY_REGION(data, bytes);
    madvise(data, pages, MADV_DONTNEED);
    released_.emplace(pages + kGap, static_cast<char*>(data));
  }

  void open() {
    const std::lock_guard lock(mutex_);
    if (open_++ == 0) protect(PROT_READ | PROT_WRITE);
  }

  void close() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) protect(PROT_NONE);
  }

 private:
  Range() {
    // As much as the system gives: address space, not memory.
    for (std::size_t size = std::size_t(1) << 38; begin_ == nullptr && size >= kPage; size /= 2) {
      void* range =
          mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (range == MAP_FAILED) continue;
      begin_ = next_ = static_cast<char*>(range);
      end_ = begin_ + size;
    }
    if (begin_ == nullptr) return;
    take(kGap);
    range_begin = reinterpret_cast<std::uintptr_t>(begin_);
    range_end = reinterpret_cast<std::uintptr_t>(end_);
    struct sigaction action {};
    action.sa_sigaction = &explain_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;  // a fault may be an overflowing stack
    sigaction(SIGSEGV, &action, &earlier_action);
  }

  /// Fresh addresses while there are any, then those of the smallest released buffer that fits.
  char* take(std::size_t bytes) {
    if (bytes <= std::size_t(end_ - next_)) {
      char* data = std::exchange(next_, next_ + bytes);
      ASAN_POISON_MEMORY_REGION(data, bytes);
      if (open_ > 0) mprotect(data, bytes, PROT_READ | PROT_WRITE);
      return data;
    }
    const auto found = released_.lower_bound(bytes);
    if (found == released_.end()) return nullptr;
    char* data = found->second;
    released_.erase(found);
    return data;
  }

  void protect(int rights) {
    if (next_ > begin_) mprotect(begin_, std::size_t(next_ - begin_), rights);
  }

  std::mutex mutex_;
  char* begin_ = nullptr;
  char* next_ = nullptr;
  char* end_ = nullptr;
  int open_ = 0;
  std::multimap<std::size_t, char*> released_;  ///< by size, with gap
};

}  // namespace

DeviceAccess::DeviceAccess() { Range::get().open(); }
DeviceAccess::~DeviceAccess() { Range::get().close(); }

void* allocate_checked(std::size_t bytes) { return Range::get().allocate(bytes); }
void release_checked(void* data, std::size_t bytes) noexcept { Range::get().release(data, bytes); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#endif

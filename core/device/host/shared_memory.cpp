// The engine's shared memory. AddressSanitizer: red zones between static variables and behind the
// dynamic part. Checking builds: filled with 0xff, which is NaN, when a block starts.
// ThreadSanitizer: new memory for each block, because the accesses of the last block to the same
// place are no races.
#include "core/device/host/shared_memory.h"

#include <cstdlib>
#include <cstring>

#include "core/device/host/block_engine.h"

#if ADJOINT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) (void(address), void(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) (void(address), void(bytes))
#endif

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

#if defined(ADJOINT_CHECKED)
constexpr bool kChecked = true;
#else
constexpr bool kChecked = false;
#endif
constexpr std::size_t kAlignment = 128;
constexpr std::size_t kRedZone = ADJOINT_ASAN ? 128 : 0;
constexpr std::size_t kArenaBytes =
    kStaticSharedBytes + ThreadState::kMaxSharedVariables * 256 + 256;

std::size_t aligned(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

char* allocate(std::size_t bytes) {
  return static_cast<char*>(std::aligned_alloc(kAlignment, aligned(bytes, kAlignment)));
}

}  // namespace

void BlockEngine::Free::operator()(void* memory) const {
  TsanIgnore ignore;
  std::free(memory);
}

void BlockEngine::begin_block() {
  TsanIgnore ignore;
  const std::size_t bytes = grid_->shared_bytes;
  if (ADJOINT_TSAN) {
    static_shared_.reset();
    dynamic_shared_.reset();
    sync_.reset(static_cast<SyncObjects*>(std::malloc(sizeof(SyncObjects))));
  }
  if (bytes > 0 && !dynamic_shared_) {
    dynamic_shared_.reset(allocate(bytes + kRedZone));
    char* const end = dynamic_shared_.get() + bytes;
    ASAN_POISON_MEMORY_REGION(end,
                              dynamic_shared_.get() + aligned(bytes + kRedZone, kAlignment) - end);
  }
  thread_state.dynamic_shared = dynamic_shared_.get();
  if (kChecked && bytes > 0) std::memset(dynamic_shared_.get(), 0xff, bytes);
}

void BlockEngine::end_grid() {
  if (char* const memory = dynamic_shared_.get()) {
    ASAN_UNPOISON_MEMORY_REGION(memory, aligned(grid_->shared_bytes + kRedZone, kAlignment));
    (void)memory;
  }
  dynamic_shared_.reset();
  grid_ = nullptr;
}

void* BlockEngine::add_shared_variable(const void* declaration, std::size_t bytes,
                                       std::size_t alignment) {
  TsanIgnore ignore;
  ThreadState& state = thread_state;
  if (!static_shared_) static_shared_.reset(allocate(kArenaBytes));
  char* const arena = static_shared_.get();
  if (state.shared_variables == 0) {
    static_shared_used_ = static_shared_bytes_ = 0;
    ASAN_POISON_MEMORY_REGION(arena, kArenaBytes);
  }
  const std::size_t offset = aligned(static_shared_used_ + kRedZone, alignment);
  static_shared_bytes_ = aligned(static_shared_bytes_, alignment) + bytes;
  const std::size_t total = static_shared_bytes_ + grid_->shared_bytes;
  if (static_shared_bytes_ > kStaticSharedBytes)
    throw Error(str("expected at most ", kStaticSharedBytes, " bytes of static shared memory, got ",
                    static_shared_bytes_, "; use ADJOINT_DYNAMIC_SHARED"));
  if (total > kMaxSharedBytes)
    throw Error(str("expected at most ", kMaxSharedBytes, " bytes of shared memory, got ", total));
  if (state.shared_variables == ThreadState::kMaxSharedVariables)
    throw Error(
        str("expected at most ", ThreadState::kMaxSharedVariables, " ADJOINT_SHARED variables"));
  char* const data = arena + offset;
  static_shared_used_ = offset + bytes;
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  if (kChecked) std::memset(data, 0xff, bytes);
  state.shared_variable[state.shared_variables++] = {declaration, data};
  return data;
}

void* add_shared_variable(const void* declaration, std::size_t bytes, std::size_t alignment) {
  return thread_state.engine->add_shared_variable(declaration, bytes, alignment);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

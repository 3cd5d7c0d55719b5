// Running a grid: its blocks are cut into pieces that the workers take in turn.
#include "core/device/host/execution.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/device/host/workers.h"

namespace adjoint::inline ADJOINT_BACKEND {

constinit thread_local ThreadState thread_state;

void run_grid(const Grid& grid) {
  const std::uint64_t blocks = std::uint64_t(grid.grid.x) * grid.grid.y * grid.grid.z;
  const std::uint64_t piece = std::max<std::uint64_t>(1, blocks / (std::uint64_t(workers()) * 8));
  parallel_for(std::int64_t((blocks + piece - 1) / piece), [&](std::int64_t i) {
    const ThreadState before = thread_state;
    thread_state.grid_extent = grid.grid;
    thread_state.block_extent = grid.block;
    thread_state.block_threads = grid.block.x * grid.block.y * grid.block.z;
    void* const memory = std::aligned_alloc(128, (grid.shared_bytes + 255) / 128 * 128);
    thread_state.dynamic_shared = memory;
    const std::uint64_t begin = std::uint64_t(i) * piece;
    grid.run_blocks(grid.arguments, begin, std::min(blocks, begin + piece));
    std::free(memory);
    thread_state = before;
  });
}

void run_interleaved_block() { ADJOINT_FAIL("to come"); }
bool begin_thread() { return false; }
void end_thread() {}
void fail_thread() {}
void* add_shared_variable(const void* declaration, std::size_t bytes, std::size_t) {
  thread_local std::unique_ptr<char[]> arena(new char[64 * 1024]);
  thread_local std::size_t used = 0;
  ThreadState& s = thread_state;
  if (s.shared_variables == 0) used = 0;
  void* data = arena.get() + used;
  used += (bytes + 127) / 128 * 128;
  s.shared_variable[s.shared_variables++] = {declaration, data};
  return data;
}
void block_barrier(SourceLocation) {
  if (thread_state.block_threads != 1) ADJOINT_FAIL("to come");
}
int block_vote(bool predicate, BlockVote, SourceLocation) { return predicate; }
std::uint64_t warp_collective(std::uint32_t, WarpOperation, std::uint64_t, unsigned, CombineLanes,
                              const void*, SourceLocation) {
  ADJOINT_FAIL("to come");
}
void combine_shuffle(WarpExchange&, const void*) {}
void combine_ballot(WarpExchange&, const void*) {}
void combine_match(WarpExchange&, const void*) {}
void fail_kernel(const std::string& message, SourceLocation where) { throw Error(message, where); }
void block_collective(const void*, void*, std::size_t, CombineBlock, const void*, SourceLocation) {
  ADJOINT_FAIL("to come");
}

}  // namespace adjoint::inline ADJOINT_BACKEND

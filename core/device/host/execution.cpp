// Running a grid: its blocks are cut into pieces that the workers take in turn.
#include "core/device/host/execution.h"

#include <cstring>
#include <memory>

#include "core/device/host/block_engine.h"
#include "core/device/host/queue.h"
#include "core/device/host/workers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Fewer CUDA threads than this are not worth waking a worker for.
constexpr std::uint64_t kInlineThreads = 8;

void run_piece(const Grid& grid, std::uint64_t begin, std::uint64_t end, char* tsan_start,
               char* tsan_end) {
  BlockEngine& engine = BlockEngine::current();
  engine.begin_grid(grid, tsan_start, tsan_end);
  engine.begin_block();
  struct EndGrid {
    BlockEngine& engine;
    ~EndGrid() { engine.end_grid(); }
  } end_grid{engine};
  try {
    // Under ThreadSanitizer every CUDA thread needs its own fiber; and run_blocks, which is
    // instrumented, would be seen to write blockIdx while threads of other fibers read it.
    if (ADJOINT_TSAN)
      engine.run_interleaved_blocks(begin, end);
    else if (grid.run_blocks == nullptr)
      engine.run_blocks(begin, end);
    else
      grid.run_blocks(grid.arguments, begin, end);
  } catch (const Aborted&) {
    throw engine.take_error("aborted");
  } catch (const Error& error) {
    engine.fail_thread();
    throw engine.take_error(error.message());
  } catch (const std::exception& error) {
    engine.fail_thread();
    throw engine.take_error(error.what());
  }
}

// Runs all blocks on the worker pool and waits. Throws Error if the kernel failed.
void run_grid(const Grid& grid) {
  const std::uint64_t blocks = std::uint64_t(grid.grid.x) * grid.grid.y * grid.grid.z;
  const std::uint64_t threads = std::uint64_t(grid.block.x) * grid.block.y * grid.block.z;
  // Pieces differ with the number of workers, results do not: blocks know nothing of each other.
  const std::uint64_t piece =
      blocks * threads < kInlineThreads
          ? blocks
          : std::max<std::uint64_t>(1, blocks / (std::uint64_t(workers()) * 8));
  const std::int64_t pieces = std::int64_t((blocks + piece - 1) / piece);
  // CUDA threads are ordered after the launch and before its end, not among each other.
  struct Order {
    char start = 0, end = 0;
    Order() { tsan_release(&start); }
    ~Order() { tsan_acquire(&end); }
  } order;
  parallel_for(pieces, [&](std::int64_t i) {
    const std::uint64_t begin = std::uint64_t(i) * piece;
    run_piece(grid, begin, std::min(blocks, begin + piece), &order.start, &order.end);
  });
}

}  // namespace

void launch_grid(Stream& stream, const Grid& grid, std::size_t argument_bytes) {
  auto& queue = *static_cast<StreamQueue*>(stream.native());
  if (queue.runs_at_once()) {
    count(atomic_counters.launches);
    return queue.run_at_once([&] { run_grid(grid); });
  }
  const std::shared_ptr<std::byte[]> arguments(new std::byte[argument_bytes]);
  std::memcpy(arguments.get(), grid.arguments, argument_bytes);
  queue.put(WorkKind::launch, grid.name, [later = grid, arguments]() mutable {
    later.arguments = arguments.get();
    run_grid(later);
  });
}

void begin_block() { thread_state.engine->begin_block(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

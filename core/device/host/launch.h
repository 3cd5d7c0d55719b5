// launch<kernel>(): packs the arguments, and runs the grid when the stream comes to it. The kernel
// is a template argument, so that the compiler sees through the loop over its threads: a kernel
// without barriers becomes an ordinary loop nest, and one that is right for any block size, at a
// block of one thread, an ordinary vectorised loop. A thread that meets a barrier hands its block
// over to the engine (block_engine.cpp), which calls the others one by one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/base/error.h"
#include "core/device/host/language.h"
#include "core/device/host/thread_state.h"
#include "core/device/launch_shape.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A launch with its kernel's type erased.
struct Grid {
  /// Runs blocks [begin, end) on this CPU thread; null where run_thread has to do.
  void (*run_blocks)(const void* arguments, std::uint64_t begin, std::uint64_t end);
  /// Runs the current thread.
  void (*run_thread)(const void* arguments);
  const void* arguments;
  dim3 grid, block;
  std::size_t shared_bytes;
  std::string_view name;
};

/// Puts the grid on the stream; its arguments, so many bytes, are copied where it cannot run at
/// once. Not a template, of which a program would have one for each kernel.
void launch_grid(Stream& stream, const Grid& grid, std::size_t argument_bytes);

// The engine's side of the loops below.
void begin_block();            ///< shared memory starts undefined; in checking builds only
void run_interleaved_block();  ///< finishes the current block

/// A kernel's loop over blocks of one thread, whose extents are constants, so that loops over the
/// block have stride 1 and vectorise; or over one-dimensional blocks, a loop over x alone.
template <class Call, class Arguments, bool kOneThread>
ADJOINT_FLATTEN __attribute__((noinline)) void run_blocks(const void* packed, std::uint64_t begin,
                                                          std::uint64_t end) {
  Arguments arguments = *static_cast<const Arguments*>(packed);
  ThreadState& state = thread_state;
  const dim3 block = state.block_extent, grid = state.grid_extent;
  unsigned x = unsigned(begin % grid.x), y = unsigned(begin / grid.x % grid.y),
           z = unsigned(begin / grid.x / grid.y);
  for (std::uint64_t b = begin; b < end; ++b) {
    state.block = {x, y, z};
    if (++x == grid.x) {
      x = 0;
      if (++y == grid.y) y = 0, ++z;
    }
    state.shared_variables = 0;
#if defined(ADJOINT_CHECKED)
    begin_block();
#endif
    if (state.interleaved) {
      run_interleaved_block();
      continue;
    }
    state.thread = {0, 0, 0};
    if constexpr (kOneThread) {
      state.block_extent = {1, 1, 1};
      state.block_threads = 1;
      std::apply(Call{}, arguments);
      if (state.interleaved) [[unlikely]]
        run_interleaved_block();
    } else {
      state.block_extent.y = state.block_extent.z = 1;
      ADJOINT_INDEPENDENT
      for (unsigned thread = 0; thread < block.x; ++thread) {
        state.thread.x = thread;
        std::apply(Call{}, arguments);
        if (state.interleaved) [[unlikely]]
          goto interleaved;  // folded away without barriers
      }
      continue;
    interleaved:
      run_interleaved_block();
    }
  }
}

/// One thread, for blocks without a loop above and for what the engine runs.
template <class Call, class Arguments>
ADJOINT_FLATTEN __attribute__((noinline)) void run_thread(const void* packed) {
  Arguments arguments = *static_cast<const Arguments*>(packed);
  std::apply(Call{}, arguments);
}

/// The same, compiled in half the time, for kernels of which only checks run threads one by one.
template <class Call, class Arguments>
ADJOINT_FLATTEN __attribute__((noinline, cold)) void run_thread_slowly(const void* packed) {
  Arguments arguments = *static_cast<const Arguments*>(packed);
  std::apply(Call{}, arguments);
}

template <auto Kernel>
struct CallKernel {
  template <class... Arguments>
  __attribute__((always_inline)) void operator()(Arguments&... arguments) const {
    Kernel(arguments...);
  }
};

template <class>
struct KernelArguments;
template <class... Parameters>
struct KernelArguments<void (*)(Parameters...)> {
  using Tuple = std::tuple<std::remove_cv_t<Parameters>...>;
  static constexpr bool kAreBytes = (std::is_trivially_copyable_v<Parameters> && ...);
};

template <auto Kernel>
std::string_view kernel_name() {
  static const std::string_view name = tidy_kernel_name(__PRETTY_FUNCTION__);
  return name;
}

/// The loop for blocks of this extent, or null: see Grid.
template <class Call, class Arguments, Blocks kBlocks>
auto loop_for([[maybe_unused]] const Extent& block) {
  decltype(Grid::run_blocks) loop = nullptr;
  if constexpr (kBlocks == Blocks::fixed)
    if (block.y * block.z == 1) loop = &run_blocks<Call, Arguments, false>;
  if constexpr (kBlocks != Blocks::many)
    if (block.count() == 1) loop = &run_blocks<Call, Arguments, true>;
  return loop;
}

/// What runs a thread alone. Not a conditional expression, which would compile both.
template <class Call, class Arguments, Blocks kBlocks>
auto thread_for() {
  if constexpr (kBlocks == Blocks::fixed)
    return &run_thread<Call, Arguments>;
  else
    return &run_thread_slowly<Call, Arguments>;
}

/// Launches the kernel on the stream with its arguments as they are now. An empty grid launches
/// nothing.
template <auto Kernel, Blocks kBlocks = Blocks::preferred, class... Arguments>
void launch(Stream& stream, const LaunchShape& shape, Arguments&&... arguments) {
  using Call = CallKernel<Kernel>;
  using Tuple = typename KernelArguments<decltype(Kernel)>::Tuple;
  static_assert(KernelArguments<decltype(Kernel)>::kAreBytes && alignof(Tuple) <= 16,
                "arguments of kernels are copied as bytes, as CUDA does");
  const std::string_view name = kernel_name<Kernel>();
  if (!check_launch(shape, name)) return;
  const dim3 grid(unsigned(shape.grid.x), unsigned(shape.grid.y), unsigned(shape.grid.z));
  const dim3 block(unsigned(shape.block.x), unsigned(shape.block.y), unsigned(shape.block.z));
  const Tuple packed(std::forward<Arguments>(arguments)...);
  launch_grid(stream,
              {loop_for<Call, Tuple, kBlocks>(shape.block), thread_for<Call, Tuple, kBlocks>(),
               &packed, grid, block, shape.shared_bytes, name},
              sizeof(packed));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

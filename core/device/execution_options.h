// The block size of kernels that are right for any: the GPU's on cuda, one thread on the host,
// where loops over such a block are plain vectorised loops and reductions vanish.
#pragma once

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Whether the host keeps the GPU's block sizes, as tests do. False by default on the host, unless
/// the environment says ADJOINT_HOST_BLOCK=gpu; always true on cuda, where setting it does nothing.
bool gpu_blocks();
void set_gpu_blocks(bool keep);

/// Keeps the GPU's block sizes for a scope.
class GpuBlocks {
 public:
  explicit GpuBlocks(bool keep = true) : before_(gpu_blocks()) { set_gpu_blocks(keep); }
  ~GpuBlocks() { set_gpu_blocks(before_); }
  GpuBlocks(const GpuBlocks&) = delete;
  GpuBlocks& operator=(const GpuBlocks&) = delete;

 private:
  bool before_;
};

/// The block size to launch a kernel with that is right for any: `gpu_threads`, or 1 on the host.
inline int preferred_block(int gpu_threads) { return gpu_blocks() ? gpu_threads : 1; }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

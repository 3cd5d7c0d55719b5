// Context: what all layers of a model share. One device, its main stream, its memory, the random
// key, the train/eval mode, and what floors above keep one of for a device, such as engines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "core/device/memory.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct ContextOptions {
  std::uint64_t seed = 0;        ///< key of all random numbers: initial weights, dropout
  int device = 0;                ///< ordinal of the GPU; the host backend has only 0
  std::size_t memory_limit = 0;  ///< bytes; 0 is no limit
};

/// Random numbers are Philox4x32-10 (core/device/philox.h): key = seed, counter = (element, place
/// in the graph, `step`). The step lives on the device and is advanced there, so that captured work
/// draws anew at each replay.
struct RandomState {
  std::uint64_t seed = 0;
  const std::uint64_t* step = nullptr;  ///< device memory
};

class Context {
 public:
  explicit Context(const ContextOptions& options = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// The same for all contexts that there are at one time: another one is refused.
  int device() const { return device_.ordinal; }
  Stream& stream() { return stream_; }
  Memory& memory() { return memory_; }
  /// The context's one T, made as T(context) when it is first asked for, and kept as long as the
  /// context: an engine's library handle, the choices made among engines.
  template <class T>
  T& part() {
    std::shared_ptr<void>& held = parts_[typeid(T)];
    if (held == nullptr) held = std::make_shared<T>(*this);
    return *static_cast<T*>(held.get());
  }

  /// Scratch shared by everything on the main stream (split-K partials, library workspaces): valid
  /// until the next call on the same stream that asks for it; at least 256-byte aligned. Grows
  /// outside capture, by waiting for the device once; asking for more than there is during capture
  /// throws. What a capture was given stays allocated as long as the context, for its replays.
  void* workspace(std::size_t bytes);

  std::uint64_t seed() const { return seed_; }
  RandomState random() const { return {seed_, step_}; }
  /// Device counter of forward passes, zero at first. The context never advances it: the
  /// optimizer's launch does.
  std::uint64_t* step() const { return step_; }
  /// Device float32, 1 at first: every loss multiplies the gradient it seeds by it, so that float16
  /// gradients do not vanish. The optimizer's launch changes it and divides it out again.
  float* loss_scale() const { return loss_scale_; }

  /// Expires with the context.
  std::weak_ptr<const void> lives() const { return lives_; }

  /// Whether layers such as dropout are in their training form.
  bool training() const { return training_; }
  void set_training(bool training) { training_ = training; }

 private:
  /// The process's device, selected as long as this lives.
  struct SelectedDevice {
    explicit SelectedDevice(int ordinal);
    ~SelectedDevice();
    SelectedDevice(const SelectedDevice&) = delete;
    SelectedDevice& operator=(const SelectedDevice&) = delete;
    const int ordinal;
  };

  SelectedDevice device_;  ///< first: the memory and the stream belong to it
  std::uint64_t seed_;
  bool training_ = true;
  Memory memory_;
  Stream stream_;
  Buffer step_buffer_;
  std::uint64_t* step_ = nullptr;
  Buffer loss_scale_buffer_;
  float* loss_scale_ = nullptr;
  Buffer workspace_;
  bool workspace_captured_ = false;          ///< a recording may refer to workspace_
  std::vector<Buffer> captured_workspaces_;  ///< smaller ones that recordings may refer to
  std::shared_ptr<const int> lives_ = std::make_shared<const int>();
  std::unordered_map<std::type_index, std::shared_ptr<void>> parts_;  ///< last: they use the rest
};

/// Puts a context into the training or the evaluation form for a scope; afterwards, also where an
/// exception ends the scope, it is in the form it was in.
class ScopedTraining {
 public:
  ScopedTraining(Context& context, bool training) : context_(context), before_(context.training()) {
    context.set_training(training);
  }
  ~ScopedTraining() { context_.set_training(before_); }
  ScopedTraining(const ScopedTraining&) = delete;
  ScopedTraining& operator=(const ScopedTraining&) = delete;

 private:
  Context& context_;
  bool before_;
};

/// One device of this backend as `adjoint devices` lists it.
struct DeviceInfo {
  std::string name;  ///< "NVIDIA H200" or the CPU's model name
  std::size_t memory_bytes = 0;
  int compute_units = 0;  ///< multiprocessors, or worker threads
  std::string details;    ///< compute capability and driver, or instruction sets
};

/// The devices this backend can use, possibly none. Never throws.
std::vector<DeviceInfo> devices();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

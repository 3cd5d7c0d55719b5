// Context: see context.h. The same on both backends but for the choice of the device.
#include "core/device/context.h"

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/device/allocator.h"
#include "core/device/counters.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Context::SelectedDevice::SelectedDevice(int ordinal) : ordinal(select_device(ordinal)) {}
Context::SelectedDevice::~SelectedDevice() { release_device(); }

Context::Context(const ContextOptions& options) : device_(options.device), seed_(options.seed) {
  memory_.set_limit(options.memory_limit);
  step_buffer_ = memory_.allocate(sizeof(std::uint64_t), "random step");
  step_ = static_cast<std::uint64_t*>(step_buffer_.data());
  fill_bytes(stream_, step_, 0, sizeof(std::uint64_t));
  loss_scale_buffer_ = memory_.allocate(sizeof(float), "loss scale");
  loss_scale_ = static_cast<float*>(loss_scale_buffer_.data());
  static const float one = 1.0f;
  copy_to_device(stream_, loss_scale_, &one, sizeof one);
  // Other streams may draw random numbers too.
  stream_.synchronize();
}

Context::~Context() {
  // An exception may have left a capture or work behind; neither may outlive what it refers to.
  // Errors of that work were for synchronize() to report.
  stream_.abandon_capture();
  stream_ = Stream();
}

void* Context::workspace(std::size_t bytes) {
  if (bytes > workspace_.bytes()) {
    ADJOINT_CHECK(!this_thread_captures(), "Context: a workspace of ", human_bytes(bytes),
                  " was asked for during capture and there are ", human_bytes(workspace_.bytes()),
                  "; run the step once before capturing it, or prepare its engines");
    if (workspace_captured_) captured_workspaces_.push_back(std::move(workspace_));
    workspace_ = Buffer();  // before the new one, so that both never count at once
    workspace_ = memory_.allocate(bytes, "workspace");
    workspace_captured_ = false;
  }
  if (stream_.capturing()) workspace_captured_ = true;
  return workspace_.data();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

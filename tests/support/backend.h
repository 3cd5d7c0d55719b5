// What tests of a backend share: skipping without a GPU, and vectors on the device.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/device/context.h"
#include "core/device/memory.h"
#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Whether this backend has a device. The host has one always.
inline bool has_device() {
  static const bool has = !devices().empty();
  return has;
}

/// First line of a test that runs work: skips on the CUDA backend where there is no GPU. A macro,
/// because GTEST_SKIP returns from the function that it stands in.
#define ADJOINT_REQUIRE_DEVICE() \
  if (!::adjoint::has_device()) GTEST_SKIP() << "needs a GPU, and there is none"

/// A fixture whose tests all need a device: `using LayerNormTest = DeviceTest;`.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }
};

/// Elements on the device, filled from and read back into vectors; each transfer waits. `T` is a
/// plain element type.
template <class T>
class DeviceVector {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  /// `count` elements of whatever is there (NaN in checking builds), `offset` elements behind an
  /// aligned address: for tests of unaligned pointers.
  DeviceVector(Context& context, std::size_t count, std::size_t offset = 0)
      : context_(&context),
        buffer_(context.memory().allocate((count + offset) * sizeof(T), "test")),
        count_(count),
        offset_(offset) {}
  DeviceVector(Context& context, const std::vector<T>& values, std::size_t offset = 0)
      : DeviceVector(context, values.size(), offset) {
    upload(values);
  }

  T* data() const {
    return buffer_.data() == nullptr ? nullptr : static_cast<T*>(buffer_.data()) + offset_;
  }
  std::size_t size() const { return count_; }

  /// The elements as a tensor of this shape.
  Tensor tensor(const Shape& shape) const {
    ADJOINT_CHECK(std::size_t(shape.count()) <= count_, "DeviceVector: has ", count_,
                  " elements, fewer than ", shape);
    return Tensor(data(), kDTypeOf<T>, shape);
  }

  void upload(const std::vector<T>& values) const {
    ADJOINT_CHECK(values.size() == count_, "DeviceVector: has ", count_, " elements, got ",
                  values.size());
    copy_to_device(context_->stream(), data(), values.data(), count_ * sizeof(T));
    context_->stream().synchronize();
  }

  std::vector<T> download() const {
    std::vector<T> values(count_);
    copy_to_host(context_->stream(), values.data(), data(), count_ * sizeof(T));
    context_->stream().synchronize();
    return values;
  }

 private:
  Context* context_;
  Buffer buffer_;
  std::size_t count_;
  std::size_t offset_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

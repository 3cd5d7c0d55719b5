// What tests that launch kernels of their own share: arrays both sides can read, and a stream.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// An array that kernels and the test both read and write: heap memory on the host, managed memory
/// on cuda.
template <class T>
class TestArray {
 public:
  explicit TestArray(std::size_t count, T value = {}) : count_(count) {
#if defined(__CUDACC__)
    cudaMallocManaged(&data_, count * sizeof(T));
#else
    data_ = new T[count];
#endif
    for (std::size_t i = 0; i < count; ++i) data_[i] = value;
  }
  ~TestArray() {
#if defined(__CUDACC__)
    cudaFree(data_);
#else
    delete[] data_;
#endif
  }
  TestArray(const TestArray&) = delete;
  TestArray& operator=(const TestArray&) = delete;

  T* data() { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  std::size_t size() const { return count_; }
  std::vector<T> values() const { return {data_, data_ + count_}; }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

/// Skips on cuda without a GPU.
class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__CUDACC__)
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no GPU here";
#endif
    stream_.emplace();
  }

  Stream& stream() { return *stream_; }

  /// Launches and waits.
  template <auto Kernel, class... Arguments>
  void run(const LaunchShape& shape, Arguments&&... arguments) {
    launch<Kernel, Blocks::fixed>(stream(), shape, std::forward<Arguments>(arguments)...);
    stream().synchronize();
  }

  /// The message of the error that a launch ends with, or "".
  template <auto Kernel, class... Arguments>
  std::string error_of(const LaunchShape& shape, Arguments&&... arguments) {
    try {
      run<Kernel>(shape, std::forward<Arguments>(arguments)...);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

 private:
  std::optional<Stream> stream_;  // made where there is a device
};

#define EXPECT_MENTIONS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

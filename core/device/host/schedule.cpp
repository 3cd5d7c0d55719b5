#include "core/device/host/schedule.h"

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"
#include "core/device/execution_options.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::string_view environment(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

ThreadOrder order_from_environment() {
  const std::string_view text = environment("ADJOINT_HOST_ORDER");
  if (text == "reverse") return {ThreadOrder::Kind::reverse};
  if (text.starts_with("random:")) {
    std::uint32_t seed = 0;
    const auto result = std::from_chars(text.data() + 7, text.data() + text.size(), seed);
    if (result.ec == std::errc{} && result.ptr == text.data() + text.size())
      return {ThreadOrder::Kind::random, seed};
  }
  ADJOINT_CHECK(text.empty() || text == "natural",
                "ADJOINT_HOST_ORDER: expected natural, reverse or random:SEED, got ", text);
  return {};
}

std::atomic<ThreadOrder>& order() {
  static std::atomic<ThreadOrder> value = order_from_environment();
  return value;
}

std::atomic<bool>& keeps_gpu_blocks() {
  static std::atomic<bool> value = environment("ADJOINT_HOST_BLOCK") == "gpu";
  return value;
}

}  // namespace

ThreadOrder thread_order() { return order().load(std::memory_order_relaxed); }
void set_thread_order(ThreadOrder value) { order() = value; }

bool gpu_blocks() { return keeps_gpu_blocks().load(std::memory_order_relaxed); }
void set_gpu_blocks(bool keep) { keeps_gpu_blocks() = keep; }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The CPU as a device, read from /proc and /sys; what is not there is left unsaid.
#include "core/device/host/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/device/context.h"
#include "core/device/host/workers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// The number in the line "Key:   123 kB" of /proc/meminfo, in bytes; 0 if there is none.
std::size_t meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string word;
  for (std::size_t kibibytes = 0; file >> word;) {
    if (word == key && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

/// A file of one number, such as a control group's limit ("max" is no number); `otherwise` without.
std::size_t number_in(const char* path, std::size_t otherwise) {
  std::ifstream file(path);
  std::size_t number = 0;
  return file >> number ? number : otherwise;
}

}  // namespace

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

std::string cpu_instruction_sets() {
  std::vector<std::string> sets;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) sets.emplace_back("AVX2");
  if (__builtin_cpu_supports("fma")) sets.emplace_back("FMA");
  if (__builtin_cpu_supports("avx512f")) sets.emplace_back("AVX-512");
#elif defined(__aarch64__)
  sets.emplace_back("NEON");
#endif
  return join(sets, ", ");
}

std::size_t reclaimable_bytes(std::istream& memory_stat) {
  std::size_t sum = 0, bytes = 0;
  for (std::string name; memory_stat >> name >> bytes;)
    if (name == "inactive_file" || name == "active_file") sum += bytes;
  return sum;
}

DeviceCapacity host_memory() {
  DeviceCapacity memory{.available = meminfo("MemAvailable:"), .total = meminfo("MemTotal:")};
  if (memory.total == 0) {
    memory.total = std::size_t(sysconf(_SC_PHYS_PAGES)) * std::size_t(sysconf(_SC_PAGESIZE));
    memory.available = memory.total;
  }
  const std::size_t limit = number_in("/sys/fs/cgroup/memory.max", memory.total);
  if (limit < memory.total) {
    // What was read from files counts as used, but makes room where memory is wanted.
    std::ifstream stat("/sys/fs/cgroup/memory.stat");
    const std::size_t files = reclaimable_bytes(stat);
    const std::size_t current = number_in("/sys/fs/cgroup/memory.current", 0);
    const std::size_t used = current - std::min(current, files);
    memory.total = limit;
    memory.available = std::min(memory.available, limit - std::min(limit, used));
  }
  return memory;
}

int select_device(int ordinal) {
  ADJOINT_CHECK(ordinal == 0, "Context: device ", ordinal,
                " was asked for; the host backend has device 0 only");
  return ordinal;
}

void release_device() noexcept {}

DeviceCapacity device_capacity() { return host_memory(); }

std::vector<DeviceInfo> devices() {
  return {{.name = cpu_name(),
           .memory_bytes = host_memory().total,
           .compute_units = workers(),
           .details = cpu_instruction_sets()}};
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

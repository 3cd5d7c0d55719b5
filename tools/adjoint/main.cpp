// adjoint: picks the backend and hands it the command. Exit codes: 0 done, 1 it failed, 2 it was
// asked for wrongly.
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include "core/base/error.h"
#include "core/base/text.h"
#include "tools/adjoint/command.h"
#include "tools/progress/progress.h"

// This file sees every backend, so neither namespace is inline here.
namespace adjoint::host {
int run_command(const Command& command);
std::vector<DeviceText> device_texts();
DeviceCeilings device_ceilings(int device);
}  // namespace adjoint::host
#if defined(ADJOINT_WITH_CUDA)
namespace adjoint::cuda {
int run_command(const Command& command);
std::vector<DeviceText> device_texts();
DeviceCeilings device_ceilings(int device);
}  // namespace adjoint::cuda
#endif

namespace adjoint {
namespace {

#if defined(ADJOINT_WITH_CUDA)
std::vector<DeviceText> gpus() { return cuda::device_texts(); }
DeviceCeilings gpu_ceilings(int device) { return cuda::device_ceilings(device); }
int run_on_gpu(const Command& command) { return cuda::run_command(command); }
constexpr const char* kNoGpu = "no GPU was found";
#else
std::vector<DeviceText> gpus() { return {}; }
DeviceCeilings gpu_ceilings(int) { return {}; }
int run_on_gpu(const Command&) {
  ADJOINT_FAIL("this build has no cuda backend; build the cuda preset, or use --device host");
}
constexpr const char* kNoGpu = "not in this build; the cuda preset has it";
#endif

// 1234e9 -> "1.23 T".
std::string rate(double per_second) {
  return per_second >= 1e12 ? formatted("%.2f T", 1e-12 * per_second)
                            : formatted("%.1f G", 1e-9 * per_second);
}

void print_devices(const char* backend, const char* units, const std::vector<DeviceText>& devices,
                   DeviceCeilings (*ceilings)(int), bool measure) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const DeviceText& device = devices[i];
    const std::string details = device.details.empty() ? "" : ", " + device.details;
    std::printf("%s   %s\n       %s memory, %d %s%s\n", backend, device.name.c_str(),
                human_bytes(device.memory_bytes).c_str(), device.compute_units, units,
                details.c_str());
    if (!measure) continue;
    std::fflush(stdout);
    const DeviceCeilings found = ceilings(int(i));
    std::printf("       measured: copy %sB/s, products %sFLOP/s in float32, %sFLOP/s in bfloat16\n",
                rate(found.bytes_per_second).c_str(), rate(found.float32_flops).c_str(),
                rate(found.bfloat16_flops).c_str());
  }
}

int list_devices(const DevicesCommand& command) {
  print_devices("host", "workers", host::device_texts(), host::device_ceilings, command.measure);
  print_devices("cuda", "multiprocessors", gpus(), gpu_ceilings, command.measure);
  if (gpus().empty()) std::printf("cuda   %s\n", kNoGpu);
  if (!command.measure)
    std::printf("%s devices --measure says what they can do\n", called_as().c_str());
  return 0;
}

int run(const Command& command) {
  if (const auto* devices = std::get_if<DevicesCommand>(&command.action))
    return list_devices(*devices);
  if (std::holds_alternative<CompletionCommand>(command.action)) return host::run_command(command);
  const bool on_gpu = command.device == "cuda" || (command.device == "auto" && !gpus().empty());
  return on_gpu ? run_on_gpu(command) : host::run_command(command);
}

int fail(const std::string& message) {
  const bool color = wants_color(stderr);
  std::fflush(stdout);
  std::fprintf(stderr, "%serror:%s %s\n", color ? "\x1b[31m" : "", color ? "\x1b[0m" : "",
               message.c_str());
  return 1;
}

}  // namespace
}  // namespace adjoint

int main(int argc, char** argv) {
  // A file beyond the user's limit is then an error of write(), told like a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const auto parsed = adjoint::parse_command(argc, argv);
    if (const int* code = std::get_if<int>(&parsed)) return *code;
    return adjoint::run(std::get<adjoint::Command>(parsed));
  } catch (const adjoint::Error& error) {
    return adjoint::fail(error.message());
  } catch (const std::exception& error) {
    return adjoint::fail(error.what());
  }
}

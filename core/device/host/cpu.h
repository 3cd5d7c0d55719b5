// What the host backend says of its device, the CPU: for `adjoint devices` and for errors.
#pragma once

#include <iosfwd>
#include <string>

#include "core/device/allocator.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// "AMD EPYC 9654 96-Core Processor", or "CPU" where the system does not say.
std::string cpu_name();
/// Vector instruction sets that the CPU has and this build may meet: "AVX2, FMA, AVX-512".
std::string cpu_instruction_sets();
/// Bytes of files that the kernel keeps in a control group's memory and gives up when it is wanted:
/// inactive_file and active_file of its memory.stat, lines of a name and a number. 0 of those that
/// are not there.
std::size_t reclaimable_bytes(std::istream& memory_stat);
/// Main memory: what is there, less where a control group allows less; and what is free.
DeviceCapacity host_memory();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

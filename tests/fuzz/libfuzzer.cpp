// libFuzzer's entry to the target of this program.
#include <cstdint>

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  adjoint::fuzz::ADJOINT_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}

// safetensors: what was read lies inside the file; written, it reads to the same.
#include "core/train/files/safetensors.h"

#include <algorithm>

#include "fuzz/fuzz.h"
#include "support/scratch_folder.h"

namespace adjoint::fuzz {
namespace {

void check_places(const SafetensorsFile& file, Input input) {
  std::size_t bytes = 0;
  for (const SafetensorsEntry& tensor : file.tensors()) {
    bytes += tensor.bytes.size();
    demand(file.find(tensor.name) == &tensor, "a tensor is found by its name");
  }
  // Behind the header the tensors are all there is.
  demand(bytes <= input.size(), "the tensors lie in the file");
  const auto tail = input.last(bytes);
  auto at = tail.begin();
  for (const SafetensorsEntry& tensor : file.tensors()) {
    demand(std::equal(tensor.bytes.begin(), tensor.bytes.end(), at), "the bytes of a tensor");
    at += std::ssize(tensor.bytes);
  }
}

void check_round_trip(const SafetensorsFile& file) {
  static const test::ScratchFolder folder;
  const auto path = folder / "written.safetensors";
  write_safetensors(path, file.tensors(), file.metadata());
  const SafetensorsFile again = SafetensorsFile::read(path);
  demand(again.metadata() == file.metadata(), "metadata read back");
  const auto same = [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape &&
           std::ranges::equal(a.bytes, b.bytes);
  };
  demand(std::ranges::equal(again.tensors(), file.tensors(), same), "tensors read back");
}

}  // namespace

void fuzz_safetensors(Input input) {
  const auto file = accepted([&] {
    return SafetensorsFile::parse({input.begin(), input.end()}, kName);
  });
  if (!file) return;
  check_places(*file, input);
  accepted([&] { return file->at("weight").bytes.size(); });
  check_round_trip(*file);
}

}  // namespace adjoint::fuzz

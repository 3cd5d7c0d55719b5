#include "core/train/model_file.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "core/base/error.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

std::vector<NamedTensor> tensors_of(const Graph& graph) {
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : graph.parameters())
    tensors.push_back({parameter.name(), parameter.master()});
  for (const Slot& state : graph.states()) tensors.push_back({state.name(), state.tensor()});
  return tensors;
}

Snapshot download(Context& context, const std::vector<NamedTensor>& tensors) {
  Snapshot snapshot;
  for (const NamedTensor& tensor : tensors)
    snapshot.push_back({tensor.name, tensor.tensor.type(), Bytes(tensor.tensor.bytes())});
  for (std::size_t i = 0; i < tensors.size(); ++i)
    copy_to_host(context.stream(), snapshot[i].bytes.data(), tensors[i].tensor.data(),
                 snapshot[i].bytes.size());
  context.stream().synchronize();
  return snapshot;
}

// What a file or a snapshot holds under a name.
struct Stored {
  std::string name;
  std::string type;  // "F32 [128, 784]"
  std::span<const std::byte> bytes;
};

std::string type_text(std::string_view dtype, const Shape& shape) { return str(dtype, " ", shape); }

Stored stored(const SavedTensor& tensor) {
  return {tensor.name, type_text(safetensors_dtype(tensor.type.dtype), tensor.type.shape),
          tensor.bytes};
}

// All that does not fit, a line each.
std::string differences(const std::vector<NamedTensor>& model, const std::vector<Stored>& file) {
  std::string text;
  for (const NamedTensor& wanted : model) {
    const auto found = std::ranges::find(file, wanted.name, &Stored::name);
    const std::string type =
        type_text(safetensors_dtype(wanted.tensor.dtype()), wanted.tensor.shape());
    if (found == file.end())
      text += str("\n  missing:   ", wanted.name, ", expected ", type);
    else if (found->type != type)
      text += str("\n  different: ", wanted.name, ", expected ", type, ", got ", found->type);
  }
  for (const Stored& tensor : file)
    if (std::ranges::find(model, tensor.name, &NamedTensor::name) == model.end())
      text += str("\n  unknown:   ", tensor.name, ", ", tensor.type);
  return text;
}

void upload(const Graph& graph, const std::string& source, const std::vector<Stored>& file) {
  const std::vector<NamedTensor> model = tensors_of(graph);
  const std::string problems = differences(model, file);
  ADJOINT_CHECK(problems.empty(), source, " does not fit the model:", problems,
                "\nwas it trained with another recipe?");
  Stream& stream = graph.context().stream();
  for (const NamedTensor& wanted : model) {
    const auto found = std::ranges::find(file, wanted.name, &Stored::name);
    copy_to_device(stream, wanted.tensor.data(), found->bytes.data(), found->bytes.size());
  }
  graph.refresh_parameters();
  stream.synchronize();
}

}  // namespace

Snapshot take_snapshot(const Graph& graph) { return download(graph.context(), tensors_of(graph)); }

Snapshot take_snapshot(Context& context, const Optimizer& optimizer) {
  std::vector<NamedTensor> tensors;
  for (const OptimizerState& state : optimizer.state())
    tensors.push_back({"optimizer." + state.name, state.tensor});
  tensors.push_back({"context.step", Tensor(context.step(), DType::uint8, {8})});
  return download(context, tensors);
}

void restore_snapshot(const Graph& graph, const Snapshot& snapshot) {
  std::vector<Stored> file;
  for (const SavedTensor& tensor : snapshot) file.push_back(stored(tensor));
  upload(graph, "snapshot", file);
}

void save_model(const std::filesystem::path& path, const Snapshot& snapshot,
                const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsEntry> entries;
  for (const SavedTensor& tensor : snapshot) {
    const auto extents = tensor.type.shape.extents();
    entries.push_back({.name = tensor.name,
                       .dtype = std::string(safetensors_dtype(tensor.type.dtype)),
                       .shape = {extents.begin(), extents.end()},
                       .bytes = tensor.bytes});
  }
  write_safetensors(path, entries, metadata);
}

void load_model(const std::filesystem::path& path, const Graph& graph) {
  const SafetensorsFile file = SafetensorsFile::read(path);
  std::vector<Stored> tensors;
  for (const SafetensorsEntry& entry : file.tensors()) {
    std::string shape = "[";
    for (std::size_t i = 0; i < entry.shape.size(); ++i)
      shape += str(i > 0 ? ", " : "", entry.shape[i]);
    tensors.push_back({entry.name, str(entry.dtype, " ", shape, "]"), entry.bytes});
  }
  upload(graph, path.string(), tensors);
}

}  // namespace adjoint::inline ADJOINT_BACKEND

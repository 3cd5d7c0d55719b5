#include "core/train/files/model_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

using NamedTensors = std::vector<NamedTensor>;

NamedTensors tensors_of(const Graph& graph) {
  NamedTensors tensors;
  for (const Parameter& parameter : graph.parameters())
    tensors.push_back({parameter.name(), parameter.master()});
  for (const Slot& state : graph.states()) tensors.push_back({state.name(), state.tensor()});
  return tensors;
}

NamedTensors tensors_of(const Graph& graph, const Optimizer& optimizer) {
  NamedTensors tensors = tensors_of(graph);
  for (const OptimizerState& state : optimizer.state()) {
    const std::string name = str("optimizer.", state.name);
    if (!state.per_parameter) {
      tensors.push_back({name, state.tensor});
      continue;
    }
    const std::size_t size = size_of(state.tensor.dtype());
    for (const ParameterRange& range : graph.slab().parameters) {
      auto* const first = static_cast<std::byte*>(state.tensor.data());
      tensors.push_back(
          {str(name, ".", range.name), Tensor(first + static_cast<std::size_t>(range.offset) * size,
                                              state.tensor.dtype(), range.shape)});
    }
  }
  tensors.push_back({"context.step", Tensor(graph.context().step(), DType::uint8, {8})});
  return tensors;
}

Snapshot download(Context& context, const NamedTensors& tensors) {
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

// The tensors of a model file that are not of the model.
const std::string kData = "data.";

// Of DataStatistics or of const DataStatistics.
template <class Statistics>
auto statistics_tensors(Statistics& statistics) {
  return std::array{std::pair(std::string("input_mean"), &statistics.input.mean),
                    std::pair(std::string("input_deviation"), &statistics.input.deviation),
                    std::pair(std::string("target_mean"), &statistics.target.mean),
                    std::pair(std::string("target_deviation"), &statistics.target.deviation)};
}

std::string type_text(std::string_view dtype, const Shape& shape) { return str(dtype, " ", shape); }

Stored stored(const SavedTensor& tensor) {
  return {tensor.name, type_text(safetensors_dtype(tensor.type.dtype), tensor.type.shape),
          tensor.bytes};
}

std::vector<Stored> stored(const SafetensorsFile& file) {
  std::vector<Stored> tensors;
  for (const SafetensorsEntry& entry : file.tensors()) {
    if (entry.name.starts_with(kData)) continue;
    std::string shape = "[";
    for (std::size_t i = 0; i < entry.shape.size(); ++i)
      shape += str(i > 0 ? ", " : "", entry.shape[i]);
    tensors.push_back({entry.name, str(entry.dtype, " ", shape, "]"), entry.bytes});
  }
  return tensors;
}

// All that does not fit, a line each.
std::string differences(const NamedTensors& model, const std::vector<Stored>& file) {
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

// Into `model`, which are tensors of the graph and maybe of more.
void upload(const Graph& graph, const NamedTensors& model, const std::string& source,
            const std::vector<Stored>& file) {
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

Snapshot take_snapshot(const Graph& graph, const Optimizer& optimizer) {
  return download(graph.context(), tensors_of(graph, optimizer));
}

void restore_snapshot(const Graph& graph, const Snapshot& snapshot) {
  std::vector<Stored> file;
  for (const SavedTensor& tensor : snapshot) file.push_back(stored(tensor));
  upload(graph, tensors_of(graph), "snapshot", file);
}

void save_model(const std::filesystem::path& path, const Snapshot& snapshot,
                const SafetensorsMetadata& metadata, const DataStatistics& statistics) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, values] : statistics_tensors(statistics)) {
    if (values->empty()) continue;
    entries.push_back({.name = kData + name,
                       .dtype = "F64",
                       .shape = {std::ssize(*values)},
                       .bytes = std::as_bytes(std::span(*values))});
  }
  for (const SavedTensor& tensor : snapshot) {
    const auto extents = tensor.type.shape.extents();
    entries.push_back({.name = tensor.name,
                       .dtype = std::string(safetensors_dtype(tensor.type.dtype)),
                       .shape = {extents.begin(), extents.end()},
                       .bytes = tensor.bytes});
  }
  write_safetensors(path, entries, metadata);
}

DataStatistics load_statistics(const std::filesystem::path& path) {
  return load_statistics(SafetensorsFile::read(path));
}

DataStatistics load_statistics(const SafetensorsFile& file) {
  DataStatistics statistics;
  for (const auto& [name, values] : statistics_tensors(statistics)) {
    const SafetensorsEntry* entry = file.find(kData + name);
    if (entry == nullptr) continue;
    ADJOINT_CHECK(entry->dtype == "F64" && entry->shape.size() == 1, file.name(), ": tensor '",
                  entry->name, "': expected F64 of one dimension, got ", entry->dtype, " of ",
                  entry->shape.size());
    values->resize(entry->bytes.size() / sizeof(double));
    std::memcpy(values->data(), entry->bytes.data(), entry->bytes.size());
  }
  for (const Normalisation* part : {&statistics.input, &statistics.target})
    ADJOINT_CHECK(part->mean.size() == part->deviation.size(), file.name(), ": ", part->mean.size(),
                  " means but ", part->deviation.size(), " deviations to normalise by");
  return statistics;
}

void load_model(const std::filesystem::path& path, const Graph& graph) {
  const SafetensorsFile file = SafetensorsFile::read(path);
  upload(graph, tensors_of(graph), file.name(), stored(file));
}

void load_training(const SafetensorsFile& file, const Graph& graph, const Optimizer& optimizer) {
  upload(graph, tensors_of(graph, optimizer), file.name(), stored(file));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

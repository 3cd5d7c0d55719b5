// Models in files: parameters and running state under their names, in safetensors, so that other
// programs read them too.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "core/graph/graph.h"
#include "core/samples/statistics.h"
#include "core/train/files/safetensors.h"
#include "core/update/optimizer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A tensor of a model, in host memory.
struct SavedTensor {
  std::string name;
  TensorType type;
  Bytes bytes;
};

/// What a model has learned, in host memory.
using Snapshot = std::vector<SavedTensor>;

/// Parameters (the float32 masters) and running state of a compiled graph, in build order. Waits
/// for the stream.
Snapshot take_snapshot(const Graph& graph);
/// The reverse, into a graph of the same model. Throws Error like load_model.
void restore_snapshot(const Graph& graph, const Snapshot& snapshot);

/// The same with the optimizer's state, "optimizer.m.linear1.weight" of what each parameter has and
/// "optimizer.NAME" of the rest, and the context's step: all that a run goes on from, beside
/// RunState.
Snapshot take_snapshot(const Graph& graph, const Optimizer& optimizer);

/// Writes the file all or not at all; throws Error where it cannot be written. What the data were
/// normalised by goes into float64 tensors "data.input_mean", "data.input_deviation",
/// "data.target_mean" and "data.target_deviation".
void save_model(const std::filesystem::path& path, const Snapshot& snapshot,
                const SafetensorsMetadata& metadata = {}, const DataStatistics& statistics = {});
/// The last of these again; empty ones where the file has none.
DataStatistics load_statistics(const std::filesystem::path& path);
DataStatistics load_statistics(const SafetensorsFile& file);

/// Reads what save_model wrote into a compiled graph. Throws Error listing every tensor that is
/// missing, is not of this model, or has another type or shape; the graph is then as it was.
void load_model(const std::filesystem::path& path, const Graph& graph);

/// Likewise what take_snapshot(graph, optimizer) took. Between steps.
void load_training(const SafetensorsFile& file, const Graph& graph, const Optimizer& optimizer);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

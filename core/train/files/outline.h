// What samples of a model are, kept with it in its file, so that a trained model needs no training
// data.
#pragma once

#include <string>
#include <vector>

#include "core/samples/dataset.h"
#include "core/train/files/safetensors.h"

namespace adjoint {

/// What samples are - type, shape, classes, names, numbers to predict - as metadata of a model
/// file, and back. The first throws Error for names that are not UTF-8. The second is a data set of
/// no samples; it throws Error, naming `file`, for metadata that outline_metadata did not write,
/// and for none.
SafetensorsMetadata outline_metadata(const Dataset& dataset);
Dataset read_outline(const SafetensorsMetadata& metadata, const std::string& file);
/// Whether there is an outline among it: older model files have none.
bool has_outline(const SafetensorsMetadata& metadata);

/// The columns that a model was trained on, in order, as its file says; empty where it does not.
std::vector<std::string> trained_features(const SafetensorsFile& file);

}  // namespace adjoint

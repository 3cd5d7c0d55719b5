#include "core/train/files/outline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace adjoint {
namespace {

using nlohmann::json;

const std::string kOutline = "outline";

std::vector<DataArray> read_arrays(const json& list) {
  std::vector<DataArray> arrays;
  for (const json& each : list)
    arrays.push_back({.name = each.at("name").get<std::string>(),
                      .type = dtype_from_name(each.at("type").get<std::string>()),
                      .shape = Shape(each.at("shape").get<std::vector<std::int64_t>>()),
                      .per_sample = each.at("per_sample").get<bool>()});
  return arrays;
}

}  // namespace

SafetensorsMetadata outline_metadata(const Dataset& dataset) {
  const auto extents = dataset.sample.extents();
  json arrays = json::array();
  for (const DataArray& array : dataset.arrays) {
    const auto axes = array.shape.extents();
    arrays.push_back({{"name", array.name},
                      {"type", std::string(name(array.type))},
                      {"shape", std::vector<std::int64_t>(axes.begin(), axes.end())},
                      {"per_sample", array.per_sample}});
  }
  json outline = {{"type", std::string(name(dataset.type))},
                  {"sample", std::vector<std::int64_t>(extents.begin(), extents.end())},
                  {"features", dataset.feature_names},
                  {"classes", dataset.classes},
                  {"class_names", dataset.class_names},
                  {"outputs", dataset.outputs}};
  if (!arrays.empty()) outline["arrays"] = arrays;
  try {
    return {{kOutline, outline.dump()}};
  } catch (const json::exception& error) {
    ADJOINT_FAIL(dataset.name,
                 ": a name of a feature or class is not UTF-8, see check_dataset: ", error.what());
  }
}

bool has_outline(const SafetensorsMetadata& metadata) { return metadata.contains(kOutline); }

std::vector<std::string> trained_features(const SafetensorsFile& file) {
  if (!has_outline(file.metadata())) return {};
  return read_outline(file.metadata(), file.name()).feature_names;
}

Dataset read_outline(const SafetensorsMetadata& metadata, const std::string& file) {
  ADJOINT_CHECK(has_outline(metadata), file, ": does not say what samples of the model are");
  Dataset data;
  std::vector<std::int64_t> sample;
  try {
    const json outline = json::parse(metadata.at(kOutline));
    data.type = dtype_from_name(outline.at("type").get<std::string>());
    sample = outline.at("sample").get<std::vector<std::int64_t>>();
    data.feature_names = outline.at("features").get<std::vector<std::string>>();
    data.classes = outline.at("classes").get<std::int32_t>();
    data.class_names = outline.at("class_names").get<std::vector<std::string>>();
    data.outputs = outline.at("outputs").get<std::int64_t>();
    if (outline.contains("arrays")) data.arrays = read_arrays(outline.at("arrays"));
  } catch (const json::exception& error) {
    ADJOINT_FAIL(file, ": what it says of its samples cannot be read: ", error.what());
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  std::int64_t size = 1;
  for (const std::int64_t extent : sample)
    size = extent > 0 && size < kMost ? size * std::min(extent, kMost) : kMost;
  const bool names_fit = (data.feature_names.empty() || std::ssize(data.feature_names) == size) &&
                         (data.class_names.empty() || std::ssize(data.class_names) == data.classes);
  ADJOINT_CHECK((data.type == DType::uint8 || data.type == DType::float32) && !sample.empty() &&
                    sample.size() < Shape::kMaxRank && size < kMost && data.classes >= 0 &&
                    data.outputs >= 0 && data.outputs < kMost && names_fit,
                file, ": what it says of its samples cannot be: ", metadata.at(kOutline));
  data.sample = Shape(sample);
  return data;
}

}  // namespace adjoint

#include "core/samples/batch_source.h"

#include <algorithm>

namespace adjoint {

std::vector<BatchField> batch_fields(const Dataset& dataset) {
  std::vector<BatchField> fields{{kInputName, DType::float32, dataset.sample}};
  if (dataset.classes > 0) fields.push_back({kTargetName, DType::int32});
  if (dataset.outputs > 0) fields.push_back({kTargetName, DType::float32, {dataset.outputs}});
  for (const DataArray& array : dataset.arrays)
    fields.push_back({array.name, array.type == DType::int32 ? DType::int32 : DType::float32,
                      array.shape, array.per_sample});
  return fields;
}

const BatchField* find_field(std::span<const BatchField> fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &BatchField::name);
  return found == fields.end() ? nullptr : &*found;
}

}  // namespace adjoint

#include "core/train/recipe/model_kinds.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/kind_registry.h"
#include "core/base/text.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

KindRegistry<ModelKind>& registry() {
  static KindRegistry<ModelKind> kinds("model type");
  return kinds;
}

}  // namespace

std::vector<std::string> ModelInputs::names() const {
  std::vector<std::string> names;
  for (const BatchField& field : fields_) names.push_back(field.name);
  return names;
}

Value ModelInputs::operator()(const std::string& name) {
  const auto known = std::ranges::find(taken_, name, &NamedValues::value_type::first);
  if (known != taken_.end()) return known->second;
  const BatchField* const field = find_field(fields_, name);
  ADJOINT_CHECK(field != nullptr, "the data have no array '", name, "'",
                did_you_mean(name, names()), "; they have ", join(names(), ", "));
  std::vector<std::int64_t> extents;
  if (field->per_sample) extents.push_back(batch_);
  const auto sample = field->shape.extents();
  extents.insert(extents.end(), sample.begin(), sample.end());
  const Value value =
      graph_.input(Shape(extents), field->type, {.name = name, .per_sample = field->per_sample});
  taken_.emplace_back(name, value);
  return value;
}

bool register_model_kind(const ModelKind& kind, const char* abi) {
  return registry().add(kind.name, kind, abi);
}

const ModelKind& model_kind(const std::string& name) { return registry().find(name); }

std::vector<std::string> model_kind_names() {
  std::vector<std::string> names = registry().kinds();
  std::ranges::sort(names);
  return names;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

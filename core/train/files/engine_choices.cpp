#include "core/train/files/engine_choices.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/base/error.h"
#include "core/base/files.h"
#include "kernels/engines/matmul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Json = nlohmann::ordered_json;

// Times of one device say nothing of another, and another driver or library may know other
// algorithms. Where nothing was multiplied the library need not be there.
std::string device_text(Context& context, const std::vector<MatmulChoice>& choices) {
  const std::vector<DeviceInfo> all = devices();
  const auto ordinal = static_cast<std::size_t>(context.device());
  if (ordinal >= all.size()) return "none";
  const std::string device = str(all[ordinal].name, ", ", all[ordinal].details);
  return choices.empty() ? device : str(device, ", ", context.matmul_engines().library());
}

std::vector<MatmulChoice> read_choices(const Json& file) {
  std::vector<MatmulChoice> choices;
  for (const Json& choice : file.at("matmul"))
    choices.push_back({.problem = choice.at("problem").get<std::string>(),
                       .engine = choice.at("engine").get<std::string>(),
                       .detail = choice.at("detail").get<std::string>(),
                       .milliseconds = choice.at("milliseconds").get<double>()});
  return choices;
}

}  // namespace

void save_engine_choices(const std::filesystem::path& path, Context& context) {
  const std::vector<MatmulChoice> made = context.matmul_engines().choices();
  Json choices = Json::array();
  for (const MatmulChoice& choice : made)
    choices.push_back({{"problem", choice.problem},
                       {"engine", choice.engine},
                       {"detail", choice.detail},
                       {"milliseconds", choice.milliseconds}});
  const Json file = {{"device", device_text(context, made)}, {"matmul", choices}};
  write_file_atomically(path, std::string_view(file.dump(2) + "\n"));
}

bool restore_engine_choices(const std::filesystem::path& path, Context& context) {
  const Bytes bytes = read_file(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    const Json file = Json::parse(text, text + bytes.size());
    const std::vector<MatmulChoice> choices = read_choices(file);
    if (file.at("device").get<std::string>() != device_text(context, choices)) return false;
    context.matmul_engines().restore(choices);
    return true;
  } catch (const Json::exception& error) {
    ADJOINT_FAIL(path.string(), ": expected the engine choices of a run (engines.json), got ",
                 error.what());
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

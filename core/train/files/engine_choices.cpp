#include "core/train/files/engine_choices.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "kernels/engines/engine_choices.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Json = nlohmann::ordered_json;

// Choices by kind of work.
using Choices = std::map<std::string, std::vector<EngineChoice>>;

// Times of one device say nothing of another, and another driver or library may know other
// algorithms. Where nothing was chosen the library need not be there.
std::string device_text(Context& context, const Choices& choices) {
  const std::vector<DeviceInfo> all = devices();
  const auto ordinal = static_cast<std::size_t>(context.device());
  if (ordinal >= all.size()) return "none";
  std::string text = str(all[ordinal].name, ", ", all[ordinal].details);
  for (const EngineKind* kind : engine_kinds(context)) {
    const auto made = choices.find(kind->kind());
    if (made == choices.end() || made->second.empty()) continue;
    if (const std::string library = kind->library(); !library.empty()) text += ", " + library;
  }
  return text;
}

std::vector<EngineChoice> read_choices(const Json& list) {
  std::vector<EngineChoice> choices;
  for (const Json& choice : list)
    choices.push_back({.problem = choice.at("problem").get<std::string>(),
                       .engine = choice.at("engine").get<std::string>(),
                       .detail = choice.at("detail").get<std::string>(),
                       .milliseconds = choice.at("milliseconds").get<double>()});
  return choices;
}

Json text_of(const std::vector<EngineChoice>& choices) {
  Json list = Json::array();
  for (const EngineChoice& choice : choices)
    list.push_back({{"problem", choice.problem},
                    {"engine", choice.engine},
                    {"detail", choice.detail},
                    {"milliseconds", choice.milliseconds}});
  return list;
}

}  // namespace

void save_engine_choices(const std::filesystem::path& path, Context& context) {
  Choices made;
  for (const EngineKind* kind : engine_kinds(context)) made[kind->kind()] = kind->choices();
  Json file = {{"device", device_text(context, made)}};
  for (const auto& [kind, choices] : made) file[kind] = text_of(choices);
  write_file_atomically(path, std::string_view(file.dump(2) + "\n"));
}

bool restore_engine_choices(const std::filesystem::path& path, Context& context) {
  const Bytes bytes = read_file(path);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    const Json file = Json::parse(text, text + bytes.size());
    Choices choices;
    for (const auto& [key, value] : file.items())
      if (key != "device") choices[key] = read_choices(value);
    ADJOINT_CHECK(!choices.empty(), path.string(),
                  ": expected the engine choices of a run (engines.json), got none");
    if (file.at("device").get<std::string>() != device_text(context, choices)) return false;
    // A kind that this build does not have is of no use to it.
    for (EngineKind* kind : engine_kinds(context)) kind->restore(choices[kind->kind()]);
    return true;
  } catch (const Json::exception& error) {
    ADJOINT_FAIL(path.string(), ": expected the engine choices of a run (engines.json), got ",
                 error.what());
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

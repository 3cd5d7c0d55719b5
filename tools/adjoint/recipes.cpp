// Where recipes are found: beside an installed program, or in the source tree it was built from.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/text.h"
#include "tools/adjoint/command.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> recipe_folders() {
  std::vector<fs::path> folders;
  if (const char* named = std::getenv("ADJOINT_RECIPES"); named != nullptr && *named != '\0')
    folders.emplace_back(named);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) folders.push_back(program.parent_path().parent_path() / "share/adjoint/recipes");
  folders.emplace_back(ADJOINT_RECIPE_FOLDER);
  return folders;
}

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".toml");
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const fs::path& folder : recipe_folders()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

fs::path find_recipe_or_none(const std::string& name) {
  if (is_path(name)) return name;
  for (const fs::path& folder : recipe_folders()) {
    fs::path path = folder / (name + ".toml");
    std::error_code error;
    if (fs::is_regular_file(path, error)) return path;
  }
  return {};
}

fs::path find_recipe(const std::string& name) {
  fs::path path = find_recipe_or_none(name);
  ADJOINT_CHECK(!path.empty(), "no recipe is named ", name, did_you_mean(name, recipe_names()),
                " (a file of your own is named by its path: ./", name, ".toml)");
  return path;
}

}  // namespace adjoint

// What the command line asks for, as plain values: parse.cpp makes them, the commands, which are
// compiled once per backend, carry them out.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace adjoint {

/// A recipe and what the command line changes in it.
struct RecipeChoice {
  std::string recipe;  ///< a path, or the name of a recipe of ours
  std::vector<std::string> set = {};
  std::filesystem::path data = {};
  std::optional<std::uint64_t> seed = {};
  std::optional<std::int64_t> steps = {};
};

/// How engines for matrix products are chosen: by timing them, or as a file says
/// (core/train/files/engine_choices.h), else the first deterministic choice.
struct EngineOptions {
  bool tune = false;
  std::filesystem::path file = {};
};

struct TrainCommand {
  RecipeChoice choice;
  /// The folder of a run to go on with, instead of a recipe; its own is taken.
  std::filesystem::path resume = {};
  std::filesystem::path out = {};
  bool overwrite = false;
  bool quiet = false;
  EngineOptions engines = {};
  /// Can the model learn this many samples by heart? 0: an ordinary run.
  std::int64_t overfit = 0;
  /// One batch of each part, in a folder that is removed.
  bool fast_dev_run = false;
};

struct EvalCommand {
  std::filesystem::path run;
  std::filesystem::path data = {};
  bool confusion = false;
  std::filesystem::path json = {};  ///< "-": standard output, and no tables
};

struct PredictCommand {
  std::filesystem::path run;
  std::vector<std::string> files = {};
  bool invert = false;
  std::int64_t top = 3;             ///< classes shown of each sample
  std::filesystem::path json = {};  ///< as above
};

struct SummaryCommand {
  RecipeChoice choice;
  bool calls = false;  ///< shows the list of calls as well
};

struct GradcheckCommand {
  std::string subject;  ///< recipe or layer
  std::vector<std::string> set = {};
  std::uint64_t seed = 1;
};

struct BenchCommand {
  std::string subject;  ///< recipe or layer
  std::vector<std::string> set = {};
  std::vector<std::int64_t> shape = {};
  std::filesystem::path json = {};
  double seconds = 1.0;        ///< measured for each phase
  EngineOptions engines = {};  ///< its file is written when tuning, else read
};

struct DevicesCommand {
  bool measure = false;
};

/// What can be completed after `adjoint`; completion.h makes a shell's script of it.
struct CommandLine;
struct CompletionCommand {
  std::string shell;
  std::shared_ptr<const CommandLine> line = {};
};

struct Command {
  std::variant<TrainCommand, EvalCommand, PredictCommand, SummaryCommand, GradcheckCommand,
               BenchCommand, DevicesCommand, CompletionCommand>
      action;
  std::string device = "auto";
};

/// The command line as a command, or the exit code where there is nothing left to do: 0 after
/// --help, 2 after a mistake, which was told on standard error.
std::variant<Command, int> parse_command(int argc, const char* const* argv);

/// The program as it was called, "build/host/bin/adjoint": begins lines that a reader may copy.
inline std::string called_as() { return program_invocation_name; }

/// The file of a recipe: `name` itself if it is a path (has a slash or ends in .toml), else
/// NAME.toml among the recipes that come with the program. Throws Error naming the nearest.
std::filesystem::path find_recipe(const std::string& name);
/// The same, empty where there is none.
std::filesystem::path find_recipe_or_none(const std::string& name);
/// Of those that come with the program, sorted.
std::vector<std::string> recipe_names();

/// One device, as every backend can say it.
struct DeviceText {
  std::string name;
  std::size_t memory_bytes = 0;
  int compute_units = 0;
  std::string details;
};

/// What a device does at most, measured.
struct DeviceCeilings {
  double bytes_per_second = 0;  ///< read and written, of a copy
  double float32_flops = 0;     ///< of a large matrix product
  double bfloat16_flops = 0;
};

}  // namespace adjoint

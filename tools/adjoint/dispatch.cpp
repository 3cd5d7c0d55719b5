// What the commands of one backend share.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/graph/registry.h"
#include "core/train/files/engine_choices.h"
#include "kernels/engines/engine_choices.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/completion.h"
#include "tools/adjoint/measure.h"
#include "tools/adjoint/table.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Dispatch {
  int operator()(const TrainCommand& command) const { return run_train(command); }
  int operator()(const EvalCommand& command) const { return run_eval(command); }
  int operator()(const PredictCommand& command) const { return run_predict(command); }
  int operator()(const SummaryCommand& command) const { return run_summary(command); }
  int operator()(const GradcheckCommand& command) const { return run_gradcheck(command); }
  int operator()(const BenchCommand& command) const { return run_bench(command); }
  int operator()(const DevicesCommand&) const { return 0; }  // of all backends: in main.cpp
  int operator()(const CompletionCommand& command) const { return run_completion(command); }
};

}  // namespace

int run_command(const Command& command) {
  log_to_function(LogLevel::warning, [](LogLevel level, std::string_view text) {
    std::fprintf(stderr, "%s: %.*s\n", level == LogLevel::error ? "error" : "warning",
                 static_cast<int>(text.size()), text.data());
  });
  return std::visit(Dispatch{}, command.action);
}

std::vector<DeviceText> device_texts() {
  std::vector<DeviceText> texts;
  for (const DeviceInfo& device : devices())
    texts.push_back({device.name, device.memory_bytes, device.compute_units, device.details});
  return texts;
}

DeviceCeilings device_ceilings(int device) {
  constexpr double kSeconds = 0.2;  // for each
  Context context({.device = device});
  const Ceilings ceilings = measure_ceilings(context, kSeconds);
  return {ceilings.bytes_per_second, ceilings.flops,
          product_flops(context, DType::bfloat16, kSeconds)};
}

int run_completion(const CompletionCommand& command) {
  std::fputs(completion_script(command.shell, *command.line, recipe_names(), layer_kinds()).c_str(),
             stdout);
  return 0;
}

Recipe read_choice(const RecipeChoice& choice) {
  std::vector<std::string> overrides = choice.set;
  if (choice.seed) overrides.push_back(str("train.seed=", *choice.seed));
  if (choice.steps) overrides.push_back(str("train.steps=", *choice.steps));
  return read_recipe(find_recipe(choice.recipe), overrides);
}

void choose_engines(Context& context, const EngineOptions& engines) {
  for (EngineKind* kind : engine_kinds(context)) kind->set_tuning(engines.tune);
  if (engines.tune || engines.file.empty()) return;
  ADJOINT_CHECK(restore_engine_choices(engines.file, context), engines.file.string(),
                " was made on another device or with another version of its library, whose choices "
                "say nothing of this one; make them anew with --tune");
}

void keep_engines(Context& context, const EngineOptions& engines) {
  if (engines.tune && !engines.file.empty()) save_engine_choices(engines.file, context);
}

std::string class_name(const std::vector<std::string>& names, std::int64_t index) {
  return names.empty() ? std::to_string(index) : names.at(static_cast<std::size_t>(index));
}

void write_report(const std::filesystem::path& path, const std::string& text) {
  if (path == "-")
    std::printf("%s\n", text.c_str());
  else
    write_file_atomically(path, std::string_view(text + "\n"));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

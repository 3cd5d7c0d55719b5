// The commands, each compiled once per backend. main.cpp, which belongs to none, calls
// adjoint::host::run_command or adjoint::cuda::run_command.
#pragma once

#include <atomic>
#include <vector>

#include "tools/adjoint/command.h"

namespace adjoint {

/// From here on Ctrl-C and SIGTERM set stop_flag(); the second one ends the program.
void catch_interrupts();
const std::atomic<bool>& stop_flag();

}  // namespace adjoint

#if defined(ADJOINT_BACKEND)
#include "core/run/run_text.h"
#include "core/train/judging/evaluator.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

int run_command(const Command& command);
std::vector<DeviceText> device_texts();
/// Of the device at that place of device_texts(). Takes a second or two.
DeviceCeilings device_ceilings(int device);

int run_train(const TrainCommand& command);
int run_overfit(const TrainCommand& command);
int run_eval(const EvalCommand& command);
int run_predict(const PredictCommand& command);
int run_summary(const SummaryCommand& command);
int run_gradcheck(const GradcheckCommand& command);
int run_bench(const BenchCommand& command);
int run_completion(const CompletionCommand& command);

/// Reads the recipe with the command line's changes made.
Recipe read_choice(const RecipeChoice& choice);
/// Makes the context choose engines as the command line says; throws Error for a file of choices
/// made on another device or with another version of its library. After the products are known,
/// keep_engines() writes what was tuned.
void choose_engines(Context& context, const EngineOptions& engines);
void keep_engines(Context& context, const EngineOptions& engines);
/// The name of a class: its number, or what the data call it.
std::string class_name(const std::vector<std::string>& names, std::int64_t index);
/// Writes `text` and a line end to the file, all or not at all; "-" is standard output.
void write_report(const std::filesystem::path& path, const std::string& text);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
#endif

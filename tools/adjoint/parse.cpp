// The command line. CLI11 is slow to compile, so it is included here alone.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

#include "core/base/text.h"
#include "tools/adjoint/command.h"

namespace adjoint {
namespace {

void add_device(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "where to run: auto takes a GPU if there is one")
      ->check(CLI::IsMember({"auto", "host", "cuda"}))
      ->capture_default_str();
}

void add_set(CLI::App& app, std::vector<std::string>& set) {
  app.add_option("--set", set, "change a key of the recipe, such as optim.lr=3e-4; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_recipe(CLI::App& app, RecipeChoice& choice) {
  app.add_option("recipe", choice.recipe, "a file, or the name of a recipe: digits, mnist_mlp")
      ->required()
      ->type_name("RECIPE");
  add_set(app, choice.set);
}

void add_engines(CLI::App& app, EngineChoice& engines, const char* file) {
  app.add_flag("--tune", engines.tune, "choose engines for matrix products by timing them");
  app.add_option("--engines", engines.file, file)->type_name("FILE");
}

void add_train(CLI::App& app, TrainCommand& command) {
  add_recipe(app, command.choice);
  app.add_option("--data", command.choice.data, "folder of the data's files")->type_name("DIR");
  app.add_option("--out", command.out, "folder of the run (default: a new one, runs/RECIPE-NUMBER)")
      ->type_name("DIR");
  app.add_flag("--overwrite", command.overwrite, "replace the run that --out holds");
  app.add_option("--seed", command.choice.seed, "of weights, order and dropout (train.seed)");
  app.add_option("--steps", command.choice.steps, "updates to make instead of epochs (train.steps)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--quiet", command.quiet, "only the closing lines");
  add_engines(app, command.engines, "engines.json of a run or of bench --tune, to choose alike");
  app.footer(
      "Example:\n  adjoint train digits --set optim.lr=3e-4 --set train.epochs=4 --seed 2\n"
      "Ctrl-C ends the run and saves what was learned.");
}

void add_eval(CLI::App& app, EvalCommand& command) {
  app.add_option("run", command.run, "folder of a run")->required()->type_name("RUN");
  app.add_option("--data", command.data, "folder of the data's files")->type_name("DIR");
  app.footer("Example:\n  adjoint eval runs/digits-1");
}

void add_summary(CLI::App& app, SummaryCommand& command) {
  add_recipe(app, command.choice);
  app.footer("Example:\n  adjoint summary mnist_mlp --set train.batch=512");
}

void add_gradcheck(CLI::App& app, GradcheckCommand& command) {
  app.add_option("subject", command.subject, "a recipe, or a kind of layer: linear, layer_norm")
      ->required()
      ->type_name("RECIPE|LAYER");
  add_set(app, command.set);
  app.add_option("--seed", command.seed, "of inputs and parameters")->capture_default_str();
  app.footer("Example:\n  adjoint gradcheck layer_norm");
}

void add_bench(CLI::App& app, BenchCommand& command) {
  app.add_option("subject", command.subject, "a recipe, or a kind of layer: linear, layer_norm")
      ->required()
      ->type_name("RECIPE|LAYER");
  add_set(app, command.set);
  app.add_option("--shape", command.shape, "of a layer's input, rows first")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->type_name("ROWS,COLUMNS");
  app.add_option("--json", command.json, "write the figures to this file too")->type_name("FILE");
  app.add_option("--seconds", command.seconds, "how long each phase is measured")
      ->check(CLI::Range(0.01, 600.0))
      ->capture_default_str();
  add_engines(app, command.engines, "where --tune writes its choices; without it, choices to take");
  app.footer(
      "Examples:\n  adjoint bench mnist_mlp --json bench.json\n"
      "  adjoint bench mnist_mlp --tune --engines engines.json\n"
      "  adjoint bench layer_norm --shape 4096,1024");
}

// CLI11 would say that a command is missing, not that this one is none.
bool is_unknown_command(const CLI::App& app, const char* word) {
  if (word[0] == '-') return false;
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  if (std::ranges::find(names, word) != names.end()) return false;
  std::fprintf(stderr, "adjoint has no command %s%s\n", word, did_you_mean(word, names).c_str());
  return true;
}

}  // namespace

std::variant<Command, int> parse_command(int argc, const char* const* argv) {
  CLI::App app("Adjoint trains neural networks, on NVIDIA GPUs or on the host.", "adjoint");
  app.require_subcommand(1);
  app.set_version_flag("--version", ADJOINT_VERSION);
  app.footer("Example:\n  adjoint train digits\nadjoint COMMAND --help says more about a command.");
  Command command;
  TrainCommand train;
  EvalCommand eval;
  SummaryCommand summary;
  GradcheckCommand gradcheck;
  BenchCommand bench;
  const auto add = [&](const char* name, const char* help, auto& options, auto add_options) {
    CLI::App* sub = app.add_subcommand(name, help);
    add_options(*sub, options);
    add_device(*sub, command.device);
    sub->callback([&command, &options] { command.action = options; });
  };
  add("train", "train the model of a recipe", train, add_train);
  add("eval", "measure a trained model on its test set", eval, add_eval);
  add("summary", "show a model: layers, rewrites, memory, a step's kernels", summary, add_summary);
  add("gradcheck", "check backward passes against central differences", gradcheck, add_gradcheck);
  add("bench", "time forward, backward, update and whole steps", bench, add_bench);
  CLI::App* devices = app.add_subcommand("devices", "list what can be trained on");
  devices->footer("Example:\n  adjoint devices");
  devices->callback([&command] { command.action = DevicesCommand{}; });
  if (argc > 1 && is_unknown_command(app, argv[1])) return 2;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return command;
}

}  // namespace adjoint

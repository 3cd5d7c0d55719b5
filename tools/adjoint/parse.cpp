// The command line. CLI11 is slow to compile, so it is included here alone.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

#include "core/base/text.h"
#include "core/base/version.h"
#include "tools/adjoint/command.h"
#include "tools/adjoint/completion.h"

namespace adjoint {
namespace {

void add_device(CLI::App& app, std::string& device) {
  app.add_option("--device", device, "where to run: auto takes a GPU if there is one")
      ->check(CLI::IsMember({"auto", "host", "cuda"}))
      ->capture_default_str();
}

void add_set(CLI::App& app, std::vector<std::string>& set, const std::string& of_layer = "") {
  app.add_option(
         "--set", set,
         "change a key of the recipe, such as optim.lr=3e-4" + of_layer + "; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* add_recipe(CLI::App& app, RecipeChoice& choice) {
  CLI::Option* recipe =
      app.add_option("recipe", choice.recipe, "a file, or the name of a recipe: digits, mnist_mlp")
          ->required()
          ->type_name("RECIPE");
  add_set(app, choice.set);
  return recipe;
}

// Resuming takes all from the run but its length, and the folder of data that have moved.
void add_resume(CLI::App& app, TrainCommand& command, CLI::Option* recipe) {
  CLI::Option* resume =
      app.add_option("--resume", command.resume,
                     "go on with a run that was stopped, as if it never had been; with more "
                     "epochs by --set train.epochs=N, or updates by --steps N, where it is done")
          ->type_name("RUN");
  recipe->required(false)->excludes(resume);
  for (const char* taken :
       {"--out", "--overwrite", "--seed", "--tune", "--engines", "--overfit", "--fast-dev-run"})
    resume->excludes(app.get_option(taken));
  app.parse_complete_callback([recipe, resume] {
    if (recipe->count() + resume->count() == 0)
      throw CLI::RequiredError("a recipe, or --resume RUN,");
  });
}

void add_engines(CLI::App& app, EngineOptions& engines, const char* file) {
  app.add_flag("--tune", engines.tune, "choose engines for matrix products by timing them");
  app.add_option("--engines", engines.file, file)->type_name("FILE");
}

void add_train(CLI::App& app, TrainCommand& command) {
  CLI::Option* recipe = add_recipe(app, command.choice);
  app.add_option("--data", command.choice.data, "folder of the data's files")->type_name("DIR");
  app.add_option("--out", command.out, "folder of the run (default: a new one, runs/RECIPE-NUMBER)")
      ->type_name("DIR");
  app.add_flag("--overwrite", command.overwrite, "replace the run that --out holds");
  app.add_option("--seed", command.choice.seed, "of weights, order and dropout (train.seed)");
  app.add_option("--steps", command.choice.steps, "updates to make instead of epochs (train.steps)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--quiet", command.quiet, "only the closing lines");
  add_engines(app, command.engines, "engines.json of a run or of bench --tune, to choose alike");
  CLI::Option* overfit =
      app.add_option("--overfit", command.overfit,
                     "train on the first N samples alone and say whether they were learned by "
                     "heart, which any sound model can; writes nothing")
          ->check(CLI::PositiveNumber)
          ->type_name("N");
  CLI::Option* fast = app.add_flag(
      "--fast-dev-run", command.fast_dev_run,
      "one batch of training, validation and test, to see that all parts run; keeps nothing");
  overfit->excludes(fast);
  for (const char* kept : {"--out", "--overwrite"}) {
    overfit->excludes(app.get_option(kept));
    fast->excludes(app.get_option(kept));
  }
  add_resume(app, command, recipe);
  app.footer(
      "Examples:\n  adjoint train digits --set optim.lr=3e-4 --set train.epochs=4 --seed 2\n"
      "  adjoint train digits --overfit 32\n"
      "  adjoint train my_recipe.toml --data FOLDER --fast-dev-run\n"
      "  adjoint train --resume runs/digits-1\n"
      "Ctrl-C ends the run and saves what was learned; --resume goes on from there.");
}

void add_json(CLI::App& app, std::filesystem::path& json) {
  app.add_option("--json", json, "write the results to this file too; - for standard output, alone")
      ->type_name("FILE");
}

void add_eval(CLI::App& app, EvalCommand& command) {
  app.add_option("run", command.run, "folder of a run")->required()->type_name("RUN");
  app.add_option("--data", command.data, "folder of the data's files")->type_name("DIR");
  app.add_flag("--confusion", command.confusion,
               "also precision, recall and F1 of each class, and the confusion matrix");
  add_json(app, command.json);
  app.footer(
      "Examples:\n  adjoint eval runs/digits-1 --confusion\n"
      "  adjoint eval runs/digits-1 --json -");
}

void add_predict(CLI::App& app, PredictCommand& command) {
  app.add_option("run", command.run, "folder of a run")->required()->type_name("RUN");
  app.add_option("files", command.files,
                 "PNG, IDX, NPY (FILE.npz:ARRAY) or CSV, as the model's samples are")
      ->required()
      ->type_name("FILE");
  app.add_flag("--invert", command.invert,
               "pictures are dark on light, and the model learned light on dark");
  app.add_option("--top", command.top, "classes shown of each sample, the likeliest first")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_json(app, command.json);
  app.footer(
      "Examples:\n  adjoint predict runs/digits-1 three.png four.png --invert\n"
      "  adjoint predict runs/houses-1 new.csv --json prices.json\n"
      "  adjoint predict runs/two_inputs-1 new.npz:x\n"
      "Rows count from 0. A model of several inputs takes the others from the same archive, by "
      "their names.\nA picture is scaled to fit the model's input, its proportions "
      "kept, and\ncentred on black.");
}

void add_summary(CLI::App& app, SummaryCommand& command) {
  add_recipe(app, command.choice);
  app.add_flag("--calls", command.calls,
               "also list the calls of a step: which layer runs when, in which pass");
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
  add_set(app, command.set, ", or of the layer, such as out=512");
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
      "  adjoint bench linear --shape 4096,1024 --set out=512");
}

// ---- completion

// By the placeholders of the help text: "FILE", "DIR", "TEXT:{auto,host,cuda}".
ArgumentKind argument_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return ArgumentKind::none;
  const std::string type = option.get_type_name();
  if (type == "FILE") return ArgumentKind::file;
  if (type == "DIR" || type == "RUN") return ArgumentKind::folder;
  if (type == "RECIPE") return ArgumentKind::recipe;
  if (type == "RECIPE|LAYER") return ArgumentKind::recipe_or_layer;
  return ArgumentKind::other;
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{'), end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  return CLI::detail::split(type.substr(begin + 1, end - begin - 1), ',');
}

CompletionTopic topic_of(const CLI::App& app, const std::string& command) {
  CompletionTopic topic{
      .command = command, .help = app.get_description(), .flags = {}, .positionals = {}};
  for (const CLI::Option* option : app.get_options()) {
    CompletionFlag flag{.names = {},
                        .help = option->get_description(),
                        .argument = argument_of(*option),
                        .choices = choices_of(*option),
                        .repeats = option->get_items_expected_max() > 1};
    if (option->get_positional()) {
      topic.positionals.push_back(flag);
      continue;
    }
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    topic.flags.push_back(flag);
  }
  return topic;
}

std::shared_ptr<const CommandLine> describe(const CLI::App& app) {
  auto line = std::make_shared<CommandLine>();
  line->topics.push_back(topic_of(app, ""));
  for (const CLI::App* sub : app.get_subcommands({}))
    line->topics.push_back(topic_of(*sub, sub->get_name()));
  return line;
}

void add_completion(CLI::App& app, CompletionCommand& command) {
  app.add_option("shell", command.shell, "whose script is printed")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.footer(
      "Examples:\n  source <(adjoint completion bash)      # in ~/.bashrc\n"
      "  source <(adjoint completion zsh)       # in ~/.zshrc, after compinit\n"
      "  adjoint completion fish | source       # in ~/.config/fish/config.fish");
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
  PredictCommand predict;
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
  add("predict", "apply a trained model to files of your own", predict, add_predict);
  add("summary", "show a model: layers, rewrites, memory, a step's kernels", summary, add_summary);
  add("gradcheck", "check backward passes against central differences", gradcheck, add_gradcheck);
  add("bench", "time forward, backward, update and whole steps", bench, add_bench);
  DevicesCommand devices;
  CLI::App* list = app.add_subcommand("devices", "list what can be trained on");
  list->add_flag("--measure", devices.measure,
                 "also how fast they copy memory and multiply matrices; a few seconds");
  list->footer("Example:\n  adjoint devices --measure");
  list->callback([&command, &devices] { command.action = devices; });
  CompletionCommand completion;
  CLI::App* script = app.add_subcommand("completion", "print a script that completes commands");
  add_completion(*script, completion);
  script->callback([&] {
    completion.line = describe(app);
    command.action = completion;
  });
  if (argc > 1 && is_unknown_command(app, argv[1])) return 2;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return command;
}

}  // namespace adjoint

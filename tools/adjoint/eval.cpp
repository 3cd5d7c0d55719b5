// adjoint eval: the model of a run on its test set.
#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/train/datasets.h"
#include "core/train/engine_choices.h"
#include "core/train/evaluator.h"
#include "core/train/model_file.h"
#include "core/train/run_folder.h"
#include "tools/adjoint/commands.h"

namespace adjoint::inline ADJOINT_BACKEND {

int run_eval(const EvalCommand& command) {
  const RunFolder folder = RunFolder::open(command.run);
  const Recipe recipe = read_recipe(folder.recipe());
  Context context({.seed = recipe.train.seed});
  if (std::filesystem::exists(folder.engines())) restore_engine_choices(folder.engines(), context);
  const DataStatistics statistics = load_statistics(folder.model());
  auto data =
      std::make_shared<const Dataset>(load_test_data(recipe.data, command.data, statistics));
  const std::string name = data->name;
  ModelOptions options = model_options(*data);
  Loader loader(context, std::move(data),
                {.batch = recipe.train.batch, .shuffle = false, .pixels = pixel_scale(statistics)});
  options.batch = loader.batch();
  Model model = build_model(context, recipe, options);
  load_model(folder.model(), *model.graph);
  const Evaluation found = Evaluator(model, loader, statistics.target).run();
  std::printf("%s: %s on %lld samples", name.c_str(), result_text(model, found).c_str(),
              static_cast<long long>(found.count));
  if (model.classes > 0 || !found.r_squared.empty()) std::printf(", loss %.4f", found.loss);
  std::printf("\n");
  return 0;
}

}  // namespace adjoint::inline ADJOINT_BACKEND

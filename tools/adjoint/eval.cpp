// adjoint eval: the model of a run on its test set.
#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/train/datasets.h"
#include "core/train/evaluator.h"
#include "core/train/model_file.h"
#include "core/train/run_folder.h"
#include "tools/adjoint/commands.h"

namespace adjoint::inline ADJOINT_BACKEND {

int run_eval(const EvalCommand& command) {
  const RunFolder folder = RunFolder::open(command.run);
  const Recipe recipe = read_recipe(folder.recipe());
  Context context({.seed = recipe.train.seed});
  auto data = std::make_shared<const ImageDataset>(load_test_data(recipe.data, command.data));
  const std::string name = data->name;
  Loader loader(context, std::move(data),
                {.batch = recipe.train.batch,
                 .shuffle = false,
                 .pixels = {recipe.data.mean.value_or(0.0), recipe.data.deviation.value_or(1.0)}});
  ModelOptions options = model_options(recipe.data);
  options.batch = loader.batch();
  Model model = build_model(context, recipe, options);
  load_model(folder.model(), *model.graph);
  const Evaluation found = Evaluator(model, loader).run();
  std::printf("%s: accuracy %.2f %% on %lld samples, loss %.4f\n", name.c_str(),
              100 * found.accuracy, static_cast<long long>(found.count), found.loss);
  return 0;
}

}  // namespace adjoint::inline ADJOINT_BACKEND

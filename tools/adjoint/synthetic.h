// A model with data, an optimizer and a trainer, for commands that run steps without a data set:
// inputs are noise, targets are drawn.
#pragma once

#include <memory>

#include "core/data/loader/loader.h"
#include "core/train/loop/trainer.h"
#include "tools/adjoint/commands.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct SyntheticRun {
  Context context;
  Model model;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Loader> loader;
  std::unique_ptr<Trainer> trainer;

  explicit SyntheticRun(Recipe recipe, const EngineOptions& engines = {});
  /// A whole update, of as many batches as the recipe accumulates.
  void step();
  std::int64_t batches_of_update() const { return accumulate_; }

 private:
  std::int64_t accumulate_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

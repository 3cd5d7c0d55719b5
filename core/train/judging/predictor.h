// A trained model, from the folder of its run, for samples without targets.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/base/png.h"
#include "core/samples/batch_source.h"
#include "core/samples/statistics.h"
#include "core/train/files/run_folder.h"
#include "core/train/recipe/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Predictor {
 public:
  /// Reads the run's recipe and model. No training data are needed, but for runs of csv and npy
  /// files whose model does not say what samples are. The context must outlive it. Throws Error
  /// for files that are missing, broken or do not fit together.
  Predictor(Context& context, const RunFolder& folder);

  const Recipe& recipe() const { return recipe_; }
  /// What samples are: a data set without any, with the further arrays that the model takes.
  const Dataset& outline() const { return outline_; }
  const DataStatistics& statistics() const { return statistics_; }
  /// The largest that the model takes.
  std::int64_t batch() const { return recipe_.train.batch; }
  /// Numbers that are predicted of a sample.
  std::int64_t width() const { return width_; }

  /// What the model makes of an epoch of samples, [count, width]: a score for each class; numbers
  /// in the units of the data (where these are probabilities, and the model makes logits,
  /// probabilities); what the model made again, in its own units. The samples are those of
  /// outline(), normalised by statistics(), in batches of at most batch(): sample_loader()
  /// (core/data/loader/loader.h) makes such of samples in host memory. Waits, once.
  std::vector<float> run(BatchSource& samples);
  /// The same in double, which has the digits of a number that is far from 0 beside the deviation
  /// of the targets.
  std::vector<double> numbers(BatchSource& samples);

 private:
  std::vector<float> outputs(BatchSource& samples);

  Context& context_;
  Recipe recipe_;
  DataStatistics statistics_;
  Dataset outline_;
  Model model_;
  std::int64_t width_ = 0;
};

/// softmax of one sample's scores. NaN where a score is no number.
std::vector<double> probabilities(std::span<const float> scores);
/// The `count` classes of the highest probabilities, the likeliest first, of equals the first.
std::vector<std::int32_t> best_classes(std::span<const double> probabilities, std::int64_t count);

/// The values that the model sees of a sample, [sample]: normalised.
std::vector<float> model_input(const Dataset& samples, std::int64_t index,
                               const DataStatistics& statistics);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

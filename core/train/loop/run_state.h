// Where a run stands between two updates, beside what its model, optimizer and context hold: with
// these it goes on, bit for bit as if it had never stopped.
#pragma once

#include <cstdint>
#include <optional>

#include "core/train/files/safetensors.h"

namespace adjoint {

/// Sums over the steps of an epoch, or of another stretch of a run.
struct EpochSums {
  double loss = 0, valid = 0, correct = 0, samples = 0;
  std::int64_t updates = 0, skipped = 0;

  EpochSums& operator+=(const EpochSums& other);
  bool operator==(const EpochSums&) const = default;
};

/// What models are compared by.
struct ModelScore {
  double loss = 0, accuracy = 0;
  bool operator==(const ModelScore&) const = default;
};

struct RunState {
  // What the order of samples follows from. Where one of these differs, a run cannot go on.
  std::int64_t samples = 0;  ///< of the training set
  std::int64_t batch = 0;
  std::int64_t accumulate = 1;
  std::uint64_t seed = 0;

  std::int64_t epoch = 1;    ///< under way, from 1
  std::int64_t batches = 0;  ///< of that epoch, taken already
  std::int64_t step = 0;     ///< updates so far, skipped ones included
  std::int64_t skipped = 0;
  double seconds = 0;  ///< of the run so far

  EpochSums sums;      ///< of the epoch under way
  EpochSums row_sums;  ///< of the steps since the last report of several (TrainerOptions::on_row)

  // What ends of epochs, and of whole runs, decided: nothing that stopping decides is kept, so that
  // a run that is resumed knows no more than one that never stopped.
  std::int64_t best_epoch = 0;     ///< of the best model so far; 0: none yet
  std::optional<ModelScore> best;  ///< of that model by validation, where there is one

  bool operator==(const RunState&) const = default;
};

/// As text in the metadata of a file: "run.step" = "1200". Numbers come back exactly.
void add_metadata(SafetensorsMetadata& metadata, const RunState& state);
/// Throws Error, naming `file`, for entries that are missing or are no numbers in range.
RunState read_run_state(const SafetensorsMetadata& metadata, const std::string& file);

}  // namespace adjoint

// The registry of data kinds: what [data] name = "..." of a recipe stands for. A kind enters itself
// where it is defined, so that a plugin's kinds are found as built-in ones are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/abi.h"
#include "core/samples/data_recipe.h"
#include "core/samples/dataset.h"
#include "core/samples/target_check.h"

namespace adjoint {

/// What the inputs of a kind are, and so which keys say how they are normalised: `mean` and
/// `deviation` of pixels; `normalise`, column by column, of features; both where files decide.
enum class DataInput : std::uint8_t { images, features, either };

/// All that is particular to one kind. Splitting, normalising, statistics and notices are common to
/// all (core/samples/recipe_data.h).
struct DataKind {
  std::string name;  ///< stays the first: errors name what was compiled otherwise by it
  DataInput input = DataInput::features;
  /// Samples are computed: no folder is read, and test samples do not depend on how many are for
  /// training. load() makes train_count and test_count samples.
  bool drawn = false;

  /// Reads the kind's keys and sets the task. `predicted` is what the recipe's loss is made for.
  /// The common keys are read before (name, folder) and after.
  std::function<void(Options&, DataRecipe&, Predicted predicted)> read;
  /// Sets the same keys again, every default filled in; those in DataRecipe::own are set anyway.
  std::function<void(const DataRecipe&, Options&)> write;
  /// Training and test samples, as they are in `folder` (empty: where the program was started),
  /// not normalised. Throws Error for what cannot be read and, naming their place, for targets that
  /// the loss does not take (check_targets).
  std::function<Datasets(const DataRecipe&, const std::filesystem::path& folder,
                         const LossTargets& wanted)>
      load;

  // Not every kind has these.

  /// Fills in what the recipe left open, from what was loaded.
  std::function<void(DataRecipe&, const Datasets&)> resolve = {};
  /// What samples are; its count and arrays do not matter. Without it samples are loaded for that:
  /// one where they are drawn.
  std::function<Dataset(const DataRecipe&, const std::filesystem::path& folder)> outline = {};
};

/// Enters a kind; whether it is the first of its name. Never throws, as it runs before main(): a
/// name that is taken, a kind that lacks a function, or one that was compiled otherwise than the
/// program (core/base/abi.h) is an error of data_kind().
bool register_data_kind(const DataKind& kind, const char* abi = kAbiTag);
/// The kind of that name. Throws Error where there is none, naming all, where there are two, or
/// where it was compiled otherwise.
DataKind data_kind(const std::string& name);
/// Of all kinds, sorted.
std::vector<std::string> data_kind_names();
/// Of kinds that read files and that data_kind() has.
std::vector<std::string> file_kind_names();

// ---- keys that several kinds share

/// `train_count` and `test_count`.
void read_counts(Options& options, DataRecipe& data, std::int64_t train, std::int64_t test,
                 std::int64_t least);
void write_counts(const DataRecipe& data, Options& out);
/// The counts of what was loaded.
void resolve_counts(DataRecipe& data, const Datasets& all);

/// `target`, where it is known what samples hold: own = "label" or "number", or the input.
void read_known_target(Options& options, DataRecipe& data, Task own);

/// A kind whose samples are computed: draw(train_count, test_count, seed). `own` says whether its
/// targets are labels or numbers.
DataKind drawn_data_kind(const std::string& name, DataInput input, Task own,
                         std::function<Datasets(std::int64_t, std::int64_t, std::uint64_t)> draw);

}  // namespace adjoint

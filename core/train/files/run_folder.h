// The folder of a run: the recipe as it was resolved, the metrics, the model, the last state, the
// choice of engines for matrix products and the log. A new run never writes into an old one unless
// told to. Metrics and log grow line by line; every other file is replaced whole
// (core/base/files.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/files.h"

namespace adjoint {

struct RunFolderOptions {
  std::filesystem::path out = {};  ///< empty: a new folder <runs>/<name>-<number>
  std::filesystem::path runs = "runs";
  std::string name = "run";  ///< of the recipe
  bool overwrite = false;    ///< a run in `out` may be replaced
};

class RunFolder {
 public:
  /// Makes the folder and sees that files can be written there. Throws Error where `out` holds a
  /// run and `overwrite` is not set, holds other files, or cannot be written. Nothing of an old run
  /// is touched yet: call clear() once the new one is sure to start.
  static RunFolder create(const RunFolderOptions& options);
  /// The folder of an earlier run; throws Error saying what is missing.
  static RunFolder open(const std::filesystem::path& folder);
  /// The same to go on with, whether or not it has a model yet; sees that files can be written.
  static RunFolder resume(const std::filesystem::path& folder);

  /// Removes the files of the run that `overwrite` replaces.
  void clear() const;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path recipe() const { return path_ / "recipe.toml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.csv"; }
  std::filesystem::path model() const { return path_ / "model.safetensors"; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path engines() const { return path_ / "engines.json"; }
  std::filesystem::path log() const { return path_ / "log.txt"; }
  /// Of autoencoders of images.
  std::filesystem::path reconstructions() const { return path_ / "reconstructions.png"; }

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  static RunFolder existing(const std::filesystem::path& path);
  void expect_files(std::initializer_list<std::filesystem::path> files, const char* kind) const;

  std::filesystem::path path_;
};

/// One line of metrics.csv. What was not measured there is left empty.
struct MetricsRow {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t step = 0;   ///< updates so far, from 1
  double seconds = 0;      ///< since training began
  std::optional<double> train_loss = {};
  std::optional<double> train_accuracy = {};
  std::optional<double> learning_rate = {};
  std::optional<double> gradient_norm = {};
  std::int64_t skipped = 0;  ///< updates not made because a gradient was not finite, so far
  std::optional<double> loss_scale = {};
  std::optional<double> validation_loss = {};
  std::optional<double> validation_accuracy = {};
  /// One for each further measure of the file; none of a row within an epoch.
  std::vector<double> measures = {};
};

/// metrics.csv: each row is written as it comes.
class MetricsFile {
 public:
  /// A new file; `measures` are the names of further columns, "validation_NAME" each.
  explicit MetricsFile(std::filesystem::path path, std::vector<std::string> measures = {});
  /// Takes over the rows of an earlier file, where there is one, up to that step. Throws Error for
  /// a file of other columns.
  MetricsFile(std::filesystem::path path, std::int64_t last_step,
              std::vector<std::string> measures = {});
  void add(const MetricsRow& row);
  /// Returns once all rows are on the disk.
  void sync();

  static std::string header(const std::vector<std::string>& measures = {});
  static std::string line(const MetricsRow& row, std::size_t measures = 0);

 private:
  std::size_t measures_;
  std::unique_ptr<FileWriter> file_;
};

}  // namespace adjoint

#include "core/train/files/run_folder.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <system_error>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFiles{"recipe.toml",  "metrics.csv", "model.safetensors",  "last.safetensors",
                            "engines.json", "log.txt",     "reconstructions.png"};

bool holds_run(const fs::path& folder) {
  std::error_code ignored;
  for (const char* file : kFiles)
    if (fs::exists(folder / file, ignored)) return true;
  return false;
}

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  ADJOINT_CHECK(!error && fs::is_directory(folder, error), "run folder: cannot make ",
                folder.string(), ": ", error ? error.message() : "it is not a folder",
                "; choose another with --out");
}

// The next number that no folder has; made by whoever comes first, so that two runs started at once
// get one each.
fs::path make_numbered(const fs::path& runs, const std::string& name) {
  make_folders(runs);
  for (int number = 1; number < 1'000'000; ++number) {
    fs::path folder = runs / (name + "-" + std::to_string(number));
    std::error_code error;
    if (fs::create_directory(folder, error)) return folder;
    ADJOINT_CHECK(!error || fs::exists(folder), "run folder: cannot make ", folder.string(), ": ",
                  error.message(), "; choose another with --out");
  }
  ADJOINT_FAIL("run folder: ", runs.string(), " is full of runs named ", name);
}

// A folder may exist and yet refuse files: better found now than after an hour.
void check_writable(const fs::path& folder) {
  const fs::path probe = folder / ".adjoint-write-test";
  write_file_atomically(probe, std::string_view("x"));
  std::error_code ignored;
  fs::remove(probe, ignored);
}

std::string number(const std::optional<double>& value, const char* format) {
  return value ? formatted(format, *value) : "";
}

}  // namespace

RunFolder RunFolder::create(const RunFolderOptions& options) {
  if (options.out.empty()) {
    RunFolder folder(make_numbered(options.runs, options.name));
    check_writable(folder.path_);
    return folder;
  }
  std::error_code error;
  if (fs::exists(options.out, error) && fs::is_directory(options.out, error)) {
    const bool empty = fs::is_empty(options.out, error);
    ADJOINT_CHECK(!error, "run folder: cannot read ", options.out.string(), ": ", error.message());
    if (!empty && !options.overwrite) {
      ADJOINT_CHECK(!holds_run(options.out), "run folder: ", options.out.string(),
                    " holds a run already; choose another folder, or replace the run with "
                    "--overwrite");
      ADJOINT_FAIL("run folder: ", options.out.string(),
                   " is not empty; choose a new folder, or write into this one with --overwrite");
    }
  }
  make_folders(options.out);
  check_writable(options.out);
  return RunFolder(options.out);
}

RunFolder RunFolder::open(const fs::path& path) {
  RunFolder folder = existing(path);
  folder.expect_files({folder.recipe(), folder.model()}, "a finished run");
  return folder;
}

RunFolder RunFolder::resume(const fs::path& path) {
  RunFolder folder = existing(path);
  folder.expect_files({folder.recipe(), folder.last()}, "a run that was saved");
  check_writable(path);
  return folder;
}

RunFolder RunFolder::existing(const fs::path& path) {
  std::error_code error;
  ADJOINT_CHECK(fs::is_directory(path, error), "run folder: ", path.string(),
                error ? " cannot be read: " + error.message() : std::string(" is not a folder"),
                "; expected the folder of a run, such as runs/digits-1");
  return RunFolder(path);
}

void RunFolder::expect_files(std::initializer_list<fs::path> files, const char* kind) const {
  std::error_code error;
  for (const fs::path& file : files)
    ADJOINT_CHECK(fs::exists(file, error), "run folder: ", path_.string(), " has no ",
                  file.filename().string(), "; expected the folder of ", kind);
}

void RunFolder::clear() const {
  for (const char* file : kFiles) {
    std::error_code error;
    fs::remove(path_ / file, error);
    ADJOINT_CHECK(!error, "run folder: cannot replace ", (path_ / file).string(), ": ",
                  error.message());
  }
}

namespace {

// The header and the rows of an earlier file up to that step; of a last row that was not written
// to its end, as when the machine went down, nothing.
std::string rows_until(const fs::path& path, std::int64_t last_step, const std::string& header) {
  std::error_code error;
  if (!fs::exists(path, error)) return header;
  const Bytes bytes = read_file(path);
  std::istringstream file(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  std::string line, text = header;
  std::getline(file, line);
  ADJOINT_CHECK(line + "\n" == header, path.string(), ": expected the columns ", header, "got ",
                line, "; move the file away to go on without its rows");
  while (std::getline(file, line) && !file.eof()) {
    std::int64_t epoch = 0, step = 0;
    char comma = 0;
    std::istringstream row(line);
    if (row >> epoch >> comma >> step && step <= last_step) text += line + "\n";
  }
  return text;
}

}  // namespace

MetricsFile::MetricsFile(fs::path path, std::vector<std::string> measures)
    : measures_(measures.size()) {
  write_file_atomically(path, std::string_view(header(measures)));
  file_ = std::make_unique<FileWriter>(path, FileWriter::Mode::append);
}

MetricsFile::MetricsFile(fs::path path, std::int64_t last_step, std::vector<std::string> measures)
    : measures_(measures.size()) {
  write_file_atomically(path, std::string_view(rows_until(path, last_step, header(measures))));
  file_ = std::make_unique<FileWriter>(path, FileWriter::Mode::append);
}

std::string MetricsFile::header(const std::vector<std::string>& measures) {
  std::string text =
      "epoch,step,seconds,train_loss,train_accuracy,learning_rate,gradient_norm,skipped,"
      "loss_scale,validation_loss,validation_accuracy";
  for (const std::string& measure : measures) text += str(",validation_", measure);
  return text + "\n";
}

std::string MetricsFile::line(const MetricsRow& row, std::size_t measures) {
  std::string text =
      str(row.epoch, ",", row.step, ",", number(row.seconds, "%.3f"), ",",
          number(row.train_loss, "%.9g"), ",", number(row.train_accuracy, "%.6f"), ",",
          number(row.learning_rate, "%.9g"), ",", number(row.gradient_norm, "%.9g"), ",",
          row.skipped, ",", number(row.loss_scale, "%.9g"), ",",
          number(row.validation_loss, "%.9g"), ",", number(row.validation_accuracy, "%.6f"));
  for (std::size_t i = 0; i < measures; ++i)
    text += str(",", i < row.measures.size() ? number(row.measures[i], "%.9g") : "");
  return text + "\n";
}

void MetricsFile::add(const MetricsRow& row) { file_->write(line(row, measures_)); }

void MetricsFile::sync() { file_->sync(); }

}  // namespace adjoint

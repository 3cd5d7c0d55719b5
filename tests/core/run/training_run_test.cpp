#include "core/run/training_run.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/base/log.h"
#include "core/data/loader/loader.h"
#include "core/data/readers/npy.h"
#include "core/data/readers/sample_files.h"
#include "core/samples/random.h"
#include "core/train/judging/predictor.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::npy_of;
using test::ScratchFolder;

class TrainingRunTest : public DeviceTest {
 protected:
  void TearDown() override { stop_logging(); }
};

constexpr std::int64_t kCount = 400;

// An archive of features "x", further ones "meta", classes "kind", prices "worth" and a table
// "scale" that all samples share.
void write_archive(const std::filesystem::path& path, std::uint64_t seed) {
  SampleRandom random(seed, 0);
  std::vector<float> x, meta, worth, scale{1, 2, 3};
  std::vector<std::int64_t> kind;
  for (std::int64_t i = 0; i < kCount; ++i) {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      x.push_back(static_cast<float>(random.uniform(-1, 1)));
      sum += x.back();
    }
    kind.push_back(sum > 0 ? 1 : 0);
    for (int j = 0; j < 2; ++j) {
      meta.push_back(static_cast<float>(random.uniform(-1, 1)));
      sum += meta.back();
    }
    worth.push_back(sum);
  }
  const std::string n = std::to_string(kCount);
  write_file_atomically(path, test::npz_of({{"x", npy_of("<f4", "(" + n + ", 4)", x)},
                                            {"meta", npy_of("<f4", "(" + n + ", 2)", meta)},
                                            {"kind", npy_of("<i8", "(" + n + ",)", kind)},
                                            {"worth", npy_of("<f4", "(" + n + ",)", worth)},
                                            {"scale", npy_of("<f4", "(3,)", scale)}}));
}

const std::string kTwo = R"([data]
name = "npy"
train = "train.npz:x"
train_target = "train.npz:kind"
test = "test.npz:x"
test_target = "test.npz:kind"
arrays = ["meta", "worth"]
[model]
layers = [
  {type = "linear", out = 16, output = "a"},
  {type = "linear", input = "meta", out = 16, output = "b"},
  {type = "add", input = ["a", "b"]},
  {type = "relu", output = "h"},
  {type = "linear", out = 2, output = "class"},
  {type = "linear", input = "h", out = 1, output = "price"},
]
[[loss]]
input = "class"
metrics = "macro_f1"
[[loss]]
type = "mse"
input = "price"
target = "worth"
weight = 0.5
metrics = "r_squared"
[optim]
lr = 0.02
[train]
batch = 10
epochs = 6
)";

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// What a sink is told, in order, and how many lines of metrics.csv there are at each row.
class Heard : public MetricSink {
 public:
  void begin(const RunFacts& facts) override {
    begun_ = true;
    folder_ = facts.folder;
    measures = facts.measures;
  }
  void row(const StepReport&) override {
    ++rows;
    lines.push_back(std::ssize(lines_of(folder_ / "metrics.csv")));
  }
  void step(const StepReport&) override { EXPECT_TRUE(begun_); }
  void epoch(const EpochReport&) override { ++epochs; }
  void finish() override { ++finished; }

  int rows = 0, epochs = 0, finished = 0;
  std::vector<std::int64_t> lines;
  std::vector<std::string> measures;

 private:
  bool begun_ = false;
  std::filesystem::path folder_;
};

TEST_F(TrainingRunTest, TwoInputsAndTwoLossesFromFilesToTheTest) {
  const ScratchFolder scratch;
  write_archive(scratch / "train.npz", 1);
  write_archive(scratch / "test.npz", 2);
  TrainingRun run(parse_recipe(kTwo, "two.toml"), {.data = scratch.path(), .out = scratch / "run"});
  CsvSink rows;
  Heard heard;
  run.add(rows);
  run.add(heard);
  EXPECT_TRUE(run.train());
  const Evaluation found = run.test();
  EXPECT_GT(found.accuracy, 0.9);
  ASSERT_EQ(found.measures.size(), 4u);
  EXPECT_EQ(found.measures[1].name, "class_macro_f1");
  EXPECT_EQ(found.measures[3].name, "price_r_squared");
  EXPECT_GT(found.measures[3].value, 0.9);
  EXPECT_EQ(heard.epochs, 6);
  EXPECT_EQ(heard.finished, 1);
  // 36 updates an epoch: rows after 50, 100, 150 and 200, each there as soon as it was told; of
  // the ends of epochs those before it, and the header.
  EXPECT_EQ(heard.rows, 4);
  EXPECT_EQ(heard.lines, (std::vector<std::int64_t>{3, 5, 8, 10}));
  const std::vector<std::string> lines = lines_of(run.folder().metrics());
  EXPECT_EQ(lines[0] + "\n", MetricsFile::header(heard.measures));
  EXPECT_NE(lines[0].find(",validation_class_loss,validation_class_macro_f1,validation_price_loss,"
                          "validation_price_r_squared"),
            std::string::npos);
  EXPECT_EQ(lines.size(), 11u);
  for (const std::string& line : lines) EXPECT_EQ(std::ranges::count(line, ','), 14) << line;

  // Files of one's own are read with all that the model takes; "worth" is but a target.
  Context fresh;
  Predictor predictor(fresh, run.folder());
  ASSERT_EQ(predictor.outline().arrays.size(), 1u);
  EXPECT_EQ(predictor.outline().arrays[0].name, "meta");
  const Dataset samples =
      read_samples((scratch / "test.npz:x").string(), predictor.outline(), predictor.recipe().data);
  const std::vector<float> scores = predictor.run(*sample_loader(
      fresh, samples, predictor.outline(), predictor.statistics(), predictor.batch()));
  const NpyArray kind = read_array(scratch.path(), "test.npz:kind");
  const std::vector<std::int32_t> labels = to_integers(kind, "kind");
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    right += (scores[2 * i + 1] > scores[2 * i]) == (labels[i] == 1);
  EXPECT_NEAR(right / double(labels.size()), found.accuracy, 1e-9);

  // The recipe that was written trains the same model again.
  TrainingRun again(read_recipe(run.folder().recipe()), {.out = scratch / "again"});
  EXPECT_TRUE(again.train());
  EXPECT_TRUE(same_bits(run.trainer().best(), again.trainer().best()));
}

TEST_F(TrainingRunTest, GoesOnWhereItWasStopped) {
  const ScratchFolder scratch;
  write_archive(scratch / "train.npz", 1);
  write_archive(scratch / "test.npz", 2);
  const auto recipe = [] { return parse_recipe(kTwo, "two.toml"); };
  const auto train = [&](const TrainingRunOptions& options, MetricSink* sink = nullptr) {
    TrainingRun run(options.resume.empty() ? recipe() : read_recipe(options.resume / "recipe.toml"),
                    options);
    CsvSink rows;
    run.add(rows);
    if (sink != nullptr) run.add(*sink);
    run.train();
    return run.trainer().best();
  };
  const Snapshot whole = train({.data = scratch.path(), .out = scratch / "whole"});
  struct Stop : MetricSink {
    void row(const StepReport& step) override { stop = stop || step.step >= 100; }
    std::atomic<bool> stop = false;
  } stop;
  train({.data = scratch.path(), .out = scratch / "parts", .stop = &stop.stop}, &stop);
  const Snapshot parts = train({.data = scratch.path(), .resume = scratch / "parts"});
  EXPECT_TRUE(same_bits(whole, parts));
  const auto without_seconds = [](const std::filesystem::path& path) {
    std::vector<std::string> lines = lines_of(path);
    for (std::string& line : lines) {
      const std::size_t from = line.find(',', line.find(',') + 1);
      line.erase(from, line.find(',', from + 1) - from);
    }
    return lines;
  };
  EXPECT_EQ(without_seconds(scratch / "whole" / "metrics.csv"),
            without_seconds(scratch / "parts" / "metrics.csv"));
}

TEST_F(TrainingRunTest, DataSayWhatArraysTheyHave) {
  const ScratchFolder scratch;
  write_archive(scratch / "train.npz", 1);
  write_archive(scratch / "test.npz", 2);
  const auto refused = [&](const std::string& from, const std::string& to,
                           std::initializer_list<std::string> parts) {
    std::string text = kTwo;
    text.replace(text.find(from), from.size(), to);
    expect_error([&] { TrainingRun(parse_recipe(text, "two.toml"), {.data = scratch.path()}); },
                 parts);
  };
  refused("arrays = [\"meta\", \"worth\"]", "arrays = [\"meta\", \"wort\"]",
          {"train.npz", "'wort'", "'worth'"});
  refused("arrays = [\"meta\", \"worth\"]", "arrays = \"meta\"", {"target", "no array 'worth'"});
  refused("arrays = [\"meta\", \"worth\"]",
          "arrays = [\"meta\", \"worth\"]\nshared_arrays = \"scale\"",
          {"'scale' is taken by no layer and no loss", "leave it out"});
  refused("train = \"train.npz:x\"", "train = \"x.npy\"", {"arrays", "FILE.npz:ARRAY"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

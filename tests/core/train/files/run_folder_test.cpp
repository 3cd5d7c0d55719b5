#include "core/train/files/run_folder.h"

#include <gtest/gtest.h>

#include "core/base/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::ScratchFolder;

std::string text_of(const fs::path& path) {
  const Bytes bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(RunFolder, WithoutANameEachRunGetsANumberOfItsOwn) {
  const ScratchFolder scratch;
  const RunFolderOptions options{.runs = scratch / "runs", .name = "digits"};
  EXPECT_EQ(RunFolder::create(options).path(), scratch / "runs" / "digits-1");
  EXPECT_EQ(RunFolder::create(options).path(), scratch / "runs" / "digits-2");
}

TEST(RunFolder, RefusesAFolderThatHoldsSomethingUnlessToldTo) {
  const ScratchFolder scratch;
  const fs::path out = scratch / "out";
  const RunFolder first = RunFolder::create({.out = out});
  EXPECT_TRUE(fs::is_empty(out)) << "the test for writing left something behind";
  write_file_atomically(first.model(), std::string_view("model"));
  expect_error([&] { RunFolder::create({.out = out}); }, {out.string(), "--overwrite"});
  EXPECT_EQ(text_of(first.model()), "model");

  const RunFolder second = RunFolder::create({.out = out, .overwrite = true});
  EXPECT_EQ(text_of(second.model()), "model") << "nothing goes before clear()";
  write_file_atomically(out / "notes.txt", std::string_view("mine"));
  second.clear();
  EXPECT_FALSE(fs::exists(second.model()));
  EXPECT_EQ(text_of(out / "notes.txt"), "mine") << "only files of a run are ours to remove";
  expect_error([&] { RunFolder::create({.out = out}); }, {"is not empty", "--overwrite"});
}

TEST(RunFolder, SaysWhatIsInTheWay) {
  const ScratchFolder scratch;
  write_file_atomically(scratch / "file", std::string_view("x"));
  expect_error([&] { RunFolder::create({.out = scratch / "file"}); }, {"file", "--out"});
  expect_error([&] { RunFolder::create({.out = scratch / "file" / "below"}); }, {"--out"});
  expect_error([&] { RunFolder::create({.runs = scratch / "file"}); }, {"--out"});
}

TEST(RunFolder, OpensOnlyWhatIsARun) {
  const ScratchFolder scratch;
  expect_error([&] { RunFolder::open(scratch / "none"); }, {"none", "runs/digits-1"});
  expect_error([&] { RunFolder::open(scratch.path()); }, {"recipe.toml"});
  write_file_atomically(scratch / "recipe.toml", std::string_view("x"));
  expect_error([&] { RunFolder::open(scratch.path()); }, {"model.safetensors"});
  write_file_atomically(scratch / "model.safetensors", std::string_view("x"));
  EXPECT_EQ(RunFolder::open(scratch.path()).model(), scratch / "model.safetensors");
}

TEST(RunFolder, ResumesOnlyWhatWasSaved) {
  const ScratchFolder scratch;
  write_file_atomically(scratch / "recipe.toml", std::string_view("x"));
  expect_error([&] { RunFolder::resume(scratch.path()); }, {"last.safetensors"});
  write_file_atomically(scratch / "last.safetensors", std::string_view("x"));
  EXPECT_EQ(RunFolder::resume(scratch.path()).last(), scratch / "last.safetensors")
      << "a run may be stopped before it has a best model";
}

TEST(MetricsFile, KeepsTheRowsOfTheRunThatIsResumed) {
  const ScratchFolder scratch;
  MetricsFile first(scratch / "metrics.csv");
  for (const std::int64_t step : {50, 100, 150}) first.add({.epoch = 1, .step = step});
  MetricsFile second(scratch / "metrics.csv", 100);
  second.add({.epoch = 1, .step = 120});
  EXPECT_EQ(text_of(scratch / "metrics.csv"), MetricsFile::header() +
                                                  MetricsFile::line({.epoch = 1, .step = 50}) +
                                                  MetricsFile::line({.epoch = 1, .step = 100}) +
                                                  MetricsFile::line({.epoch = 1, .step = 120}));

  const MetricsFile none(scratch / "other.csv", 100);
  EXPECT_EQ(text_of(scratch / "other.csv"), MetricsFile::header());
  write_file_atomically(scratch / "other.csv", std::string_view("a,b\n1,2\n"));
  expect_error([&] { MetricsFile(scratch / "other.csv", 100); }, {"other.csv", "columns", "a,b"});
}

TEST(MetricsFile, LeavesEmptyWhatWasNotMeasured) {
  const ScratchFolder scratch;
  MetricsFile metrics(scratch / "metrics.csv");
  metrics.add({.epoch = 1, .step = 5, .seconds = 0.25, .train_loss = 1.5, .train_accuracy = 0.5});
  metrics.add({.epoch = 1,
               .step = 9,
               .seconds = 1,
               .skipped = 2,
               .loss_scale = 65536,
               .validation_accuracy = 1});
  EXPECT_EQ(text_of(scratch / "metrics.csv"), MetricsFile::header() +
                                                  "1,5,0.250,1.5,0.500000,,,0,,,\n"
                                                  "1,9,1.000,,,,,2,65536,,1.000000\n");
}

}  // namespace
}  // namespace adjoint

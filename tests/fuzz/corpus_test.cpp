// The corpora of the fuzzers: seeds, and inputs that once were findings, through every target.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "fuzz/fuzz.h"
#include "support/source_folder.h"

namespace adjoint::fuzz {
namespace {

void run_corpus(const std::string& name, void (*target)(Input), std::size_t least) {
  const std::filesystem::path folder = source_folder() / "tests/fuzz/corpus" / name;
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    EXPECT_NO_THROW(target(read_file(file.path()))) << file.path();
    ++files;
  }
  EXPECT_GE(files, least);
}

TEST(FuzzCorpus, Csv) { run_corpus("csv", fuzz_csv, 12); }
TEST(FuzzCorpus, Idx) { run_corpus("idx", fuzz_idx, 9); }
TEST(FuzzCorpus, Npy) { run_corpus("npy", fuzz_npy, 15); }
TEST(FuzzCorpus, Npz) { run_corpus("npz", fuzz_npz, 6); }
TEST(FuzzCorpus, Png) { run_corpus("png", fuzz_png, 11); }
TEST(FuzzCorpus, Recipe) { run_corpus("recipe", fuzz_recipe, 7); }
TEST(FuzzCorpus, Safetensors) { run_corpus("safetensors", fuzz_safetensors, 3); }

// Targets find what they are there for: an input is refused by an error of ours and by nothing
// else.
TEST(FuzzTarget, WhatIsNoErrorOfOursIsAFinding) {
  EXPECT_FALSE(accepted([]() -> int { ADJOINT_FAIL(kName, ": refused"); }));
  EXPECT_EQ(accepted([] { return 3; }), 3);
  EXPECT_THROW(accepted([]() -> int { throw std::bad_alloc(); }), std::bad_alloc);
  EXPECT_THROW(accepted([]() -> int { ADJOINT_FAIL("refused without a name"); }), std::logic_error);
  EXPECT_THROW(demand(false, "a finding"), std::logic_error);
}

}  // namespace
}  // namespace adjoint::fuzz

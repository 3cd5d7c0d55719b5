#include "core/update/parameter_groups.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/slab.h"
#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using ParameterGroupsTest = SlabTest;

TEST(Glob, MatchesStarsAndQuestionMarks) {
  EXPECT_TRUE(matches_glob("linear1.bias", "*.bias"));
  EXPECT_TRUE(matches_glob("linear1.bias", "linear?.b*"));
  EXPECT_TRUE(matches_glob("linear1.bias", "*"));
  EXPECT_TRUE(matches_glob("a.bias.bias", "*.bias"));
  EXPECT_TRUE(matches_glob("abcabd", "*ab?"));
  EXPECT_TRUE(matches_glob("", "**"));
  EXPECT_FALSE(matches_glob("linear1.biases", "*.bias"));
  EXPECT_FALSE(matches_glob("linear12.bias", "linear?.bias"));
  EXPECT_FALSE(matches_glob("", "?"));
  EXPECT_FALSE(matches_glob("abc", ""));
}

/// Three parameters of 100,000, 10 and 300 elements; nothing of them is read.
ParameterSlab three() {
  ParameterSlab slab;
  slab.master = Tensor(nullptr, DType::float32, {100032 + 64 + 320});
  slab.parameters = {{"linear1.weight", Shape{1000, 100}, 0},
                     {"linear1.bias", Shape{10}, 100032},
                     {"norm1.weight", Shape{300}, 100096}};
  return slab;
}

/// Every element lies in one piece or in none.
void expect_cover(const SlabPieces& cut, std::int64_t count, std::int64_t covered) {
  std::int64_t end = 0, sum = 0;
  for (const SlabPiece& piece : cut.pieces) {
    EXPECT_GE(piece.begin, end);
    EXPECT_EQ(piece.begin % 64, 0);
    EXPECT_GT(piece.length, 0);
    EXPECT_LE(piece.length, kSlabPiece);
    end = piece.begin + piece.length;
    sum += piece.length;
  }
  EXPECT_LE(end, count);
  EXPECT_EQ(sum, covered);
}

TEST_F(ParameterGroupsTest, WithoutGroupsPiecesCrossParameters) {
  const SlabPieces cut = cut_slab("SGD", three(), {}, 0.1, false);
  expect_cover(cut, 100416, 100416);
  EXPECT_EQ(cut.pieces.size(), 25u);
  EXPECT_TRUE(cut.parameters.empty());
  for (const SlabPiece& piece : cut.pieces) {
    EXPECT_EQ(piece.weight_decay, 0.1);
    EXPECT_EQ(piece.rate_scale, 1);
  }
}

TEST_F(ParameterGroupsTest, TheFirstGroupThatFitsCounts) {
  const SlabPieces cut = cut_slab(
      "SGD", three(),
      {{.match = "norm*", .weight_decay = 0.0, .lr_scale = 0.5}, {.rank = 1, .weight_decay = 0.25}},
      0.1, false);
  expect_cover(cut, 100416, 100416);
  ASSERT_EQ(cut.pieces.size(), 27u);
  EXPECT_EQ(cut.pieces[24].weight_decay, 0.1);
  EXPECT_EQ(cut.pieces[25].begin, 100032);
  EXPECT_EQ(cut.pieces[25].weight_decay, 0.25);
  EXPECT_EQ(cut.pieces[25].rate_scale, 1);
  EXPECT_EQ(cut.pieces[26].weight_decay, 0);
  EXPECT_EQ(cut.pieces[26].rate_scale, 0.5);
}

TEST_F(ParameterGroupsTest, ByParameterPiecesLeaveThePaddingOut) {
  const SlabPieces cut = cut_slab("LAMB", three(), {}, 0, true);
  expect_cover(cut, 100416, 100000 + 10 + 300);
  ASSERT_EQ(cut.parameters.size(), 3u);
  EXPECT_EQ(cut.parameters[0].count, 25);
  EXPECT_EQ(cut.parameters[2].first, 26);
  EXPECT_EQ(cut.pieces[26].parameter, 2);
}

TEST_F(ParameterGroupsTest, AGroupOfNoParameterListsThem) {
  expect_error(
      [] { cut_slab("AdamW", three(), {{.match = "*.biass"}}, 0, false); },
      {"AdamW: group match = \"*.biass\"", "linear1.weight (rank 2), linear1.bias (rank 1)"});
  expect_error([] { cut_slab("AdamW", three(), {{.match = "*", .rank = 3}}, 0, false); },
               {"rank = 3 is of no parameter"});
  expect_error(
      [] {
        cut_slab("AdamW", three(), {{}, {.match = "*.bias"}}, 0, false);
      },
      {"*.bias", "an earlier group took"});
}

TEST_F(ParameterGroupsTest, RefusesSettingsOutOfRange) {
  for (const double value : {-1.0, std::nan(""), double(INFINITY)}) {
    expect_error([&] { cut_slab("SGD", three(), {{.lr_scale = value}}, 0, false); }, {"lr_scale"});
    expect_error([&] { cut_slab("SGD", three(), {{.weight_decay = value}}, 0, false); },
                 {"weight_decay"});
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

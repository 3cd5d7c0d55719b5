#include "core/base/text.h"

#include <gtest/gtest.h>

namespace adjoint {
namespace {

TEST(Text, EditDistanceCountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("optmi", "optim"), 1u);
  EXPECT_EQ(edit_distance("ca", "abc"), 3u);  // each character is edited at most once
}

TEST(Text, NearestNameIsNearOrNone) {
  const std::vector<std::string> names = {"lr", "betas", "weight_decay", "clip_norm"};
  EXPECT_EQ(nearest_name("weight_dacey", names), "weight_decay");
  EXPECT_EQ(nearest_name("Betas", names), "betas");
  EXPECT_EQ(nearest_name("l", names), "lr");
  EXPECT_EQ(nearest_name("momentum", names), std::nullopt);
  EXPECT_EQ(nearest_name("xy", names), std::nullopt);
  EXPECT_EQ(nearest_name("lr", {}), std::nullopt);
  EXPECT_EQ(did_you_mean("clipnorm", names), "; did you mean 'clip_norm'?");
  EXPECT_EQ(did_you_mean("momentum", names), "; known: lr, betas, weight_decay, clip_norm");
  EXPECT_EQ(did_you_mean("momentum", {}), "; none are known");
}

TEST(Text, Formatted) {
  EXPECT_EQ(formatted("%.2f of %s", 1.5, "two"), "1.50 of two");
  EXPECT_EQ(formatted("%0300d", 7).size(), 300u);
  EXPECT_EQ(formatted("none"), "none");
}

TEST(Text, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
}

TEST(Text, Join) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
}

TEST(Text, Alternatives) {
  EXPECT_EQ(alternatives({}), "");
  EXPECT_EQ(alternatives(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(alternatives(std::vector<std::string>{"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace adjoint

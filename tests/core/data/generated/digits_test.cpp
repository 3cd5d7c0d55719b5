#include "core/data/generated/digits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "core/data/generated/glyphs.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

TEST(Digits, AreTheSameOnEveryMachine) {
  // FNV-1a over pixels and labels. A change means that every run on digits changes with it.
  const Dataset digits = draw_digits({.count = 500, .seed = 1});
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](std::uint64_t byte) { hash = (hash ^ byte) * 0x100000001b3u; };
  for (std::uint8_t pixel : digits.images) add(pixel);
  for (std::int32_t label : digits.labels) add(static_cast<std::uint64_t>(label));
  EXPECT_EQ(hash, 0x620bd107ba4fd423u);
}

TEST(Digits, DoNotDependOnThreadsOrNeighbours) {
  const Dataset one = draw_digits({.count = 1000, .seed = 5, .threads = 1});
  const Dataset three = draw_digits({.count = 1000, .seed = 5, .threads = 3});
  EXPECT_EQ(one.images, three.images);
  EXPECT_EQ(one.labels, three.labels);
  const Dataset later = draw_digits({.count = 1, .seed = 5, .first = 700});
  EXPECT_TRUE(std::ranges::equal(later.image(0), one.image(700)));
  EXPECT_EQ(later.labels[0], one.labels[700]);
  const Dataset other = draw_digits({.count = 1000, .seed = 6});
  EXPECT_NE(one.images, other.images);
}

TEST(Digits, AreBalancedAndVisible) {
  const Dataset digits = draw_digits({.count = 5000, .seed = 2});
  check_dataset(digits);
  std::array<int, 10> count{};
  for (std::int64_t i = 0; i < digits.count; ++i) {
    ++count[digits.labels[i]];
    const auto image = digits.image(i);
    EXPECT_GE(*std::ranges::max_element(image), 100) << "sample " << i;
    const auto bright = std::ranges::count_if(image, [](int pixel) { return pixel > 70; });
    EXPECT_GE(bright, 8) << "sample " << i;
    EXPECT_LE(bright, 400) << "sample " << i;
  }
  // Binomial: 500 expected, standard deviation 21.
  for (int of_class : count) EXPECT_NEAR(of_class, 500, 100);
}

TEST(Digits, TrainingAndTestNeverMeet) {
  const Datasets digits = make_digits(600, 300, 1);
  const Datasets more = make_digits(700, 300, 1);
  EXPECT_EQ(digits.train.name, "digits train");
  EXPECT_EQ(digits.test.images, more.test.images);
  EXPECT_TRUE(std::equal(digits.train.images.begin(), digits.train.images.end(),
                         more.train.images.begin()));
  std::set<std::string> images;
  for (const Dataset* part : {&digits.train, &digits.test}) {
    for (std::int64_t i = 0; i < part->count; ++i) {
      images.emplace(part->image(i).begin(), part->image(i).end());
    }
  }
  EXPECT_EQ(images.size(), 900u);
}

TEST(Digits, WrongCountsAreErrors) {
  EXPECT_EQ(draw_digits({.count = 0}).count, 0);
  expect_error([] { draw_digits({.count = -1}); }, {"got -1"});
  expect_error([] { make_digits(0, 1, 1); }, {"got 0"});
  expect_error([] { make_digits(1, (std::int64_t{1} << 32) + 1, 1); }, {"got 4294967297"});
}

TEST(Digits, EveryDigitHasStylesWithinTheSquare) {
  for (int digit = 0; digit < 10; ++digit) {
    EXPECT_GE(glyph_styles(digit).size(), 2u);
    for (const Glyph& glyph : glyph_styles(digit)) {
      for (const Stroke& stroke : glyph) {
        EXPECT_GE(stroke.points.size(), 2u);
        for (const Point point : stroke.points) {
          EXPECT_TRUE(point.x >= 0 && point.x <= 1 && point.y >= 0 && point.y <= 1) << digit;
        }
      }
    }
  }
  expect_error([] { glyph_styles(10); }, {"got 10"});
}

}  // namespace
}  // namespace adjoint

#include "tools/progress/progress.h"

#include <gtest/gtest.h>

#include <limits>

namespace adjoint {
namespace {

const ProgressState kHalf{.epoch = 2,
                          .epochs = 4,
                          .step = 50,
                          .steps = 100,
                          .loss = 0.25,
                          .accuracy = 0.925,
                          .samples_per_second = 43210,
                          .seconds_left = 65};

TEST(Progress, WritesDurationsForPeople) {
  EXPECT_EQ(human_duration(0), "0s");
  EXPECT_EQ(human_duration(59.4), "59s");
  EXPECT_EQ(human_duration(65), "1m 05s");
  EXPECT_EQ(human_duration(3725), "1h 02m");
  EXPECT_EQ(human_duration(std::numeric_limits<double>::quiet_NaN()), "--");
  EXPECT_EQ(human_duration(std::numeric_limits<double>::infinity()), "--");
}

TEST(Progress, WritesCountsForPeople) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(987), "987");
  EXPECT_EQ(human_count(12345), "12.3k");
  EXPECT_EQ(human_count(999.9), "1.0k");
  EXPECT_EQ(human_count(123456), "123k");
  EXPECT_EQ(human_count(2.5e9), "2.5G");
}

TEST(Progress, ALineSaysAll) {
  EXPECT_EQ(progress_line(kHalf),
            "step 50/100, epoch 2/4, loss 0.2500, accuracy 92.50 %, 1m 05s left, 43.2k samples/s");
}

TEST(Progress, WithoutClassesThereIsNoAccuracy) {
  ProgressState state = kHalf;
  state.accuracy = {};
  EXPECT_EQ(progress_line(state),
            "step 50/100, epoch 2/4, loss 0.2500, 1m 05s left, 43.2k samples/s");
}

TEST(Progress, SaysTheLossScaleWhereThereIsOne) {
  ProgressState state = kHalf;
  state.loss_scale = 65536;
  EXPECT_EQ(progress_line(state), progress_line(kHalf) + ", loss scale 65536");
  const ProgressStyle wide{.columns = 140, .unicode = false};
  EXPECT_EQ(progress_bar(state, wide), progress_bar(kHalf, wide) + "  loss scale 65536");
}

TEST(Progress, ABarFillsAsStepsPass) {
  const ProgressStyle plain{.columns = 120, .color = false, .unicode = false};
  EXPECT_EQ(progress_bar(kHalf, plain),
            "################................  50 %  epoch 2/4  loss 0.2500  accuracy 92.50 %  "
            "1m 05s left  43.2k samples/s");
  ProgressState state = kHalf;
  state.step = 0;
  EXPECT_EQ(progress_bar(state, plain).substr(0, 32), std::string(32, '.'));
  state.step = 100;
  EXPECT_EQ(progress_bar(state, plain).substr(0, 32), std::string(32, '#'));
  state.steps = 0;
  EXPECT_NE(progress_bar(state, plain).find("0 %"), std::string::npos);
}

TEST(Progress, ANarrowTerminalLosesTheLeastImportantFirst) {
  for (int columns = 0; columns < 120; ++columns) {
    const std::string bar = progress_bar(kHalf, {.columns = columns, .unicode = false});
    EXPECT_LE(static_cast<int>(bar.size()), std::max(0, columns - 1)) << columns;
  }
  const std::string narrow = progress_bar(kHalf, {.columns = 44, .unicode = false});
  EXPECT_NE(narrow.find("loss"), std::string::npos) << narrow;
  EXPECT_EQ(narrow.find("samples/s"), std::string::npos) << narrow;
}

TEST(Progress, OnlyAskedForColourIsThere) {
  EXPECT_EQ(progress_bar(kHalf, {.columns = 100}).find('\x1b'), std::string::npos);
  EXPECT_EQ(progress_bar(kHalf, {.columns = 100, .color = true}).find('\x1b'), 0u);
}

}  // namespace
}  // namespace adjoint

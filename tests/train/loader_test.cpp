#include "core/data/loader.h"

#include <gtest/gtest.h>

#include <set>

#include "base/expect_error.h"
#include "core/data/order.h"
#include "train/training.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

using test::expect_error;
using LoaderTest = DeviceTest;

constexpr std::size_t kStreamEverything = 0;

// All batches of an epoch, as the model sees them.
struct Epoch {
  std::vector<std::int64_t> sizes;
  std::vector<float> images;
  std::vector<std::int32_t> labels;
  bool operator==(const Epoch&) const = default;
};

template <class T>
void append(Context& context, std::vector<T>& to, const Buffer& from, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  copy_to_host(context.stream(), values.data(), from.data(), values.size() * sizeof(T));
  context.stream().synchronize();
  to.insert(to.end(), values.begin(), values.end());
}

Epoch load_epoch(Context& context, Loader& loader, std::uint64_t epoch,
                 std::int64_t at_most = 1 << 30) {
  const Buffer images = context.memory().allocate(
      static_cast<std::size_t>(loader.batch()) * 784 * sizeof(float), "test");
  const Buffer labels =
      context.memory().allocate(static_cast<std::size_t>(loader.batch()) * 4, "test");
  Epoch result;
  loader.begin_epoch(epoch);
  while (const std::int64_t n = loader.next_size()) {
    if (static_cast<std::int64_t>(result.sizes.size()) == at_most) break;
    loader.advance();
    loader.gather(Tensor(images.data(), DType::float32, {n, 1, 28, 28}),
                  Tensor(labels.data(), DType::int32, {n}));
    loader.batch_queued();
    result.sizes.push_back(n);
    append(context, result.images, images, n * 784);
    append(context, result.labels, labels, n);
  }
  return result;
}

TEST_F(LoaderTest, GivesEverySampleOnceNormalisedInTheOrderOfTheEpoch) {
  Context context;
  const auto data = small_digits(50);
  Loader loader(context, data,
                {.batch = 16, .seed = 9, .pixels = {.mean = 0.25, .deviation = 0.5}});
  EXPECT_TRUE(loader.resident());
  EXPECT_EQ(loader.batches(), 4);
  const Epoch epoch = load_epoch(context, loader, 2);
  EXPECT_EQ(epoch.sizes, (std::vector<std::int64_t>{16, 16, 16, 2}));
  std::vector<std::int32_t> order(50);
  shuffled_order(order, 9, 2);
  for (std::size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(loader.sample(static_cast<std::int64_t>(i / 16), static_cast<std::int64_t>(i % 16)),
              order[i]);
    EXPECT_EQ(epoch.labels[i], data->labels[std::size_t(order[i])]);
    for (std::size_t j = 0; j < 784; ++j) {
      const double pixel = data->image(order[i])[j] / 255.0;
      ASSERT_NEAR(epoch.images[i * 784 + j], (pixel - 0.25) / 0.5, 1e-6) << i << " " << j;
    }
  }
}

TEST_F(LoaderTest, StreamedBatchesAreThoseOfAResidentDataSetBitForBit) {
  for (const std::int64_t count : {7, 64, 150}) {
    for (const int threads : {1, 3}) {
      Context context;
      LoaderOptions options{.batch = 16, .seed = 4, .pixels = {.mean = 0.3, .deviation = 0.7}};
      Loader resident(context, small_digits(count), options);
      options.resident_bytes = kStreamEverything;
      options.threads = threads;
      Loader streamed(context, small_digits(count), options);
      EXPECT_FALSE(streamed.resident());
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch)
        EXPECT_EQ(load_epoch(context, streamed, epoch), load_epoch(context, resident, epoch))
            << count << " samples, " << threads << " threads, epoch " << epoch;
    }
  }
}

TEST_F(LoaderTest, AnEpochMayBeLeftInItsMidst) {
  Context context;
  LoaderOptions options{.batch = 8, .seed = 4};
  Loader resident(context, small_digits(100), options);
  options.resident_bytes = kStreamEverything;
  Loader streamed(context, small_digits(100), options);
  for (const std::int64_t batches : {0, 1, 5}) {
    load_epoch(context, streamed, 1, batches);
    EXPECT_EQ(load_epoch(context, streamed, 2), load_epoch(context, resident, 2)) << batches;
  }
}

TEST_F(LoaderTest, WithoutShufflingKeepsTheOrderOfTheData) {
  Context context;
  const auto data = small_digits(20);
  Loader loader(context, data, {.batch = 64, .shuffle = false});
  EXPECT_EQ(loader.batch(), 20) << "a batch is no larger than the data";
  EXPECT_EQ(load_epoch(context, loader, 5).labels, data->labels);
}

TEST_F(LoaderTest, RefusesWhatItCannotLoad) {
  Context context;
  auto empty = std::make_shared<Dataset>();
  empty->name = "nothing";
  expect_error([&] { Loader(context, empty, {}); }, {"nothing", "no samples"});
  expect_error([&] { Loader(context, small_digits(4), {.batch = 0}); }, {"batch"});
  Loader loader(context, small_digits(4), {.batch = 4});
  load_epoch(context, loader, 0);
  expect_error([&] { loader.advance(); }, {"the epoch is over"});
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND

#include "core/data/loader/loader.h"

#include <gtest/gtest.h>

#include <set>

#include "core/data/loader/order.h"
#include "core/samples/random.h"
#include "core/samples/statistics.h"
#include "support/expect_error.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
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
    loader.gather(
        std::vector<BatchTensor>{{"input", Tensor(images.data(), DType::float32, {n, 1, 28, 28})},
                                 {"target", Tensor(labels.data(), DType::int32, {n})}});
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

// ---- tables

// Numbers of no pattern, among them the smallest and a negative zero.
std::shared_ptr<const Dataset> small_table(std::int64_t count, std::int64_t width,
                                           std::int64_t outputs) {
  auto data = std::make_shared<Dataset>();
  data->name = "table";
  data->count = count;
  data->type = DType::float32;
  data->sample = {width};
  data->outputs = outputs;
  SampleRandom random(8, 0);
  const auto draw = [&](std::int64_t numbers) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < numbers; ++i)
      values.push_back(static_cast<float>(random.uniform(-1e3, 1e3)));
    return values;
  };
  data->features = draw(count * width);
  data->features[0] = 1e-45f;
  data->targets = draw(count * outputs);
  return data;
}

// Features and targets of all batches of an epoch.
std::pair<std::vector<float>, std::vector<float>> load_table(Context& context, Loader& loader,
                                                             const Dataset& data,
                                                             std::uint64_t epoch) {
  const std::int64_t width = data.sample_size(), outputs = data.outputs;
  const auto allocate = [&](std::int64_t columns) {
    return context.memory().allocate(
        static_cast<std::size_t>(loader.batch() * columns) * sizeof(float), "test");
  };
  const Buffer features = allocate(width), targets = allocate(outputs);
  std::pair<std::vector<float>, std::vector<float>> result;
  loader.begin_epoch(epoch);
  while (const std::int64_t n = loader.next_size()) {
    loader.advance();
    std::vector<BatchTensor> batch{{"input", Tensor(features.data(), DType::float32, {n, width})}};
    if (outputs > 0)
      batch.push_back({"target", Tensor(targets.data(), DType::float32, {n, outputs})});
    loader.gather(batch);
    loader.batch_queued();
    append(context, result.first, features, n * width);
    if (outputs > 0) append(context, result.second, targets, n * outputs);
  }
  return result;
}

TEST_F(LoaderTest, TablesComeAsTheyAreStreamedOrNot) {
  for (const std::int64_t width : {1, 3, 16}) {
    for (const std::int64_t outputs : {0, 1, 5}) {
      Context context;
      const auto data = small_table(150, width, outputs);
      LoaderOptions options{.batch = 16, .seed = 4};
      Loader resident(context, data, options);
      EXPECT_TRUE(resident.resident());
      options.resident_bytes = kStreamEverything;
      options.threads = 2;
      Loader streamed(context, data, options);
      EXPECT_FALSE(streamed.resident());
      for (std::uint64_t epoch = 1; epoch < 3; ++epoch) {
        const auto loaded = load_table(context, resident, *data, epoch);
        EXPECT_EQ(load_table(context, streamed, *data, epoch), loaded) << width << " " << outputs;
        std::vector<std::int32_t> order(150);
        shuffled_order(order, 4, epoch);
        for (std::size_t i = 0; i < order.size(); ++i) {
          EXPECT_TRUE(std::ranges::equal(data->row(order[i]),
                                         std::span(loaded.first).subspan(i * width, width)));
          EXPECT_TRUE(std::ranges::equal(
              std::span(data->targets).subspan(std::size_t(order[i] * outputs), outputs),
              std::span(loaded.second).subspan(i * outputs, outputs)));
        }
      }
    }
  }
}

// 900 samples of one class and 100 of another, drawn alike.
TEST_F(LoaderTest, BalancedSamplesComeEquallyOften) {
  Context context;
  auto data = std::make_shared<Dataset>(*small_digits(1000));
  for (std::int64_t i = 0; i < 1000; ++i) data->labels[std::size_t(i)] = i % 10 == 0 ? 1 : 0;
  data->classes = 2;
  LoaderOptions options{.batch = 100, .seed = 2, .weights = balanced_sample_weights(*data)};
  Loader resident(context, data, options);
  options.resident_bytes = kStreamEverything;
  Loader streamed(context, data, options);
  std::int64_t rare = 0;
  std::set<std::int64_t> seen;
  for (std::uint64_t epoch = 1; epoch <= 4; ++epoch) {
    const Epoch loaded = load_epoch(context, resident, epoch);
    EXPECT_EQ(loaded.sizes.size(), 10u) << "an epoch is as long as without";
    EXPECT_EQ(load_epoch(context, streamed, epoch), loaded);
    rare += std::ranges::count(loaded.labels, 1);
    for (std::int64_t i = 0; i < 1000; ++i) seen.insert(resident.sample(i / 100, i % 100));
  }
  // Binomial: 2000 expected, standard deviation 32.
  EXPECT_NEAR(static_cast<double>(rare), 2000, 130);
  // All of the 100, nearly nine tenths of the 900: 1 - exp(-2000 / 900).
  EXPECT_NEAR(static_cast<double>(seen.size()), 100 + 900 * 0.89, 50);
}

TEST_F(LoaderTest, RefusesWhatItCannotLoad) {
  Context context;
  auto empty = std::make_shared<Dataset>();
  empty->name = "nothing";
  expect_error([&] { Loader(context, empty, {}); }, {"nothing", "no samples"});
  expect_error([&] { Loader(context, small_digits(4), {.batch = 0}); }, {"batch"});
  expect_error(
      [&] {
        Loader(context, small_digits(4), {.pixels = {0, 1e-300}});
      },
      {"digits", "beyond float32", "deviation"});
  expect_error(
      [&] {
        Loader(context, small_digits(4), {.weights = {1, 2}});
      },
      {"a weight for each of 4 samples"});
  expect_error(
      [&] {
        Loader(context, small_digits(2), {.shuffle = false, .weights = {1, 2}});
      },
      {"to be shuffled"});
  Loader loader(context, small_digits(4), {.batch = 4});
  load_epoch(context, loader, 0);
  expect_error([&] { loader.advance(); }, {"the epoch is over"});
}

TEST_F(LoaderTest, GivesFurtherArraysByTheirNames) {
  const auto bytes_of = [](const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  constexpr std::int64_t kSamples = 70, kBatch = 16;
  auto data = std::make_shared<Dataset>(*small_table(kSamples, 2, 0));
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> mask;
  for (std::int32_t i = 0; i < kSamples * 3; ++i) {
    tokens.push_back(i % 2 == 0 ? i : INT32_MIN + i);  // bits that are no floating numbers
    mask.push_back(static_cast<std::uint8_t>(i));
  }
  data->arrays = {
      {"tokens", DType::int32, {3}, true, bytes_of(tokens)},
      {"mask", DType::uint8, {3, 1, 1}, true, bytes_of(mask)},
      {"table", DType::float32, {2, 2}, false, bytes_of(std::vector<float>{1, 2, 3, 4})}};
  check_dataset(*data);
  for (const std::size_t resident : {std::size_t{1} << 30, kStreamEverything}) {
    Context context;
    Loader loader(context, data, {.batch = kBatch, .seed = 3, .resident_bytes = resident});
    EXPECT_EQ(loader.fields().size(), 4u);
    const auto buffer = [&](std::int64_t count) {
      return context.memory().allocate(static_cast<std::size_t>(count) * 4, "test");
    };
    const Buffer to_tokens = buffer(kBatch * 3), to_mask = buffer(kBatch * 3), to_table = buffer(4);
    loader.begin_epoch(1);
    for (std::int64_t b = 0; loader.next_size() > 0; ++b) {
      const std::int64_t n = loader.next_size();
      loader.advance();
      const std::vector<BatchTensor> batch{
          {"mask", Tensor(to_mask.data(), DType::float32, {n, 3, 1, 1})},
          {"table", Tensor(to_table.data(), DType::float32, {2, 2})},
          {"tokens", Tensor(to_tokens.data(), DType::int32, {n, 3})}};
      loader.gather(batch);
      loader.batch_queued();
      std::vector<std::int32_t> got_tokens;
      std::vector<float> got_mask, got_table;
      append(context, got_tokens, to_tokens, n * 3);
      append(context, got_mask, to_mask, n * 3);
      append(context, got_table, to_table, 4);
      EXPECT_EQ(got_table, (std::vector<float>{1, 2, 3, 4}));
      for (std::int64_t i = 0; i < n * 3; ++i) {
        const auto from = std::size_t(loader.sample(b, i / 3) * 3 + i % 3);
        ASSERT_EQ(got_tokens[std::size_t(i)], tokens[from]);
        ASSERT_FLOAT_EQ(got_mask[std::size_t(i)], float(mask[from]) / 255);
      }
    }
    loader.begin_epoch(2);
    loader.advance();
    const std::vector<BatchTensor> none{{"masc", Tensor(to_mask.data(), DType::float32, {1, 3})}};
    test::expect_error([&] { loader.gather(none); }, {"no array 'masc'"});
  }
}

TEST_F(LoaderTest, ChecksFurtherArrays) {
  const auto refused = [](const DataArray& array, std::initializer_list<std::string> parts) {
    Dataset data = *small_table(4, 2, 0);
    data.arrays = {array};
    test::expect_error([&] { check_dataset(data); }, parts);
  };
  const std::vector<std::byte> four(16);
  refused({"input", DType::int32, {}, true, four}, {"'input'", "expected names that differ"});
  refused({"mask", DType::int32, {2}, true, four}, {"'mask' has 4 numbers, expected 8"});
  refused({"mask", DType::float64, {}, true, four}, {"float64", "uint8, float32 or int32"});
  std::vector<std::byte> nan(16, std::byte{0xff});
  refused({"mask", DType::float32, {}, true, nan}, {"'mask', number 0", "finite"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

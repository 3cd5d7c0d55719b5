#include "core/data/readers/mnist.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/files.h"
#include "core/data/readers/idx.h"
#include "support/expect_error.h"
#include "support/gzip.h"
#include "support/scratch_folder.h"
#include "support/source_folder.h"

namespace adjoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::ScratchFolder;

Bytes idx_images(int count, int height, int width) {
  std::string file{0, 0, 8, 3, 0, 0, 0, char(count), 0, 0, 0, char(height), 0, 0, 0, char(width)};
  for (int i = 0; i < count * height * width; ++i) file.push_back(static_cast<char>(i));
  const auto bytes = as_bytes(file);
  return {bytes.begin(), bytes.end()};
}

Bytes idx_labels(std::initializer_list<int> labels) {
  Bytes file{std::byte{0}, std::byte{0}, std::byte{8}, std::byte{1}, {}, {}, {}};
  file.push_back(static_cast<std::byte>(labels.size()));
  for (int label : labels) file.push_back(static_cast<std::byte>(label));
  return file;
}

void write_small_mnist(const fs::path& folder) {
  fs::create_directories(folder);
  write_file_atomically(folder / "train-images-idx3-ubyte", idx_images(3, 2, 4));
  write_file_atomically(folder / "train-labels.idx1-ubyte.gz", test::gzip(idx_labels({7, 0, 9})));
  write_file_atomically(folder / "t10k-images.idx3-ubyte", idx_images(1, 2, 4));
  write_file_atomically(folder / "t10k-labels-idx1-ubyte.gz", test::gzip(idx_labels({5})));
}

TEST(Mnist, LoadsEverySpellingOfTheNames) {
  const ScratchFolder folder;
  write_small_mnist(folder / "mnist");
  // In the folder itself and one above it.
  for (const fs::path& path : {folder / "mnist", folder.path()}) {
    const Datasets mnist = load_mnist(path);
    EXPECT_EQ(mnist.train.count, 3);
    EXPECT_EQ(mnist.train.sample[1], 2);
    EXPECT_EQ(mnist.train.sample[2], 4);
    EXPECT_EQ(mnist.train.labels, (std::vector<std::int32_t>{7, 0, 9}));
    EXPECT_EQ(mnist.train.image(1)[0], 8);
    EXPECT_EQ(mnist.test.labels, (std::vector<std::int32_t>{5}));
  }
}

TEST(Mnist, MissingFoldersAndFilesAreNamed) {
  const ScratchFolder folder;
  expect_error([&] { load_mnist(folder / "none"); }, {"none' does not exist"});
  write_small_mnist(folder / "mnist");
  expect_error([&] { load_mnist(folder / "mnist/train-images-idx3-ubyte"); }, {"not a folder"});
  fs::remove(folder / "mnist/t10k-labels-idx1-ubyte.gz");
  expect_error([&] { load_mnist(folder / "mnist"); }, {"mnist'", "no t10k-labels-idx1-ubyte"});
}

TEST(Mnist, WrongContentIsNamed) {
  const ScratchFolder folder;
  write_small_mnist(folder.path());
  const fs::path labels = folder / "train-labels.idx1-ubyte.gz";
  write_file_atomically(labels, test::gzip(idx_labels({1, 2})));
  expect_error([&] { load_mnist(folder.path()); },
               {"train-images-idx3-ubyte' holds 3 images", "train-labels.idx1-ubyte.gz' 2 labels"});
  write_file_atomically(labels, idx_images(3, 2, 4));
  expect_error([&] { load_mnist(folder.path()); }, {"expected labels as uint8 of 1 dimension"});
  write_file_atomically(folder / "train-images-idx3-ubyte", idx_labels({1}));
  expect_error([&] { load_mnist(folder.path()); }, {"expected images as uint8 of 3 dimensions"});
  write_file_atomically(folder / "train-images-idx3-ubyte", idx_images(0, 2, 4));
  write_file_atomically(labels, idx_labels({}));
  expect_error([&] { load_mnist(folder.path()); }, {"empty"});
}

// Of whole numbers of any type: the format's code, and big-endian bytes.
Bytes idx_of(int code, int size, std::initializer_list<int> labels) {
  Bytes file{std::byte{0}, std::byte{0}, std::byte(code), std::byte{1}, {}, {}, {}};
  file.push_back(static_cast<std::byte>(labels.size()));
  for (const int label : labels)
    for (int i = size; i-- > 0;) file.push_back(static_cast<std::byte>(label >> (8 * i)));
  return file;
}

TEST(Mnist, TakesSizeAndClassesFromTheFiles) {
  const ScratchFolder folder;
  write_small_mnist(folder.path());
  EXPECT_EQ(load_mnist(folder.path()).train.sample, (Shape{1, 2, 4}));
  EXPECT_EQ(load_mnist(folder.path()).train.classes, 10);
  const fs::path labels = folder / "train-labels.idx1-ubyte.gz";
  write_file_atomically(labels, idx_labels({1, 46, 2}));
  EXPECT_EQ(load_mnist(folder.path()).train.classes, 47) << "as EMNIST has them";
  EXPECT_EQ(load_mnist(folder.path()).test.classes, 47);
  write_file_atomically(labels, idx_labels({1, 0, 2}));
  EXPECT_EQ(load_mnist(folder.path()).train.classes, 10) << "a small file may lack a digit";
  EXPECT_EQ(load_mnist(folder.path(), {.least_classes = 0}).train.classes, 6) << "5 is in the test";
  // With channels.
  Bytes colors = idx_images(3, 2, 4);
  colors[3] = std::byte{4};
  for (const int byte : {2, 0, 0, 0}) colors.insert(colors.begin() + 8, std::byte(byte));
  colors[7] = std::byte{3};
  colors[11] = std::byte{2};
  colors.insert(colors.end(), 24, std::byte{9});
  write_file_atomically(folder / "train-images-idx3-ubyte", colors);
  expect_error([&] { load_mnist(folder.path()); },
               {"training images are [2, 2, 4] but test images [1, 2, 4]"});
}

TEST(Mnist, LabelsMayBeAnyWholeNumbersAndIgnored) {
  const ScratchFolder folder;
  write_small_mnist(folder.path());
  const fs::path labels = folder / "train-labels.idx1-ubyte.gz";
  const auto load = [&](const Bytes& file, std::int32_t ignored) {
    write_file_atomically(labels, file);
    return load_mnist(folder.path(), {.least_classes = 0, .ignored_label = ignored}).train;
  };
  const std::vector<std::int32_t> one{7, -1, 9}, hundred{7, -100, 9};
  EXPECT_EQ(load(idx_of(9, 1, {7, -1, 9}), -1).labels, one);
  EXPECT_EQ(load(idx_of(11, 2, {7, -1, 9}), -1).labels, one);
  EXPECT_EQ(load(test::gzip(idx_of(12, 4, {7, -100, 9})), -100).labels, hundred);
  const Dataset byte = load(idx_labels({7, 255, 9}), 255);
  EXPECT_EQ(byte.labels, (std::vector<std::int32_t>{7, 255, 9}));
  EXPECT_EQ(byte.classes, 10) << "255 is none";
  EXPECT_EQ(byte.ignored_label, 255);
  expect_error(
      [&] {
        load(idx_of(9, 1, {7, -1, 9}), -100);
      },
      {"mnist train: sample 1 has label -1", "or -100"});
  expect_error([&] { load(idx_of(12, 4, {7, 1 << 30, 9}), -1); }, {"a label of 1073741824"});
}

/// FNV-1a over header and pixels: the published md5 sums were checked against it once.
std::uint64_t checksum(const fs::path& path) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (std::byte byte : gunzip(read_file(path), 1u << 30, path.string())) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
  }
  return hash;
}

fs::path real_mnist() { return data_folder() / "mnist"; }

TEST(Mnist, ReadsTheRealFiles) {
  const fs::path folder = real_mnist();
  if (!fs::exists(folder)) {
    GTEST_SKIP() << "no MNIST in " << folder << "; set ADJOINT_DATA to the folder above mnist";
  }
  const Datasets mnist = load_mnist(folder);
  EXPECT_EQ(mnist.train.count, 60000);
  EXPECT_EQ(mnist.test.count, 10000);
  EXPECT_EQ(mnist.train.sample_size(), 784);
  EXPECT_EQ(std::vector(mnist.train.labels.begin(), mnist.train.labels.begin() + 8),
            (std::vector<std::int32_t>{5, 0, 4, 1, 9, 2, 1, 3}));
  EXPECT_EQ(std::vector(mnist.test.labels.begin(), mnist.test.labels.begin() + 8),
            (std::vector<std::int32_t>{7, 2, 1, 0, 4, 1, 4, 9}));
  EXPECT_NEAR(pixel_statistics(mnist.train).mean, 0.1307, 5e-5);
  EXPECT_NEAR(pixel_statistics(mnist.train).deviation, 0.3081, 5e-5);
}

TEST(Mnist, TheRealFilesAreTheOnesPublished) {
  const fs::path folder = real_mnist();
  if (!fs::exists(folder / "train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "no packed MNIST in " << folder << "; set ADJOINT_DATA";
  }
  EXPECT_EQ(checksum(folder / "train-images-idx3-ubyte.gz"), 0xfb6e3c26051525edu);
  EXPECT_EQ(checksum(folder / "train-labels-idx1-ubyte.gz"), 0xeccab7a873f1ddf0u);
  EXPECT_EQ(checksum(folder / "t10k-images-idx3-ubyte.gz"), 0xfe068920776fd4bdu);
  EXPECT_EQ(checksum(folder / "t10k-labels-idx1-ubyte.gz"), 0xcf57c2e698f9fc9bu);
}

}  // namespace
}  // namespace adjoint

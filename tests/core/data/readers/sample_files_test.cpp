// Files for a trained model: every kind of file held against what the model's samples are.
#include "core/data/readers/sample_files.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/base/png.h"
#include "support/expect_error.h"
#include "support/gzip.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::dictionary;
using test::expect_error;
using test::npy;
using test::raw;
using test::ScratchFolder;

Dataset images() { return {.sample = {1, 2, 3}, .classes = 10}; }
Dataset table() {
  return {.type = DType::float32,
          .sample = {2},
          .feature_names = {"width", "height"},
          .classes = 2,
          .class_names = {"cat", "dog"}};
}
DataRecipe csv() { return {.name = "csv", .target = {"kind"}, .ignore = {"id"}}; }

std::string text_file(const ScratchFolder& scratch, const std::string& name,
                      const std::string& text) {
  write_file_atomically(scratch / name, std::string_view(text));
  return (scratch / name).string();
}
std::string byte_file(const ScratchFolder& scratch, const std::string& name, const Bytes& bytes) {
  write_file_atomically(scratch / name, std::span<const std::byte>(bytes));
  return (scratch / name).string();
}

TEST(Samples, PicturesAreFittedAndInverted) {
  const ScratchFolder scratch;
  const std::string file = (scratch / "a.png").string();
  write_png(file, {.height = 2, .width = 3, .pixels = {0, 50, 100, 150, 200, 255}});
  const Dataset found = read_samples(file, images(), {});
  EXPECT_EQ(found.count, 1);
  EXPECT_EQ(found.sample, (Shape{1, 2, 3}));
  EXPECT_EQ(found.images, (std::vector<std::uint8_t>{0, 50, 100, 150, 200, 255}));
  EXPECT_EQ(read_samples(file, images(), {}, {.invert = true}).images,
            (std::vector<std::uint8_t>{255, 205, 155, 105, 55, 0}));
  // What is put beside a smaller picture is black, inverted or not; a gray one serves as colour.
  write_png(file, {.height = 4, .width = 2, .pixels = std::vector<std::uint8_t>(8, 255)});
  EXPECT_EQ(read_samples(file, images(), {}, {.invert = true}).images,
            (std::vector<std::uint8_t>(6, 0)));
  Dataset color = images();
  color.sample = {3, 2, 1};
  EXPECT_EQ(read_samples(file, color, {}).images, std::vector<std::uint8_t>(6, 255));
  // Known by its content as well.
  std::filesystem::rename(file, scratch / "picture");
  EXPECT_EQ(read_samples((scratch / "picture").string(), images(), {}).count, 1);
  expect_error([&] { read_samples((scratch / "picture").string(), table(), csv()); },
               {"picture", "2 features of a table"});
  expect_error([&] { read_samples(text_file(scratch, "b.png", "a,b\n1,2\n"), images(), {}); },
               {"b.png", "not a PNG file"});
  expect_error([&] { read_samples(text_file(scratch, "b.jpg", "\xff\xd8\xff"), images(), {}); },
               {"b.jpg", "PNG, IDX nor NPY", "[1, 2, 3]"});
  expect_error([&] { read_samples(file, images(), {}); }, {"a.png"});  // it is gone
}

TEST(Samples, TablesCannotBeInverted) {
  const ScratchFolder scratch;
  const std::string file = text_file(scratch, "t.csv", "width,height\n1,2\n");
  expect_error([&] { read_samples(file, table(), csv(), {.invert = true}); },
               {"t.csv: nothing to invert", "2 features"});
}

TEST(Samples, ArraysHaveTheModelsShape) {
  const ScratchFolder scratch;
  const std::string two("\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl", 28);
  const auto bytes = as_bytes(two);
  const Dataset idx = read_samples(
      byte_file(scratch, "a.gz", test::gzip(Bytes(bytes.begin(), bytes.end()))), images(), {});
  EXPECT_EQ(idx.count, 2);
  EXPECT_EQ(idx.images[11], 'l');
  const auto array = [&](const std::string& type, const std::string& shape,
                         const std::string& elements) {
    return byte_file(scratch, "a.npy", npy(dictionary(type, shape), elements));
  };
  for (const std::string shape : {"(1, 2, 3)", "(2, 3)", "(1, 1, 2, 3)"})
    EXPECT_EQ(read_samples(array("|u1", shape, "abcdef"), images(), {}).count, 1) << shape;
  EXPECT_EQ(read_samples(array("|u1", "(2, 2, 3)", "abcdefghijkl"), images(), {}).count, 2);
  for (const std::string shape : {"(3, 2)", "(6,)", "(1, 2, 2)", "(0, 2, 3)", "()"}) {
    const std::string file = array("|u1", shape,
                                   shape == "(1, 2, 2)"   ? "abcd"
                                   : shape == "(0, 2, 3)" ? ""
                                   : shape == "()"        ? "a"
                                                          : "abcdef");
    expect_error([&] { read_samples(file, images(), {}); }, {"a.npy", "[1, 2, 3]"});
  }
  expect_error([&] { read_samples(array("<f4", "(2, 3)", std::string(24, '\0')), images(), {}); },
               {"a.npy", "float32", "bytes from 0 to 255"});

  const std::string numbers = raw<float>({1, 2, 3, 4});
  EXPECT_EQ(read_samples(array("<f4", "(2, 2)", numbers), table(), csv()).features,
            (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(read_samples(array("|u1", "(2,)", "\1\2"), table(), csv()).features,
            (std::vector<float>{1, 2}));
  expect_error([&] { read_samples(array("<f4", "(4,)", numbers), table(), csv()); },
               {"a.npy", "[2]"});
  expect_error(
      [&] {
        read_samples(array("<f4", "(1, 2)", raw<float>({1, NAN})), table(), csv());
      },
      {"a.npy"});
  const std::string zip =
      byte_file(scratch, "a.npz", test::zip_of("x.npy", npy(dictionary("<f4", "(2, 2)"), numbers)));
  EXPECT_EQ(read_samples(zip + ":x", table(), csv()).count, 2);
  expect_error([&] { read_samples(zip + ":y", table(), csv()); }, {"y"});
  expect_error([&] { read_samples(zip, table(), csv()); }, {"a.npz"});
  // One number a sample.
  Dataset one = table();
  one.sample = {1};
  one.feature_names = {"x"};
  EXPECT_EQ(read_samples(array("<f4", "(4,)", numbers), one, csv()).count, 4);
}

TEST(Samples, FurtherArraysLieInTheSameArchive) {
  const ScratchFolder scratch;
  Dataset two = table();
  two.arrays = {{.name = "meta", .shape = {1}},
                {.name = "scale", .type = DType::int32, .shape = {3}, .per_sample = false}};
  const Bytes x = npy(dictionary("<f4", "(2, 2)"), raw<float>({1, 2, 3, 4}));
  const Bytes one = npy(dictionary("<f4", "(2,)"), raw<float>({1, 2}));
  const Bytes meta = npy(dictionary("<f8", "(2,)"), raw<double>({5, 6}));
  const Bytes scale = npy(dictionary("<i8", "(3,)"), raw<std::int64_t>({7, 8, 9}));
  const auto archive = [&](std::vector<std::pair<std::string, Bytes>> arrays) {
    return byte_file(scratch, "a.npz", test::npz_of(arrays));
  };
  const auto floats = [](const DataArray& array) {
    std::vector<float> values(array.values.size() / 4);
    std::memcpy(values.data(), array.values.data(), array.values.size());
    return values;
  };

  std::string file = archive({{"x", x}, {"meta", meta}, {"scale", scale}});
  const Dataset found = read_samples(file + ":x", two, csv());
  ASSERT_EQ(found.arrays.size(), 2u);
  EXPECT_EQ(floats(found.arrays[0]), (std::vector<float>{5, 6}));
  EXPECT_TRUE(found.arrays[0].per_sample);
  EXPECT_FALSE(found.arrays[1].per_sample);
  EXPECT_EQ(found.arrays[1].values.size(), 12u);
  file = archive(
      {{"x", one}, {"meta", npy(dictionary("<f4", "(1,)"), raw<float>({5}))}, {"scale", scale}});
  EXPECT_EQ(read_samples(file + ":x", two, csv()).arrays[0].values.size(), 4u);

  file = archive({{"x", x}, {"scale", scale}});
  expect_error([&] { read_samples(file + ":x", two, csv()); }, {"a.npz", "'meta'"});
  file = archive({{"x", one}, {"meta", meta}, {"scale", scale}});
  expect_error([&] { read_samples(file + ":x", two, csv()); },
               {"a.npz:meta", "float64 [2]", "float32 [1] of each of 1 samples"});
  file = archive({{"x", x}, {"meta", meta}, {"scale", meta}});
  expect_error([&] { read_samples(file + ":x", two, csv()); },
               {"a.npz:scale", "float64 [2]", "int32 [3] of all samples"});
  expect_error([&] { read_samples(byte_file(scratch, "a.npy", x), two, csv()); },
               {"a.npy", "also takes 'meta'", "FILE.npz:ARRAY"});
}

TEST(Samples, TablesAreReadByTheNamesOfFeatures) {
  const ScratchFolder scratch;
  const auto read = [&](const std::string& text, DataRecipe recipe = csv(),
                        Dataset outline = table()) {
    return read_samples(text_file(scratch, "t.csv", text), outline, recipe);
  };
  const std::vector<float> want = {1, 2, 3, 4};
  EXPECT_EQ(read("width,height\n1,2\n3,4\n").features, want);
  // In another order, beside others: the target may be there, and even be text.
  EXPECT_EQ(read("id,height,kind,width\nx,2,cat,1\n,4,,3\n").features, want);
  expect_error([&] { read("width,hight\n1,2\n"); }, {"t.csv", "'height'", "did you mean 'hight'"});
  expect_error([&] { read("width,height\n1\n"); }, {"t.csv", "line 2"});
  expect_error([&] { read("width,height\n1,\n"); }, {"t.csv", "line 2", "height", "missing"});
  expect_error([&] { read("width,height\n1,tall\n"); }, {"t.csv", "line 2", "tall"});
  expect_error([&] { read("width,height\n"); }, {"t.csv", "no rows"});
  expect_error([&] { read(""); }, {"t.csv", "empty"});

  // Without a header: features alone, or all columns of the training file.
  DataRecipe bare = csv();
  bare.header = false;
  bare.target = {"0"};
  bare.ignore = {"3"};
  Dataset unnamed = table();
  unnamed.feature_names = {"1", "2"};
  EXPECT_EQ(read("1,2\n3,4\n", bare, unnamed).features, want);
  EXPECT_EQ(read("cat,1,2,x\ndog,3,4,y\n", bare, unnamed).features, want);
  expect_error([&] { read("1,2,3\n", bare, unnamed); }, {"t.csv", "3 columns", "takes 2 features"});
  expect_error([&] { read("1,2\n", bare, images()); }, {"t.csv", "a table", "[1, 2, 3]"});

  DataRecipe semicolons = csv();
  semicolons.separator = ';';
  EXPECT_EQ(read("width;height\n1;2\n3;4\n", semicolons).features, want);
  EXPECT_EQ(read_samples(text_file(scratch, "t.tsv", "width\theight\n1\t2\n3\t4\n"), table(), csv())
                .features,
            want);
}

}  // namespace
}  // namespace adjoint

// PNG files of every kind in and out, broken ones, and images that are made to fit.
#include "core/base/png.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::ScratchFolder;

// ---- files made by hand, after the standard

void append_number(Bytes& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(std::byte(value >> shift & 0xff));
}

void append_chunk(Bytes& file, const char* type, const Bytes& data) {
  append_number(file, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = file.size();
  for (int i = 0; i < 4; ++i) file.push_back(std::byte(type[i]));
  file.insert(file.end(), data.begin(), data.end());
  append_number(
      file, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(file.data() + begin),
                                             static_cast<uInt>(file.size() - begin))));
}

struct Header {
  std::uint32_t width, height;
  std::uint8_t bits, color;  // color: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA
  std::uint8_t interlaced = 0;
};

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(std::byte(value));
  return bytes;
}

// `rows` are the bytes of each row, of each pass where it is interlaced, without its filter's;
// `more` a chunk of that type before them.
Bytes png_file(const Header& header, const std::vector<std::vector<std::uint8_t>>& rows,
               const Bytes& palette = {}, const char* type = nullptr, const Bytes& more = {}) {
  Bytes file, data;
  for (const char c : std::string("\x89PNG\r\n\x1a\n")) file.push_back(std::byte(c));
  append_number(data, header.width);
  append_number(data, header.height);
  for (const std::uint8_t value :
       {header.bits, header.color, std::uint8_t{0}, std::uint8_t{0}, header.interlaced})
    data.push_back(std::byte(value));
  append_chunk(file, "IHDR", data);
  if (!palette.empty()) append_chunk(file, "PLTE", palette);
  if (type != nullptr) append_chunk(file, type, more);
  std::vector<Bytef> raw;
  for (const auto& row : rows) {
    raw.push_back(0);
    raw.insert(raw.end(), row.begin(), row.end());
  }
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes packed(size);
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, raw.data(),
           static_cast<uLong>(raw.size()));
  packed.resize(size);
  append_chunk(file, "IDAT", packed);
  append_chunk(file, "IEND", {});
  return file;
}

Image noise(std::int64_t channels, std::int64_t height, std::int64_t width) {
  Image image{.channels = channels, .height = height, .width = width};
  std::mt19937 engine(4);
  for (std::int64_t i = 0; i < channels * height * width; ++i)
    image.pixels.push_back(std::uint8_t(engine()));
  return image;
}

using Row = std::vector<std::uint8_t>;

Row gray(const Bytes& file, std::uint8_t background = 0) {
  return parse_png(file, "x.png", {.channels = 1, .background = background}).pixels;
}
Row colors(const Bytes& file, std::uint8_t background = 0) {
  return parse_png(file, "x.png", {.channels = 3, .background = background}).pixels;
}

TEST(Png, GoesToAFileAndBack) {
  const ScratchFolder scratch;
  for (const std::int64_t channels : {1, 3}) {
    const Image image = noise(channels, 7, 13);
    write_png(scratch / "x.png", image);
    const Image again = read_png(scratch / "x.png", {.channels = channels});
    EXPECT_EQ(again.height, 7);
    EXPECT_EQ(again.width, 13);
    EXPECT_EQ(again.pixels, image.pixels);
  }
  EXPECT_EQ(scratch.entries(), 1u);
  expect_error([&] { write_png(scratch / "no" / "x.png", noise(1, 2, 2)); }, {"x.png"});
  Image wrong = noise(1, 2, 2);
  wrong.width = 3;
  expect_error([&] { write_png(scratch / "y.png", wrong); }, {"y.png", "1 x 2 x 3"});
}

TEST(Png, EveryKindOfPixelIsRead) {
  EXPECT_EQ(gray(png_file({3, 1, 8, 0}, {{0, 100, 255}})), (Row{0, 100, 255}));
  EXPECT_EQ(gray(png_file({4, 1, 1, 0}, {{0b10100000}})), (Row{255, 0, 255, 0}));
  EXPECT_EQ(gray(png_file({2, 1, 16, 0}, {{0xff, 0xff, 0, 0}})), (Row{255, 0}));
  EXPECT_EQ(gray(png_file({2, 1, 8, 2}, {{80, 80, 80, 0, 0, 0}})), (Row{80, 0}));
  const Bytes palette{std::byte{9},   std::byte{9},   std::byte{9},
                      std::byte{200}, std::byte{200}, std::byte{200}};
  EXPECT_EQ(gray(png_file({2, 1, 8, 3}, {{1, 0}}, palette)), (Row{200, 9}));
  // Transparent, opaque: what shows is the background, the pixel.
  const Bytes clear = png_file({2, 1, 8, 4}, {{60, 0, 60, 255}});
  EXPECT_EQ(gray(clear), (Row{0, 60}));
  EXPECT_EQ(gray(clear, 255), (Row{255, 60}));
  // Green is brighter than blue, and colour keeps its order in planes.
  const Bytes color = png_file({2, 1, 8, 2}, {{0, 255, 0, 0, 0, 255}});
  EXPECT_GT(gray(color)[0], 2 * gray(color)[1]);
  EXPECT_EQ(parse_png(color, "x.png", {.channels = 3}).pixels, (Row{0, 0, 255, 0, 0, 255}));
}

// Pillow 12 and OpenCV 4.11 give these numbers; libpng's simplified reader takes 16 bits for linear
// light and mixes gray and transparency in it: 136, 186, 224; 126, 219, 76, 188.
TEST(Png, NumbersAreThoseOfOtherReaders) {
  EXPECT_EQ(gray(png_file({3, 1, 16, 0}, {{0x40, 0x40, 0x80, 0x80, 0xc0, 0xc0}})),
            (Row{64, 128, 192}));
  // v / 257, rounded: 127, 128 and 129 of 257.
  EXPECT_EQ(gray(png_file({3, 1, 16, 0}, {{0, 127, 0, 128, 0, 129}})), (Row{0, 0, 1}));
  EXPECT_EQ(colors(png_file({1, 1, 16, 2}, {{0x40, 0x40, 0x80, 0x80, 0xc0, 0xc0}})),
            (Row{64, 128, 192}));
  EXPECT_EQ(gray(png_file({4, 1, 8, 2}, {{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255}})),
            (Row{76, 150, 29, 255}));
  EXPECT_EQ(gray(png_file({1, 1, 8, 4}, {{255, 128}})), (Row{128}));
  EXPECT_EQ(gray(png_file({1, 1, 8, 6}, {{255, 255, 255, 128}})), (Row{128}));
  EXPECT_EQ(colors(png_file({1, 1, 8, 6}, {{255, 100, 0, 128}})), (Row{128, 50, 0}));
  EXPECT_EQ(colors(png_file({1, 1, 8, 6}, {{255, 100, 0, 128}}), 255), (Row{255, 177, 127}));
  EXPECT_EQ(gray(png_file({1, 1, 16, 6}, {{255, 255, 0, 0, 0, 0, 128, 128}})), (Row{38}));
}

TEST(Png, PalettesAndFewBitsAreNumbersToo) {
  const Bytes palette = bytes_of({255, 0, 0, 0, 255, 0, 0, 0, 255});
  EXPECT_EQ(gray(png_file({3, 1, 8, 3}, {{0, 1, 2}}, palette)), (Row{76, 150, 29}));
  EXPECT_EQ(gray(png_file({3, 1, 8, 3}, {{0, 1, 2}}, palette, "tRNS", bytes_of({0, 128}))),
            (Row{0, 75, 29}));
  EXPECT_EQ(gray(png_file({4, 1, 2, 0}, {{0b00011011}})), (Row{0, 85, 170, 255}));
  EXPECT_EQ(gray(png_file({2, 1, 4, 0}, {{0x3c}})), (Row{51, 204}));
  EXPECT_EQ(colors(png_file({2, 1, 4, 0}, {{0x3c}})), (Row{51, 204, 51, 204, 51, 204}));
  // One gray, one colour that is clear; of 16 bits all 16 count.
  EXPECT_EQ(gray(png_file({2, 1, 2, 0}, {{0b01100000}}, {}, "tRNS", bytes_of({0, 1})), 9),
            (Row{9, 170}));
  EXPECT_EQ(gray(png_file({2, 1, 16, 0}, {{1, 2, 1, 3}}, {}, "tRNS", bytes_of({1, 2})), 9),
            (Row{9, 1}));
}

TEST(Png, WhatAFileSaysOfColourSpacesChangesNoNumber) {
  const std::vector<Row> rows{{0, 64, 128, 255}};
  const Bytes linear = bytes_of({0, 1, 0x86, 0xa0}), display = bytes_of({0, 0, 0xb1, 0x8f});
  EXPECT_EQ(gray(png_file({4, 1, 8, 0}, rows, {}, "gAMA", linear)), rows[0]);
  EXPECT_EQ(gray(png_file({4, 1, 8, 0}, rows, {}, "gAMA", display)), rows[0]);
  EXPECT_EQ(gray(png_file({4, 1, 8, 0}, rows, {}, "sRGB", bytes_of({0}))), rows[0]);
  EXPECT_EQ(gray(png_file({1, 1, 16, 0}, {{0x40, 0x40}}, {}, "gAMA", linear)), (Row{64}));
  EXPECT_EQ(gray(png_file({4, 1, 8, 0}, rows, {}, "sBIT", bytes_of({3}))), rows[0]);
  EXPECT_EQ(gray(png_file({4, 1, 8, 0}, rows, {}, "bKGD", bytes_of({0, 200}))), rows[0]);
}

TEST(Png, InterlacedRowsFindTheirPlaces) {
  // 2 x 2: of Adam7's passes the first, the sixth and the seventh have pixels.
  EXPECT_EQ(gray(png_file({2, 2, 8, 0, 1}, {{1}, {2}, {3, 4}})), (Row{1, 2, 3, 4}));
  EXPECT_EQ(gray(png_file({2, 2, 8, 4, 1}, {{60, 255}, {70, 0}, {80, 255, 90, 0}})),
            (Row{60, 0, 80, 0}));
}

TEST(Png, BrokenFilesAreErrorsThatNameThem) {
  const Bytes whole = png_file({3, 2, 8, 0}, {{1, 2, 3}, {4, 5, 6}});
  ASSERT_EQ(parse_png(whole, "x.png").pixels, (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
  for (std::size_t size = 0; size < whole.size(); ++size)
    expect_error([&] { parse_png(std::span(whole).first(size), "x.png"); }, {"x.png", "PNG"});
  // A bit turned anywhere is found by a checksum; but for the end chunk's, which is not looked at.
  for (std::size_t i = 0; i < whole.size() - 4; ++i) {
    Bytes bent = whole;
    bent[i] ^= std::byte{0x10};
    expect_error([&] { parse_png(bent, "x.png"); }, {"x.png"});
  }
  expect_error([&] { parse_png(as_bytes("GIF89a, honestly"), "x.png"); },
               {"x.png", "not a PNG file"});
  // Rows that are not there.
  expect_error([&] { parse_png(png_file({3, 2, 8, 0}, {{1, 2, 3}}), "x.png"); }, {"x.png"});
}

TEST(Png, ALyingHeaderTakesNoMemory) {
  expect_error(
      [] {
        parse_png(png_file({70000, 70000, 8, 0}, {{1}}), "x.png");
      },
      {"x.png", "70000 x 70000", "67108864"});
  const Bytes file = png_file({3, 2, 8, 0}, {{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(parse_png(file, "x.png", {.most_pixels = 6}).pixels.size(), 6u);
  expect_error([&] { parse_png(file, "x.png", {.most_pixels = 5}); },
               {"x.png", "3 x 2", "at most 5"});
}

// libpng would take 1.9 GB for this text. (Found by tests/fuzz/png_fuzz.cpp.)
TEST(Png, AChunkLongerThanTheFileTakesNoMemory) {
  Bytes file = png_file({3, 1, 8, 0}, {{1, 2, 3}});
  Bytes text;
  append_chunk(text, "tEXt", {});
  text[0] = std::byte{0x74};
  file.insert(file.begin() + 8 + 25, text.begin(), text.end());
  expect_error([&] { parse_png(file, "x.png"); }, {"x.png", "ends before its last chunk"});
}

// ---- fitting

TEST(FitImage, LeavesItsSizeAsItIsAndCentresOthers) {
  const Image image = noise(3, 6, 5);
  EXPECT_EQ(fit_image(image, 6, 5).pixels, image.pixels);
  // Twice as wide as high, into a square: black above and below.
  const Image wide{
      .channels = 1, .height = 2, .width = 4, .pixels = std::vector<std::uint8_t>(8, 9)};
  const Image fitted = fit_image(wide, 8, 8);
  for (std::int64_t y = 0; y < 8; ++y)
    for (std::int64_t x = 0; x < 8; ++x)
      EXPECT_EQ(fitted.pixels[std::size_t(8 * y + x)], y >= 2 && y < 6 ? 9 : 0) << y << ", " << x;
  // And the other way, by an odd rest: one row of pixels more behind than before.
  const Image high{
      .channels = 1, .height = 5, .width = 1, .pixels = std::vector<std::uint8_t>(5, 7)};
  EXPECT_EQ(
      fit_image(high, 5, 4).pixels,
      (std::vector<std::uint8_t>{0, 7, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0}));
  // Very flat ones do not vanish.
  const Image line{
      .channels = 1, .height = 1, .width = 100, .pixels = std::vector<std::uint8_t>(100, 50)};
  const Image thin = fit_image(line, 10, 10);
  EXPECT_EQ(std::accumulate(thin.pixels.begin(), thin.pixels.end(), 0), 500);
}

// Against the definition, pixel by pixel: triangles in both directions.
TEST(FitImage, WeighsPixelsByTriangles) {
  const Image image = noise(1, 9, 6);
  for (const auto& [height, width] : {std::pair{18, 12}, {3, 2}, {6, 4}}) {
    const Image found = fit_image(image, height, width);
    const double scale = 9.0 / height, reach = std::max(scale, 1.0);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x) {
        double sum = 0, weights = 0;
        for (int v = 0; v < 9; ++v)
          for (int u = 0; u < 6; ++u) {
            const double dy = std::abs(v + 0.5 - (y + 0.5) * scale) / reach;
            const double dx = std::abs(u + 0.5 - (x + 0.5) * scale) / reach;
            const double weight = std::max(0.0, 1 - dy) * std::max(0.0, 1 - dx);
            sum += weight * image.pixels[std::size_t(6 * v + u)];
            weights += weight;
          }
        EXPECT_NEAR(found.pixels[std::size_t(width * y + x)], sum / weights, 0.5001);
      }
  }
}

TEST(FitImage, Inverts) {
  Image image{.channels = 1, .height = 1, .width = 3, .pixels = {0, 100, 255}};
  invert(image);
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{255, 155, 0}));
}

}  // namespace
}  // namespace adjoint

#include "core/train/files/safetensors.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::ScratchFolder;

/// A file with this header, unpadded, and `data` zero bytes behind it.
Bytes file(std::string_view header, std::size_t data = 0) {
  Bytes out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::byte>(header.size() >> (8 * i)));
  const auto bytes = as_bytes(header);
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + data);
  return out;
}

void expect_refused(const Bytes& bytes, std::initializer_list<std::string> parts) {
  expect_error([&] { SafetensorsFile::parse(bytes, "x.safetensors"); }, {"x.safetensors: "});
  expect_error([&] { SafetensorsFile::parse(bytes, "x.safetensors"); }, parts);
}

const std::array<float, 6> kWeight = {1, -2, 3, 4.5, 5, 6};
const std::array<std::uint8_t, 3> kMask = {1, 0, 255};

std::vector<SafetensorsEntry> entries() {
  return {{.name = "0.weight",
           .dtype = "F32",
           .shape = {2, 3},
           .bytes = std::as_bytes(std::span(kWeight))},
          {.name = "mask", .dtype = "U8", .shape = {3}, .bytes = std::as_bytes(std::span(kMask))},
          {.name = "none", .dtype = "BF16", .shape = {4, 0}},
          {.name = "scalar", .dtype = "F32", .bytes = std::as_bytes(std::span(kWeight)).first(4)}};
}

TEST(Safetensors, WritesAndReadsBack) {
  const ScratchFolder folder;
  write_safetensors(folder / "m", entries(), {{"recipe", "[train]\nsteps = 1"}, {"ö", "\"\\"}});
  const SafetensorsFile read = SafetensorsFile::read(folder / "m");
  EXPECT_EQ(read.metadata().at("recipe"), "[train]\nsteps = 1");
  EXPECT_EQ(read.metadata().at("ö"), "\"\\");
  ASSERT_EQ(read.tensors().size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const SafetensorsEntry written = entries()[i];
    const SafetensorsEntry& back = read.tensors()[i];
    EXPECT_EQ(back.name, written.name);
    EXPECT_EQ(back.dtype, written.dtype);
    EXPECT_EQ(back.shape, written.shape);
    EXPECT_TRUE(std::ranges::equal(back.bytes, written.bytes));
  }
  EXPECT_EQ(read.find("nothing"), nullptr);
  expect_error([&] { read.at("0.wieght"); }, {"no tensor '0.wieght'; did you mean '0.weight'?"});
}

TEST(Safetensors, TheBytesAreTheFormats) {
  const ScratchFolder folder;
  const std::array<std::uint8_t, 2> data = {7, 9};
  const SafetensorsEntry entry{
      .name = "a", .dtype = "U8", .shape = {2}, .bytes = std::as_bytes(std::span(data))};
  write_safetensors(folder / "m", std::span(&entry, 1));
  const std::string header = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  Bytes expected = file(header + std::string(padded - header.size(), ' '));
  expected.push_back(std::byte{7});
  expected.push_back(std::byte{9});
  EXPECT_EQ(read_file(folder / "m"), expected);
}

TEST(Safetensors, AnEmptyFileOfTheFormatIsFine) {
  EXPECT_TRUE(SafetensorsFile::parse(file("{}"), "x").tensors().empty());
  EXPECT_TRUE(SafetensorsFile::parse(file("{}   "), "x").tensors().empty());
  EXPECT_EQ(SafetensorsFile::parse(file(R"({"__metadata__":{"a":"b"}})"), "x").metadata().at("a"),
            "b");
}

TEST(Safetensors, OrderOfTheHeaderDoesNotMatter) {
  const auto read =
      SafetensorsFile::parse(file(R"({"b":{"data_offsets":[4,6],"dtype":"F16","shape":[1]},)"
                                  R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                                  6),
                             "x");
  EXPECT_EQ(read.tensors()[0].name, "a");
  EXPECT_EQ(read.at("b").bytes.data(), read.at("a").bytes.data() + 4);
}

// Time must grow with the number of tensors, not with its square, which CTest's time limit would
// end.
TEST(Safetensors, ManyTensorsAreReadAndWrittenInTime) {
  std::vector<std::string> names;
  for (int i = 0; i < 200'000; ++i) names.push_back(std::to_string(i));
  std::vector<SafetensorsEntry> tensors;
  for (const std::string& name : names)
    tensors.push_back({.name = name, .dtype = "U8", .shape = {0}});
  const ScratchFolder folder;
  write_safetensors(folder / "many", tensors);
  EXPECT_EQ(SafetensorsFile::read(folder / "many").tensors().size(), names.size());
}

TEST(Safetensors, MovingKeepsTheEntries) {
  SafetensorsFile first = SafetensorsFile::parse(
      file(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3), "x");
  const SafetensorsFile second = std::move(first);
  EXPECT_EQ(second.at("a").bytes.size(), 3u);
  EXPECT_EQ(second.at("a").bytes[2], std::byte{0});
}

TEST(Safetensors, BrokenHeadersAreRefused) {
  expect_refused({}, {"truncated: 0 bytes"});
  expect_refused(Bytes(7), {"truncated"});
  expect_refused(Bytes(8), {"must begin with {"});
  Bytes huge = file("{}");
  huge[7] = std::byte{0x80};
  expect_refused(huge, {"claims a header of 9223372036854775810"});
  Bytes beyond = file("{}");
  beyond[0] = std::byte{3};
  expect_refused(beyond, {"truncated: a header of 3 bytes, but only 2"});
  expect_refused(file(" {}"), {"must begin with {"});
  expect_refused(file("[]"), {"must begin with {"});
  expect_refused(file("{"), {"corrupt header"});
  expect_refused(file("{} x"), {"corrupt header"});
  expect_refused(file(std::string_view("{}\0", 3)), {"corrupt header"});
  expect_refused(file("{\"\xff\":1}"), {"corrupt header", "UTF-8"});
  expect_refused(file(R"({"\ud800":1})"), {"corrupt header"});
  expect_refused(file("{\"a\":" + std::string(100000, '[')), {"nested deeper"});
}

TEST(Safetensors, WrongMembersAreRefused) {
  expect_refused(file(R"({"a":1})"), {"tensor 'a'", "not an object"});
  expect_refused(file(R"({"a":{}})"), {"no dtype"});
  expect_refused(file(R"({"a":{"dtype":1}})"), {"dtype is not text"});
  expect_refused(file(R"({"a":{"dtype":"F32"}})"), {"no shape"});
  expect_refused(file(R"({"a":{"dtype":"F32","shape":3}})"), {"shape is not a list"});
  expect_refused(file(R"({"a":{"dtype":"F32","shape":[1]}})"), {"no data_offsets"});
  expect_refused(file(R"({"__metadata__":[]})"), {"__metadata__ is not an object"});
  expect_refused(file(R"({"__metadata__":{"a":1}})"), {"'a' is not text"});
  const auto with = [](std::string dtype, std::string shape, std::string offsets) {
    return file(R"({"a":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" +
                    offsets + "]}}",
                8);
  };
  EXPECT_EQ(SafetensorsFile::parse(with("F32", "2", "0,8"), "x").tensors().size(), 1u);
  expect_refused(with("F31", "2", "0,8"), {"unknown dtype 'F31'"});
  expect_refused(with("F32", "-2", "0,8"), {"not a size"});
  expect_refused(with("F32", "2.0", "0,8"), {"not a size"});
  expect_refused(with("F32", "[2]", "0,8"), {"nested deeper"});
  expect_refused(with("F32", "18446744073709551615", "0,8"), {"not a size"});
  expect_refused(with("F32", "4294967296,2147483648", "0,8"), {"more elements"});
  expect_refused(with("F32", "2", "0"), {"not a begin and an end"});
  expect_refused(with("F32", "2", "0,4,8"), {"not a begin and an end"});
  expect_refused(with("F32", "2", "8,0"), {"not a begin and an end"});
  expect_refused(with("F32", "3", "0,8"), {"8 bytes, but dtype and shape make 12"});
  expect_refused(with("F32", "4", "0,16"), {"truncated", "16 bytes, but only 8"});
  expect_refused(with("F32", "1", "0,4"), {"4 bytes behind the last tensor"});
  expect_refused(with("F32", "1", "4,8"), {"hole of 4 bytes"});
}

TEST(Safetensors, DuplicatesOverlapsAndHolesAreRefused) {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  expect_refused(file("{" + a + "," + a + "}", 4), {"'a' is given twice"});
  expect_refused(file(R"({"a":{"dtype":"U8","dtype":"U8"}})"), {"'dtype' is given twice"});
  const std::string overlap = R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]})";
  expect_refused(file("{" + a + "," + overlap + "}", 6), {"'b' overlaps", "by 2 bytes"});
  const std::string hole = R"("b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]})";
  expect_refused(file("{" + a + "," + hole + "}", 6), {"'b' leaves a hole of 1 bytes"});
}

TEST(Safetensors, ControlCharactersDoNotReachTheMessage) {
  try {
    SafetensorsFile::parse(file(R"({"\u001b[31m":1})"), "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
  }
}

TEST(Safetensors, DamageIsRefusedOrHarmlessButNeverACrash) {
  const ScratchFolder folder;
  write_safetensors(folder / "m", entries(), {{"k", "v"}});
  const Bytes whole = read_file(folder / "m");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    expect_refused(cut, {});
  }
  int accepted = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      Bytes damaged = whole;
      damaged[i] ^= static_cast<std::byte>(flip);
      try {
        const SafetensorsFile parsed = SafetensorsFile::parse(std::move(damaged), "x");
        // Whatever was accepted must lie inside the file: touch all of it.
        std::size_t sum = 0;
        for (const SafetensorsEntry& entry : parsed.tensors()) {
          for (std::byte byte : entry.bytes) sum += std::to_integer<std::size_t>(byte);
        }
        EXPECT_LE(sum, whole.size() * 255);
        ++accepted;
      } catch (const Error&) {
      }
    }
  }
  // Names and contents may change unseen, the structure may not.
  EXPECT_GT(accepted, 0);
}

TEST(Safetensors, TheWriterRefusesWhatItCouldNotRead) {
  const ScratchFolder folder;
  const auto write = [&](std::vector<SafetensorsEntry> tensors, SafetensorsMetadata metadata = {}) {
    write_safetensors(folder / "m", tensors, metadata);
  };
  const SafetensorsEntry good = entries()[1];
  SafetensorsEntry bad = good;
  expect_error([&] { write({good, good}); }, {"'mask': the name is given twice"});
  bad.name = "__metadata__";
  expect_error([&] { write({bad}); }, {"reserved"});
  bad.name = "\xff";
  expect_error([&] { write({bad}); }, {"not UTF-8"});
  expect_error([&] { write({good}, {{"k", "\xff"}}); }, {"not UTF-8"});
  bad = good;
  bad.dtype = "F31";
  expect_error([&] { write({bad}); }, {"unknown dtype"});
  bad = good;
  bad.shape = {4};
  expect_error([&] { write({bad}); }, {"3 bytes given, but dtype and shape make 4"});
  bad.shape = {-3};
  expect_error([&] { write({bad}); }, {"negative"});
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(Safetensors, AFullDiskLeavesTheOldModel) {
  const ScratchFolder folder;
  write_safetensors(folder / "m", entries());
  const Bytes before = read_file(folder / "m");
  const Bytes large(1 << 16);
  const SafetensorsEntry entry{.name = "large", .dtype = "U8", .shape = {1 << 16}, .bytes = large};
  {
    const test::FileSizeLimit limit(8192);
    expect_error([&] { write_safetensors(folder / "m", std::span(&entry, 1)); },
                 {"free some space"});
  }
  EXPECT_EQ(read_file(folder / "m"), before);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Safetensors, NamesOfOurTypes) {
  for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::float16,
                            DType::int32, DType::uint8}) {
    EXPECT_EQ(dtype_from_safetensors(safetensors_dtype(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_safetensors("I64"), std::nullopt);
}

}  // namespace
}  // namespace adjoint

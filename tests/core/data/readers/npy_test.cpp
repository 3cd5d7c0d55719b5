#include "core/data/readers/npy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/expect_error.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::dictionary;
using test::expect_error;
using test::npy;
using test::raw;
using test::ScratchFolder;
using test::zip_of;
using Floats = std::vector<float>;
using Integers = std::vector<std::int32_t>;

const Bytes kSmall = npy(dictionary("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}));

void expect_refused(const Bytes& file, std::initializer_list<std::string> parts) {
  expect_error([&] { parse_npy(file, "a.npy"); }, {"a.npy"});
  expect_error([&] { parse_npy(file, "a.npy"); }, parts);
}

TEST(Npy, ReadsEveryVersion) {
  for (const int version : {1, 2, 3}) {
    const NpyArray array =
        parse_npy(npy(dictionary("<f4", "(3,)"), raw<float>({1, 2, 3}), version), "x");
    EXPECT_EQ(array.dims, (std::vector<std::int64_t>{3}));
    EXPECT_EQ(to_floats(array, "x"), (Floats{1, 2, 3}));
  }
  expect_refused(npy(dictionary("<f4", "(1,)"), raw<float>({1}), 4), {"version 4"});
}

template <class T>
void expect_type(const std::string& code, std::initializer_list<T> values, const Floats& wanted) {
  for (const bool big : {false, true}) {
    const std::string type = (sizeof(T) == 1 ? "|" : big ? ">" : "<") + code;
    const std::string shape = "(" + std::to_string(values.size()) + ",)";
    const NpyArray array = parse_npy(npy(dictionary(type, shape), raw<T>(values, big)), type);
    EXPECT_EQ(to_floats(array, type), wanted) << type;
  }
}

TEST(Npy, ReadsEveryTypeInEitherByteOrder) {
  expect_type<std::int8_t>("i1", {-1, 127}, {-1, 127});
  expect_type<std::int16_t>("i2", {-2, 258}, {-2, 258});
  expect_type<std::int32_t>("i4", {-3, 65536}, {-3, 65536});
  expect_type<std::int64_t>("i8", {-4, 1LL << 40}, {-4, 1099511627776.0f});
  expect_type<std::uint8_t>("u1", {0, 255}, {0, 255});
  expect_type<std::uint16_t>("u2", {1, 65535}, {1, 65535});
  expect_type<std::uint32_t>("u4", {1, 4294967295u}, {1, 4294967296.0f});
  expect_type<std::uint64_t>("u8", {1, 1ULL << 63}, {1, 9223372036854775808.0f});
  expect_type<std::uint16_t>("f2", {0x3c00, 0xc100, 0x0001}, {1, -2.5f, 0x1p-24f});
  expect_type<float>("f4", {1.5f, -2.5f}, {1.5f, -2.5f});
  expect_type<double>("f8", {0.1, 1e-300}, {0.1f, 0.0f});
  expect_type<std::uint8_t>("b1", {0, 1}, {0, 1});
}

// As NumPy 2.4 writes numpy.asfortranarray(numpy.arange(6, dtype='>i2').reshape(2, 3)).
TEST(Npy, ReadsFortranOrder) {
  const std::string elements("\0\0\0\3\0\1\0\4\0\2\0\5", 12);
  const NpyArray array = parse_npy(npy(dictionary(">i2", "(2, 3)", "True"), elements), "x");
  EXPECT_EQ(to_floats(array, "x"), (Floats{0, 1, 2, 3, 4, 5}));
  // Element [i, j, k] of 2 x 3 x 4 is 100 i + 10 j + k.
  std::string cube;
  Floats wanted;
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) cube += static_cast<char>(100 * i + 10 * j + k);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) wanted.push_back(static_cast<float>(100 * i + 10 * j + k));
  EXPECT_EQ(to_floats(parse_npy(npy(dictionary("|u1", "(2, 3, 4)", "True"), cube), "x"), "x"),
            wanted);
}

TEST(Npy, ReadsOtherSpellingsOfTheHeader) {
  const std::string one = raw<float>({7});
  for (const std::string& text :
       {std::string("{\"shape\":(1,),\"fortran_order\":False,\"descr\":\"=f4\"}"),
        dictionary("<f4", "()"), dictionary("<f4", "(1, 1, 1)")})
    EXPECT_EQ(to_floats(parse_npy(npy(text, one), "x"), "x"), (Floats{7})) << text;
  EXPECT_TRUE(parse_npy(npy(dictionary("<f8", "(0, 999999999999)"), ""), "x").bytes.empty());
}

TEST(Npy, EveryTruncationIsAnError) {
  for (std::size_t size = 0; size < kSmall.size(); ++size)
    expect_refused(Bytes(kSmall.begin(), kSmall.begin() + static_cast<std::ptrdiff_t>(size)),
                   {"truncated"});
  Bytes longer = kSmall;
  longer.resize(longer.size() + 2, std::byte{1});
  expect_refused(longer, {"2 bytes too long"});
}

// numpy.save of Python 2 under `from __future__ import unicode_literals`, and without.
TEST(Npy, ReadsWhatPython2Writes) {
  for (const char* text : {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
                           "{u'descr': u'<f4', u'fortran_order': False, u'shape': (2L, 3L), }",
                           "{u\"descr\": '<f4', 'fortran_order': False, 'shape': (2, 3L)}"}) {
    const NpyArray array = parse_npy(npy(text, raw<float>({0, 1, 2, 3, 4, 5})), "x");
    EXPECT_EQ(array.dims, (std::vector<std::int64_t>{2, 3})) << text;
    EXPECT_EQ(to_floats(array, "x"), (Floats{0, 1, 2, 3, 4, 5})) << text;
  }
  const Bytes long_flag = npy(dictionary("|u1", "(3L,)", "True"), "\1\2\3");
  EXPECT_EQ(to_floats(parse_npy(long_flag, "x"), "x"), (Floats{1, 2, 3}));
  expect_refused(npy(dictionary("<f4", "(1LL,)"), "1234"), {"corrupt NPY header"});
  expect_refused(npy(dictionary("<f4", "(L,)"), "1234"), {"expected a dimension"});
}

// numpy.save of an array of ml_dtypes.bfloat16, to which NumPy gives the type '<V2'.
TEST(Npy, ReadsBfloat16AsMlDtypesWritesIt) {
  const std::string elements = raw<std::uint16_t>({0x3fc0, 0xc020, 0x7f7f, 0x0001});
  const NpyArray array = parse_npy(npy(dictionary("<V2", "(2, 2)"), elements), "x");
  EXPECT_EQ(array.describe(), "bfloat16 [2, 2]");
  EXPECT_EQ(to_floats(array, "x"), (Floats{1.5f, -2.5f, 0x1.fep127f, 0x1p-133f}));
  expect_error([&] { to_integers(array, "x"); }, {"expected whole numbers, got bfloat16"});
  const NpyArray nan = parse_npy(npy(dictionary("<V2", "(1,)"), raw<std::uint16_t>({0x7fc0})), "x");
  expect_error([&] { to_floats(nan, "x"); }, {"row 0, column 0 is nan"});
  for (const char* type : {"|V2", ">V2", "|V1", "<V1", "<V4"})
    expect_refused(npy(dictionary(type, "(1,)"), "1234"), {str("type '", type), "bfloat16"});
}

TEST(Npy, TrailingZerosArePadding) {
  Bytes longer = kSmall;
  longer.resize(longer.size() + 512);
  EXPECT_EQ(to_floats(parse_npy(longer, "x"), "x"), (Floats{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(to_floats(parse_npz(zip_of("x.npy", longer), "z", "x"), "x"),
            (Floats{0, 1, 2, 3, 4, 5}));
  longer.resize(kSmall.size() + kMostPadding + 1);
  expect_refused(longer, {"1048577 bytes too long"});
}

TEST(Npy, WrongHeadersAreErrors) {
  const auto refused = [](const std::string& text, std::initializer_list<std::string> parts) {
    expect_refused(npy(text, "1234"), parts);
  };
  expect_refused({as_bytes("PK not numpy").begin(), as_bytes("PK not numpy").end()},
                 {"not an NPY file"});
  refused("not a dictionary", {"corrupt NPY header"});
  refused("{'descr': '<f4', 'shape': (1,)}", {"expected descr, fortran_order and shape"});
  refused("{'descr': '<f4', 'descr': '<f4'}", {"'descr' is given twice"});
  refused("{'dtype': '<f4'}", {"'dtype' is none of the format's"});
  refused("{'descr': '<f4", {"never closed"});
  refused(dictionary("<f4", "(1,)", "maybe"), {"neither True nor False"});
  refused(dictionary("<f4", "(-1,)"), {"expected a dimension"});
  refused(dictionary("<f4", "(99999999999999999999,)"), {"expected a dimension"});
  refused(dictionary("<f4", "(1,)") + " import os", {"text behind the dictionary"});
  refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", {"structured"});
  for (const char* type : {"|O", "<U3", "<c8", "<M8[s]", "<f3", "<f16", "|f4", "<i0", "f4", "<b4"})
    refused(dictionary(type, "(1,)"), {str("type '", type, "' cannot be read")});
}

TEST(Npy, ClaimsAreCheckedBeforeMemoryIsTaken) {
  expect_refused(npy(dictionary("<f8", "(4294967296, 4294967296)"), ""), {"corrupt"});
  expect_refused(npy(dictionary("<f8", "(9223372036854775807,)"), ""), {"corrupt"});
  expect_refused(npy(dictionary("|u1", "(1000000000000000,)"), "1"), {"truncated"});
  Bytes header = npy(dictionary("<f4", "(1,)"), "1234", 2);
  header[10] = std::byte{0xff};  // 16 MiB
  expect_refused(header, {"claims to be", "corrupt"});
}

TEST(Npy, NumbersThatAreNoneNameTheirPlace) {
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const auto array = [](float value) {
    return parse_npy(npy(dictionary("<f4", "(2, 2)"), raw<float>({1, 2, 3, value})), "x");
  };
  expect_error([&] { to_floats(array(nan), "x"); }, {"x: row 1, column 1 is nan"});
  expect_error([&] { to_floats(array(inf), "x"); }, {"x: row 1, column 1 is inf"});
  EXPECT_TRUE(std::isnan(to_floats(array(nan), "x", true)[3]));
  expect_error([&] { to_floats(array(inf), "x", true); }, {"is inf"});
  const NpyArray large = parse_npy(npy(dictionary("<f8", "(1,)"), raw<double>({1e39})), "x");
  expect_error([&] { to_floats(large, "x"); }, {"row 0, column 0 is 1e+39", "float32"});
  const NpyArray flag = parse_npy(npy(dictionary("|b1", "(1,)"), "\2"), "x");
  expect_error([&] { to_floats(flag, "x"); }, {"boolean of value 2"});
}

TEST(Npy, WholeNumbersAreTakenAsTheyAre) {
  const NpyArray good = parse_npy(npy(dictionary("<i8", "(2,)"), raw<std::int64_t>({-7, 8})), "x");
  EXPECT_EQ(to_integers(good, "x"), (Integers{-7, 8}));
  const NpyArray large =
      parse_npy(npy(dictionary("<u4", "(2,)"), raw<std::uint32_t>({1, 1u << 31})), "x");
  expect_error([&] { to_integers(large, "x"); }, {"row 1", "2147483648", "32 bits"});
  expect_error([] { to_integers(parse_npy(kSmall, "x"), "x"); },
               {"expected whole numbers, got float32 [2, 3]"});
}

// ---- NPZ

// numpy.savez_compressed(f, x=numpy.arange(6, dtype='<f4').reshape(2, 3), y=numpy.array([1, 0]))
// by NumPy 2.4.
const char* const kNumpyZip =
    "504b03042d0000000800000021004fe9002affffffffffffffff05001400782e6e7079010010009800000000000000"
    "55"
    "000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f9492"
    "0a"
    "12774bcc294e058a17672416a402f91a463a0ac69a3a0ab50a64032e063068b007120e4004c40d40bcc00100504b03"
    "04"
    "2d00000008000000210071fb39abffffffffffffffff05001400792e6e707901001000900000000000000048000000"
    "00"
    "0000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9369a1aea3a09e965f54529498179f5f94920a12774b"
    "cc"
    "294e058a17672416a402f91a463a9a3a0ab50a14002e4606540000504b01022d032d0000000800000021004fe9002a"
    "55"
    "00000098000000050000000000000000000000800100000000782e6e7079504b01022d032d00000008000000210071"
    "fb"
    "39ab480000009000000005000000000000000000000080018c000000792e6e7079504b050600000000020002006600"
    "00"
    "000b0100000000";

Bytes from_hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

TEST(Npz, ReadsWhatNumpyWrites) {
  const Bytes file = from_hex(kNumpyZip);
  EXPECT_EQ(to_floats(parse_npz(file, "a.npz", "x"), "x"), (Floats{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(to_integers(parse_npz(file, "a.npz", "y"), "y"), (Integers{1, 0}));
  expect_error([&] { parse_npz(file, "a.npz", "labels"); }, {"no array 'labels'", "known: x, y"});
}

TEST(Npz, ReadsStoredAndPackedByReference) {
  const ScratchFolder folder;
  for (const bool packed : {false, true}) {
    write_file_atomically(folder / "a.npz", zip_of("x_train.npy", kSmall, packed));
    EXPECT_EQ(read_array(folder.path(), "a.npz:x_train").dims, (std::vector<std::int64_t>{2, 3}));
  }
  write_file_atomically(folder / "b.npy", kSmall);
  EXPECT_EQ(to_floats(read_array(folder.path(), "b.npy"), "b")[5], 5);
  expect_error([&] { read_array(folder.path(), "a.npz"); }, {"name one: a.npz:x"});
  expect_error([&] { read_array(folder.path(), "c.npy"); }, {"c.npy"});
}

// zip -fd: local headers leave sizes and sum to data descriptors behind the entries. Written here
// as zip 3.0 writes them, with the size of what is unpacked already in the header.
TEST(Npz, ReadsEntriesWithDataDescriptors) {
  Bytes file = zip_of("x.npy", kSmall);
  const std::uint32_t packed = std::to_integer<std::uint32_t>(file[18]);
  ASSERT_EQ(file[19], std::byte{0});
  const std::size_t name = 5, end = 30 + name + packed;
  const std::size_t extra = std::to_integer<std::size_t>(file[28]);
  ASSERT_EQ(extra, 0u);
  Bytes descriptor{std::byte{'P'}, std::byte{'K'}, std::byte{7}, std::byte{8}};
  descriptor.insert(descriptor.end(), file.begin() + 14, file.begin() + 26);
  const auto put = [&](std::size_t at, int byte) { file[at] = static_cast<std::byte>(byte); };
  for (std::size_t at = 14; at < 22; ++at) put(at, 0);  // sum and packed size
  put(6, 8);
  put(end + 8, 8);  // flags of the directory's entry
  const std::size_t directory = file.size() - 22 + 16;
  put(directory, static_cast<int>(end + descriptor.size()));
  file.insert(file.begin() + static_cast<std::ptrdiff_t>(end), descriptor.begin(),
              descriptor.end());
  EXPECT_EQ(to_floats(parse_npz(file, "a.npz", "x"), "x"), (Floats{0, 1, 2, 3, 4, 5}));
  // What was packed is still checked.
  file[30 + name + packed / 2] ^= std::byte{0x10};
  expect_error([&] { parse_npz(file, "a.npz", "x"); }, {"a.npz, array 'x'"});
}

TEST(Npz, NamesNeedNotBeAscii) {
  const Bytes file = zip_of(
      "gr\xc3\xb6\xc3\x9f"
      "e.npy",
      kSmall);
  EXPECT_EQ(parse_npz(file, "a.npz",
                      "gr\xc3\xb6\xc3\x9f"
                      "e")
                .dims.size(),
            2u);
  expect_error([&] { parse_npz(file, "a.npz", "xyz"); }, {"known: gr\xc3\xb6\xc3\x9f"
                                                          "e"});
}

TEST(Npz, EveryTruncationAndEveryFlippedByteIsReadOrRefused) {
  const Bytes file = from_hex(kNumpyZip);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error([&] { parse_npz(cut, "a.npz", "x"); }, {"a.npz"});
  }
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes flipped = file;
    flipped[i] ^= std::byte{0x41};
    try {
      // Changes that are let pass are those of dates and the like: the elements are the same.
      EXPECT_EQ(to_floats(parse_npz(flipped, "a.npz", "x"), "x"), (Floats{0, 1, 2, 3, 4, 5})) << i;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("a.npz"), std::string::npos) << error.message();
    }
  }
}

TEST(Npz, WhatCannotBeReadIsRefused) {
  const auto refused = [](const Bytes& file, std::initializer_list<std::string> parts) {
    expect_error([&] { parse_npz(file, "a.npz", "x"); }, parts);
  };
  refused(kSmall, {"a.npz: not an NPZ file"});
  refused({}, {"a.npz: not an NPZ file"});
  refused(zip_of("x.npy", kSmall, true, "secret"), {"array 'x'", "encrypted"});
  refused(zip_of("x.npy", Bytes(3)), {"array 'x'", "NPY"});
  Bytes longer = kSmall;
  longer.push_back(std::byte{1});
  refused(zip_of("x.npy", longer), {"array 'x'", "1 bytes too long"});
  Bytes bomb = kSmall;
  bomb.resize(64 << 20);
  refused(zip_of("x.npy", bomb), {"array 'x'", "67108864 bytes, but its NPY header makes"});
}

}  // namespace
}  // namespace adjoint

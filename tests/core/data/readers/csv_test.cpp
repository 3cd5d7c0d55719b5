#include "core/data/readers/csv.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using Floats = std::vector<float>;
using Texts = std::vector<std::string>;

CsvTable parse(std::string_view text, const CsvOptions& options = {}) {
  return parse_csv(as_bytes(text), "t.csv", options);
}

void expect_refused(std::string_view text, std::initializer_list<std::string> parts,
                    const CsvOptions& options = {}) {
  expect_error([&] { parse(text, options); }, {"t.csv"});
  expect_error([&] { parse(text, options); }, parts);
}

TEST(Csv, ReadsNumbersUnderTheirNames) {
  const CsvTable table = parse("a,b\n1,2.5\n-3,+4e2\n");
  EXPECT_EQ(table.rows, 2);
  EXPECT_EQ(table.feature_names, (Texts{"a", "b"}));
  EXPECT_EQ(table.features, (Floats{1, 2.5f, -3, 400}));
}

TEST(Csv, ReadsWhatIsWrittenElsewhere) {
  // Line ends of Windows, a byte order mark, blanks, blank lines, no line end at the end.
  const CsvTable table = parse("\xef\xbb\xbfwidth , height\r\n 1 ,\t2\r\n\r\n3,4");
  EXPECT_EQ(table.feature_names, (Texts{"width", "height"}));
  EXPECT_EQ(table.features, (Floats{1, 2, 3, 4}));
  const CsvTable semicolons = parse("1;2\n3;4\n", {.header = false, .separator = ';'});
  EXPECT_EQ(semicolons.feature_names, (Texts{"0", "1"}));
  EXPECT_EQ(semicolons.features, (Floats{1, 2, 3, 4}));
}

TEST(Csv, QuotesHoldAnything) {
  const CsvTable table = parse("\"a,b\",label\n\"1.5\",\"x\"\n2,\"say \"\"hi\"\",\r\nnow\"\n3,x\n",
                               {.label = "label"});
  EXPECT_EQ(table.feature_names, (Texts{"a,b"}));
  EXPECT_EQ(table.features, (Floats{1.5f, 2, 3}));
  EXPECT_EQ(table.label_texts, (Texts{"x", "say \"hi\",\r\nnow"}));
  EXPECT_EQ(table.label_lines, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(table.labels, (std::vector<std::int32_t>{0, 1, 0}));
}

TEST(Csv, ColumnsHaveRolesByNameOrNumber) {
  const std::string text = "id,x,price,kind,rooms\n7,1,2,red,3\n8,4,5,blue,6\n";
  const CsvTable table =
      parse(text, {.label = "kind", .targets = {"4", "price"}, .ignored = {"id"}});
  EXPECT_EQ(table.feature_names, (Texts{"x"}));
  EXPECT_EQ(table.features, (Floats{1, 4}));
  EXPECT_EQ(table.targets, (Floats{3, 2, 6, 5})) << "in the order asked for";
  EXPECT_EQ(table.label_texts, (Texts{"red", "blue"}));
  expect_refused(text, {"no column 'prize'", "did you mean 'price'?"}, {.targets = {"prize"}});
  expect_refused(text, {"no column 5", "it has 5"}, {.targets = {"5"}});
  expect_refused(text, {"'x' is named twice"}, {.label = "x", .ignored = {"x"}});
  expect_refused("a\n1\n", {"no column is left"}, {.targets = {"a"}});
}

TEST(Csv, WhatIsNoNumberIsNamedByLineAndColumn) {
  expect_refused("a,b\n1,2\n3,four\n", {"line 3, column 1 (b): expected a number, got 'four'"});
  expect_refused("1,2\n3,4x\n", {"line 2, column 1: ", "'4x'"}, {.header = false});
  expect_refused("a\n0x10\n", {"'0x10'"});
  expect_refused("a\n+-1\n", {"'+-1'"});
  expect_refused("a\n1 2\n", {"'1 2'"});
  expect_refused("a\ninf\n", {"line 2, column 0 (a): 'inf' is not a finite number"});
  expect_refused("a\n-Infinity\n", {"is not a finite number"});
  expect_refused("a\n1e39\n", {"'1e39'", "float32"});
  expect_refused("a\n1e999\n", {"'1e999'", "float32"});
  EXPECT_EQ(parse("a\n3.4028234e38\n").features, (Floats{3.4028234e38f}));
}

TEST(Csv, MissingCellsAreRefusedOrLeftOut) {
  for (const char* missing : {"", " ", "NA", "nan", "NaN", "null", "?", "\"\""}) {
    const std::string text = std::string("a,b\n1,2\n3,") + missing + "\n5,6\n";
    expect_refused(text, {"line 3, column 1 (b): the cell is missing", "missing = \"drop\""});
    const CsvTable table = parse(text, {.drop_missing = true});
    EXPECT_EQ(table.rows, 2) << missing;
    EXPECT_EQ(table.dropped, 1);
    EXPECT_EQ(table.features, (Floats{1, 2, 5, 6}));
  }
  // Not in a column that nobody reads; and a label may be missing too.
  EXPECT_EQ(parse("a,b\n1,\n", {.ignored = {"b"}}).rows, 1);
  expect_refused("a,b\n1,\n", {"line 2, column 1 (b)"}, {.label = "b"});
  expect_refused("a,b\n1,\n,2\n", {"no rows", "all 2 miss a cell"}, {.drop_missing = true});
  // What is no number at all is never left out.
  expect_refused("a,b\n1,x\n", {"'x'"}, {.drop_missing = true});
}

TEST(Csv, RaggedRowsAreErrors) {
  expect_refused("a,b\n1,2\n3\n", {"line 3 has 1 cells, expected 2"});
  expect_refused("a,b\n1,2\n\n3,4,5\n", {"line 4 has 3 cells, expected 2"});
  expect_refused("a,b\n1,2,\n", {"line 2 has 3 cells"});
}

TEST(Csv, BrokenFilesAreErrors) {
  expect_refused("", {"the file is empty"});
  expect_refused("\n\r\n", {"the file is empty"});
  expect_refused("a,b\n", {"the table has no rows"});
  expect_refused("a,a\n1,2\n", {"two columns are named 'a'", "header = false"});
  expect_refused("a,b\n1,\"2\n3,4\n", {"line 2, column 2: a quote that is never closed"});
  expect_refused("a,b\n1,\"2\"3\n", {"line 2, column 2: text behind a closing quote"});
  expect_refused(std::string_view("a\n1\0\n", 5), {"zero bytes"});
  expect_refused("\x89PNG\r\n\x1a\n", {"t.csv"});
}

// As pandas reads them: line ends of old Macs, alone, mixed with others and in quotes.
TEST(Csv, CarriageReturnsAloneEndLines) {
  const CsvTable table = parse("a,b\r1,2\r\r3,4\r");
  EXPECT_EQ(table.feature_names, (Texts{"a", "b"}));
  EXPECT_EQ(table.features, (Floats{1, 2, 3, 4}));
  EXPECT_EQ(parse("a,b\r1,2\n3,4\r\n5,6").features, (Floats{1, 2, 3, 4, 5, 6}));
  expect_refused("a,b\r1,2\r3,x\r", {"line 3, column 1 (b)", "'x'"});
  const CsvTable quoted = parse("a,k\r1,\"x\ry\"\r2,\"x\r\ny\"\r3,z", {.label = "k"});
  EXPECT_EQ(quoted.label_texts, (Texts{"x\ry", "x\r\ny", "z"}));
  EXPECT_EQ(quoted.label_lines, (std::vector<std::int64_t>{2, 4, 6}));
}

TEST(Csv, NumbersTooSmallForAFloatAreZero) {
  EXPECT_EQ(parse("a\n1e-400\n-1e-400\n1e-60\n1e-45\n").features, (Floats{0, -0.0f, 0, 0x1p-149f}));
  const std::string zeros = "0." + std::string(400, '0') + "1";
  EXPECT_EQ(parse("a\n" + zeros + "\n+" + zeros + "e5\n").features, (Floats{0, 0}));
  for (const std::string& large : {std::string("1e400"), std::string("-1e400"),
                                   "1" + std::string(400, '0'), std::string("0.1e9999")})
    expect_refused("a\n1\n" + large + "\n", {"line 3, column 0 (a)", "float32"});
  expect_refused("a\n1e-400x\n", {"expected a number, got '1e-400x'"});
}

// As pandas writes a column of flags.
TEST(Csv, FlagsAreNumbers) {
  EXPECT_EQ(parse("a,b\nTrue,FALSE\nfalse,TRUE\n").features, (Floats{1, 0, 0, 1}));
  EXPECT_EQ(parse("a,y\n1,True\n2,False\n", {.targets = {"y"}}).targets, (Floats{1, 0}));
  EXPECT_EQ(parse("a,k\n1,True\n", {.label = "k"}).label_texts, (Texts{"True"}));
  expect_refused("a\nTrue1\n", {"'True1'"});
}

TEST(Csv, LinesOfBlanksAreBlank) {
  EXPECT_EQ(parse("a,b\n1,2\n  \t\n3,4\n   ").features, (Floats{1, 2, 3, 4}));
  expect_refused("a\tb\n1\t2\n \t\n", {"line 3, column 0 (a)", "missing"}, {.separator = '\t'});
}

// A column without a name in which every cell is empty is none.
TEST(Csv, SeparatorsMayEndLines) {
  const CsvTable table = parse("a,b,\n1,2,\n3,4, \n");
  EXPECT_EQ(table.feature_names, (Texts{"a", "b"}));
  EXPECT_EQ(table.features, (Floats{1, 2, 3, 4}));
  EXPECT_EQ(parse("1;2;\r\n3;4;\r\n", {.header = false, .separator = ';'}).feature_names,
            (Texts{"0", "1"}));
  const std::string text = "a,b,\n1,2,\n";
  EXPECT_EQ(csv_columns(as_bytes(text), "t.csv"), (Texts{"a", "b"}));
  // One cell that is not empty makes it a column; a name does, too.
  EXPECT_EQ(parse("a,\n1,2\n3,4\n").feature_names, (Texts{"a", ""}));
  expect_refused("a,\n1,\n3,4\n", {"line 2, column 1", "missing"});
  expect_refused("a,b\n1,\n3,\n", {"line 2, column 1 (b)", "missing"});
  expect_refused("a,b,\n1,2\n", {"line 2 has 2 cells, expected 3"});
}

// "Österreich" and "größe" as Windows writes them.
const std::string kWindows =
    "gr\xf6\xdf"
    "e,land\n1,\xd6sterreich\n2,Schweiz\n";

TEST(Csv, NamesThatAreNoUtf8AreRefusedWithTheirPlace) {
  expect_refused(kWindows, {"line 1, column 0: byte 3 of 'gr??e' is not UTF-8", "encoding"},
                 {.label = "land"});
  expect_refused("a,land\n1,\xd6sterreich\n",
                 {"line 2, column 1 (land): byte 1 of '?sterreich'", "cp1252"}, {.label = "land"});
  // Latin letters cut off, overlong, surrogates, beyond Unicode.
  for (const std::string bad : {"\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
    expect_refused("a,k\n1," + bad + "\n2,x\n", {"line 2, column 1 (k): byte 1 of "},
                   {.label = "k"});
  // What nobody reads may be anything.
  EXPECT_EQ(parse("a,\xf6,k\n1,\xf6,x\n", {.label = "k", .ignored = {"1"}}).label_texts,
            (Texts{"x"}));
}

TEST(Csv, ReadsOtherEncodings) {
  for (const char* encoding : {"cp1252", "CP1252", "latin-1", "latin1", "ISO-8859-1"}) {
    const CsvTable table = parse(kWindows, {.encoding = encoding, .label = "land"});
    EXPECT_EQ(table.feature_names, (Texts{"gr\xc3\xb6\xc3\x9f"
                                          "e"}))
        << encoding;
    EXPECT_EQ(table.label_texts, (Texts{"\xc3\x96sterreich", "Schweiz"}));
    EXPECT_EQ(csv_columns(as_bytes(kWindows), "t.csv", {.encoding = encoding})[1], "land");
  }
  const std::string text = "a,k\n1,\xe4\n2,x\n";
  std::string little = "\xff\xfe", big = "\xfe\xff";
  for (const char c : text) {
    (little += c) += '\0';
    (big += '\0') += c;
  }
  for (const std::string& file : {little, big}) {
    EXPECT_EQ(parse(file, {.encoding = "utf-16", .label = "k"}).label_texts,
              (Texts{"\xc3\xa4", "x"}));
    expect_refused(file, {"byte order mark of UTF-16", "encoding = \"utf-16\""});
    expect_refused(file.substr(2), {"zero bytes", "utf-16"});
  }
  EXPECT_EQ(parse("\xef\xbb\xbf"
                  "a\n1\n",
                  {.encoding = "utf-8-sig"})
                .feature_names,
            (Texts{"a"}));
  // 0x81 is no letter of cp1252; half a letter is none either.
  expect_refused("a\n1\n2\x81\n", {"line 3: byte 6", "is no character of 'cp1252'"},
                 {.encoding = "cp1252"});
  expect_refused(little.substr(0, little.size() - 1), {"begins half a character of 'utf-16'"},
                 {.encoding = "utf-16"});
  expect_refused("a\n1\n", {"encoding 'cp125x' is not known"}, {.encoding = "cp125x"});
  expect_refused("\x1f\x8b\x08 packed", {"packed with gzip"});
}

TEST(Csv, ALabelMaySayThatItIsNotKnown) {
  const std::string text = "a,k\n1,x\n2,?\n3,\n4,y\n";
  const CsvTable table = parse(text, {.label = "k", .unknown = {"?", ""}});
  EXPECT_EQ(table.label_texts, (Texts{"x", "?", "", "y"}));
  EXPECT_EQ(table.rows, 4);
  // Of labels alone.
  expect_refused("a,k\n?,x\n", {"line 2, column 0 (a)"}, {.label = "k", .unknown = {"?"}});
}

// Every beginning of a good file is read or refused, never anything else.
TEST(Csv, EveryTruncationIsReadOrRefused) {
  const std::string text = "a,\"b\"\n1,\"2\"\n3,\"\"\"x\"\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    try {
      EXPECT_LE(parse(text.substr(0, size), {.label = "1"}).rows, 2);
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("t.csv"), std::string::npos);
    }
  }
}

TEST(Csv, ReadsFiles) {
  const test::ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view("a\n1\n"));
  EXPECT_EQ(read_csv(folder / "t.csv").features, (Floats{1}));
  expect_error([&] { read_csv(folder / "none.csv"); }, {"none.csv"});
}

}  // namespace
}  // namespace adjoint

#include "core/data/csv.h"

#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/scratch_folder.h"

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

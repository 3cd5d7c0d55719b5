// What `adjoint train`, `eval` and `predict` say of tables that need not be what was meant.
#include "core/base/error.h"
#include "tools/program.h"

namespace adjoint {
namespace {

using test::adjoint_with;
using test::expect_fails;
using test::Outcome;
using test::ScratchFolder;

// A column without a name that numbers the rows, sorted by class; a class called NA; a number that
// is missing; a target of seconds since 1970.
std::string table_of(int rows) {
  std::string text = ",x,t,country\n";
  for (int i = 0; i < rows; ++i)
    text += str(i, ",", i == 5 ? "NA" : str(i % 9), ",", 1'700'000'000 + 4 * (i % 9), ",",
                2 * i < rows ? "DE" : "NA", "\n");
  return text;
}

std::string recipe_of(const std::string& data, const std::string& loss, int outputs) {
  return "[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntest = \"test.csv\"\nmissing = \"drop\"\n" +
         data + "[loss]\ntype = \"" + loss +
         "\"\n[model]\nlayers = [{type = \"linear\", out = " + std::to_string(outputs) +
         "}]\n[optim]\nlr = 0.05\n[train]\nepochs = 60\nbatch = 16\n";
}

TEST(TableNotes, AreSaidInOneLineEach) {
  const ScratchFolder scratch;
  write_file_atomically(scratch / "t.csv", std::string_view(table_of(120)));
  write_file_atomically(scratch / "test.csv", std::string_view(table_of(40)));
  const std::string run = (scratch / "run").string(), recipe = (scratch / "r.toml").string();
  const std::string folder = " --data " + scratch.path().string() + " --device host ";
  write_file_atomically(recipe, std::string_view(recipe_of("target = \"country\"\nignore = \"t\"\n",
                                                           "softmax_cross_entropy", 2)));
  const Outcome trained = adjoint_with("train " + recipe + folder + "--out " + run);
  EXPECT_EQ(trained.code, 0) << trained.text;
  for (const std::string part :
       {"t.csv: 1 of 120 rows are left out; cells are missing in: 'x' 1",
        "the first column, without a name, numbers the rows", "test.csv: 1 of 40 rows"})
    EXPECT_NE(trained.text.find(part), std::string::npos) << part << "\n" << trained.text;
  EXPECT_NE(test::text_of(scratch / "run/log.txt").find("numbers the rows"), std::string::npos);
  const Outcome evaluated = adjoint_with("eval " + run + folder);
  EXPECT_NE(evaluated.text.find("note: "), std::string::npos) << evaluated.text;
  EXPECT_NE(evaluated.text.find("on 39 samples"), std::string::npos) << evaluated.text;
  expect_fails(1, "train digits --steps 1" + folder, {"\"digits\" is drawn", "--data"});
}

TEST(TableNotes, PredictionsHaveTheDigitsOfTheirTargets) {
  const ScratchFolder scratch;
  write_file_atomically(scratch / "t.csv", std::string_view(table_of(120)));
  write_file_atomically(scratch / "test.csv", std::string_view(table_of(40)));
  write_file_atomically(scratch / "p.csv", std::string_view("x\n2\n7\n"));
  const std::string run = (scratch / "run").string(), recipe = (scratch / "r.toml").string();
  write_file_atomically(recipe, std::string_view(recipe_of("target = \"t\"\nignore = [\"0\", "
                                                           "\"country\"]\n",
                                                           "mse", 1)));
  const Outcome trained = adjoint_with("train " + recipe + " --data " + scratch.path().string() +
                                       " --device host --out " + run);
  EXPECT_EQ(trained.code, 0) << trained.text;
  EXPECT_NE(trained.text.find("test R2 1.0000"), std::string::npos) << trained.text;
  const Outcome predicted =
      adjoint_with("predict " + run + " " + (scratch / "p.csv").string() + " --device host");
  for (const double want : {1'700'000'008.0, 1'700'000'028.0}) {
    // "17000000", then digits that are no longer the mean's.
    const std::size_t at = predicted.text.find(str("17000000", want > 1'700'000'020 ? "2" : "0"));
    ASSERT_NE(at, std::string::npos) << predicted.text;
    EXPECT_NEAR(std::stod(predicted.text.substr(at)), want, 0.5) << predicted.text;
  }
}

}  // namespace
}  // namespace adjoint

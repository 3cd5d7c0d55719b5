// What the program says of numbers that are none, and of float16's search for a loss scale.
#include <random>

#include "core/base/error.h"
#include "tools/program.h"

namespace adjoint {
namespace {

using test::adjoint_with;
using test::expect_fails;
using test::Outcome;
using test::ScratchFolder;
using test::text_of;
namespace fs = std::filesystem;

/// A table of two classes, apart in `width`; salaries are near `salary`.
void write_table(const fs::path& path, int rows, double salary) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal;
  std::string text = "width,salary,kind\n";
  for (int i = 0; i < rows; ++i)
    text += str((i % 2 == 0 ? -2 : 2) + 0.3 * normal(engine), ",",
                salary * (1 + 0.05 * normal(engine)), ",", i % 2 == 0 ? "oak" : "elm", "\n");
  write_file_atomically(path, std::string_view(text));
}

struct Folder {
  explicit Folder(double salary) {
    write_table(scratch / "train.csv", 144, salary);
    write_table(scratch / "test.csv", 60, salary);
    write_file_atomically(scratch / "table.toml", std::string_view(R"([model]
layers = [{type = "linear", out = 8}, {type = "relu"}, {type = "linear", out = 2}]
[data]
name = "csv"
train = "train.csv"
test = "test.csv"
target = "kind"
normalise = false
[optim]
lr = 0.02
[train]
epochs = 40
batch = 144
precision = "float16"
)"));
  }
  std::string arguments() const {
    return "train " + (scratch / "table.toml").string() + " --device host --data " +
           scratch.path().string();
  }
  ScratchFolder scratch;
};

TEST(Numbers, AnEpochOfOneUpdateMaySeekTheLossScale) {
  const Folder folder(1000);
  const std::string run = (folder.scratch / "run").string();
  // Gradients of so large a column overflow at the first scales.
  const Outcome trained = adjoint_with(folder.arguments() + " --out " + run);
  EXPECT_EQ(trained.code, 0) << trained.text;
  for (const std::string part : {"epoch 1/40  loss -  accuracy -",
                                 "1 update skipped while the loss scale was sought: 256 "
                                 "fell to 128",
                                 "test accuracy 100.00 %"})
    EXPECT_NE(trained.text.find(part), std::string::npos) << part << "\n" << trained.text;
  EXPECT_EQ(trained.text.find("diverged"), std::string::npos) << trained.text;

  const Outcome tried = adjoint_with(folder.arguments() + " --fast-dev-run");
  EXPECT_EQ(tried.code, 0) << tried.text;
  for (const std::string part : {"nothing was learned: no update was made", "loss scale was sought",
                                 "all parts ran: one update, skipped, "})
    EXPECT_NE(tried.text.find(part), std::string::npos) << part << "\n" << tried.text;
  EXPECT_EQ(tried.text.find("diverged"), std::string::npos) << tried.text;
}

TEST(Numbers, AColumnBeyondFloat16IsNamed) {
  const Folder folder(90000);
  const std::string run = (folder.scratch / "run").string();
  expect_fails(1, folder.arguments() + " --out " + run,
               {"all 1 updates of epoch 1 were skipped", "feature 'salary' of sample ", "65504",
                "normalise"});
  expect_fails(1, folder.arguments() + " --overfit 16", {"not memorised", "feature 'salary'"});
  const std::string other = " --set train.precision=bfloat16 --out " + run + "2";
  EXPECT_EQ(adjoint_with(folder.arguments() + other).code, 0);
}

// The best of none: no model file, and no result to believe in; the last is kept.
TEST(Numbers, ARunWhoseLossIsNeverANumberFails) {
  const Folder folder(10);
  const std::string run = (folder.scratch / "run").string();
  expect_fails(1,
               folder.arguments() +
                   " --set train.precision=float32 --set optim.check_gradient=false --set "
                   "optim.type=sgd --set optim.lr=1e30 --out " +
                   run,
               {"the validation loss is not a number: numbers grew too large",
                "no model is the best", "lower [optim] lr"});
  EXPECT_FALSE(fs::exists(run + "/model.safetensors"));
  EXPECT_TRUE(fs::exists(run + "/last.safetensors"));
}

// Validation fits, the test set does not: told, by train and by eval.
TEST(Numbers, ATestLossThatIsNoNumberIsExplained) {
  const Folder folder(10);
  write_table(folder.scratch / "test.csv", 60, 1e5);
  const std::string run = (folder.scratch / "run").string();
  const Outcome trained = adjoint_with(folder.arguments() + " --out " + run);
  EXPECT_EQ(trained.code, 0) << trained.text;
  const Outcome evaluated =
      adjoint_with("eval " + run + " --device host --data " + folder.scratch.path().string());
  EXPECT_EQ(evaluated.code, 0);
  EXPECT_NE(trained.text.find("the test loss is "), std::string::npos) << trained.text;
  EXPECT_NE(evaluated.text.find("the loss is "), std::string::npos) << evaluated.text;
  for (const Outcome* outcome : {&trained, &evaluated})
    EXPECT_NE(outcome->text.find("feature 'salary' of sample "), std::string::npos)
        << outcome->text;
}

}  // namespace
}  // namespace adjoint

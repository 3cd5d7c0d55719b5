// Mistakes that train without complaint elsewhere: targets that a loss is not defined for, losses
// that are given what they are not made for, and a loss that falls below what is possible.
#include <algorithm>

#include "tools/program.h"

namespace adjoint::test {
namespace {

// One linear layer, and what stands behind it, on columns a (and b) of t.csv.
std::string recipe(const std::string& data, const std::string& loss, const std::string& layers) {
  return "[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntask = \"regression\"\n" + data +
         "[loss]\ntype = " + loss + "\n[model]\nlayers = [" + layers +
         "]\n[optim]\nlr = 0.05\n[train]\nepochs = 3\nbatch = 8\n";
}

const std::string kOne = "{type = \"linear\", out = 1}", kTwo = "{type = \"linear\", out = 2}";

// 60 rows: a, then the targets of a row by turns.
std::string table(const std::string& header, std::initializer_list<std::string> targets) {
  std::string text = "a," + header + "\n";
  for (std::size_t i = 0; i < 60; ++i)
    text += std::to_string(int(i % 7) - 3) + "," + *(targets.begin() + i % targets.size()) + "\n";
  return text;
}

class Mistakes : public testing::Test {
 protected:
  void write(const std::string& csv, const std::string& toml) {
    write_file_atomically(scratch_ / "t.csv", std::string_view(csv));
    write_file_atomically(scratch_ / "r.toml", std::string_view(toml));
  }
  Outcome run(const std::string& arguments) const {
    return shell("cd " + scratch_.path().string() + " && $ADJOINT " + arguments + " --device host");
  }
  static void expect(const Outcome& outcome, int code, std::initializer_list<std::string> parts) {
    EXPECT_EQ(outcome.code, code) << outcome.text;
    for (const std::string& part : parts)
      EXPECT_NE(outcome.text.find(part), std::string::npos) << "lacks " << part << "\n"
                                                            << outcome.text;
  }
  static std::ptrdiff_t times(const std::string& text, const std::string& part) {
    std::ptrdiff_t count = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
    return count;
  }
  ScratchFolder scratch_;
};

TEST_F(Mistakes, TargetsOutsideALossAreRefusedWithTheirLine) {
  const std::string y = "target = \"y\"\n", bce = "\"bce_with_logits\"";
  const auto refused = [&](std::initializer_list<std::string> targets, const std::string& data,
                           std::initializer_list<std::string> parts) {
    write(table("y", targets), recipe(data, bce, kOne));
    expect(run("train ./r.toml --out run"), 1, parts);
    expect(run("train ./r.toml --overfit 8"), 1, parts);
    EXPECT_FALSE(fs::exists(scratch_ / "run"));
  };
  refused({"1", "2"}, y, {"t.csv: line 3, column 'y'", "the target is 2", "write 0 for 1"});
  refused({"1", "-1"}, y, {"t.csv: line 3, column 'y'", "the target is -1", "write 0 for -1"});
  refused({"0", "0", "255"}, y, {"t.csv: line 4", "the target is 255", "by 255"});
  refused({"0", "1"}, y + "normalise_target = true\n", {"normalise_target", "bce_with_logits"});
  write(table("p,q", {"0.25,0.75", "-0.2,1.2"}),
        recipe("target = [\"p\", \"q\"]\n", "\"kl_divergence\"",
               kTwo + ", {type = \"log_softmax\"}"));
  expect(run("train ./r.toml --out run"), 1,
         {"t.csv: line 3, column 'p'", "the target is -0.2", "kl_divergence"});
}

TEST_F(Mistakes, EvaluationRefusesThemToo) {
  write(table("y", {"0", "1"}),
        recipe("target = \"y\"\ntest = \"u.csv\"\n", "\"bce_with_logits\"", kOne));
  write_file_atomically(scratch_ / "u.csv", std::string_view(table("y", {"0", "1"})));
  expect(run("train ./r.toml --out run"), 0, {"test loss", "accuracy"});
  write_file_atomically(scratch_ / "u.csv", std::string_view(table("y", {"0", "7"})));
  expect(run("eval run"), 1, {"u.csv: line 3, column 'y'", "the target is 7"});
}

// As the input is the target, pixels must stay between 0 and 1.
TEST_F(Mistakes, AnInputThatIsTheTargetStaysWhatTheLossTakes) {
  const std::string small =
      "train autoencoder --device host --set data.train_count=200 --set data.test_count=50 --set "
      "model.layers.1.out=8 --set model.layers.4.out=8 --set train.epochs=1 --set "
      "loss.type=bce_with_logits --out " +
      (scratch_ / "run").string();
  expect(adjoint_with(small), 1, {"mean = 0.0", "deviation = 1.0", "bce_with_logits"});
  expect(adjoint_with(small + " --set data.mean=0.0 --set data.deviation=1.0"), 0, {"test loss"});
}

TEST_F(Mistakes, ALossThatIsGivenWhatItIsNotMadeForIsWarnedOfOnce) {
  write(table("y", {"0", "1"}),
        recipe("target = \"y\"\n", "\"bce_with_logits\"", kOne + ", {type = \"sigmoid\"}"));
  const std::string warning = "warning: sigmoid1 makes numbers from 0 to 1, but bce_with_logits";
  for (const std::string command :
       {"train ./r.toml --out run", "train ./r.toml --overfit 8 --steps 20", "eval run",
        "summary ./r.toml", "gradcheck ./r.toml"}) {
    const Outcome outcome = run(command);
    EXPECT_EQ(times(outcome.text, warning), 1) << command << "\n" << outcome.text;
    EXPECT_EQ(times(outcome.text, "warning"), 1) << command << "\n" << outcome.text;
  }
  EXPECT_EQ(times(text_of(scratch_ / "run" / "log.txt"), warning), 1);
  // Plain scores before nll; and a recipe that is right.
  const auto trained = [&](const std::string& loss) {
    return adjoint_with("train digits" + kSmall + "--set train.epochs=1 --set loss.type=" + loss +
                        " --out " + (scratch_ / loss).string())
        .text;
  };
  EXPECT_EQ(times(trained("nll"), "warning: linear3 makes any real numbers, but nll1 expects "), 1);
  EXPECT_EQ(times(trained("softmax_cross_entropy"), "warning"), 0);
}

// 0 is not the least of a loss of probabilities, and what is below the least was not learned.
TEST_F(Mistakes, LearnedByHeartIsWhatIsNearTheLeastLoss) {
  const std::string y = "target = \"y\"\nnormalise = false\n";
  write(table("y", {"0.5"}), recipe(y, "\"bce_with_logits\"", kOne));
  expect(run("train ./r.toml --overfit 8 --steps 2000"), 0,
         {"memorised after", "0.6931 at the least"});
  // Small numbers are not learned because they are small.
  write(table("y", {"0.0001", "-0.0002"}),
        recipe(y + "normalise_target = false\n", "\"mse\"", kOne));
  expect(run("train ./r.toml --overfit 8 --steps 20 --set optim.lr=1e-12"), 1,
         {"not memorised after 20"});
  write(table("p,q", {"0.25,0.75"}),
        recipe("target = [\"p\", \"q\"]\nnormalise = false\n", "\"kl_divergence\"", kTwo));
  expect(run("train ./r.toml --overfit 8 --steps 200"), 1,
         {"not memorised after", "below the least there is", "kl_divergence",
          "warning: linear1 makes any real numbers"});
}

}  // namespace
}  // namespace adjoint::test

// The program as its users meet it: exit codes, messages, files, Ctrl-C. Every case runs the
// binary.
#include "tools/program.h"

#include <algorithm>
#include <sstream>

#include "core/train/files/safetensors.h"

namespace adjoint {
namespace {

using test::adjoint_with;
using test::expect_fails;
using test::kSmall;
using test::Outcome;
using test::ScratchFolder;
using test::shell;
using test::text_of;
namespace fs = std::filesystem;

TEST(Program, SaysHowItIsUsed) {
  for (const std::string command :
       {"", "train", "eval", "predict", "summary", "gradcheck", "bench", "devices", "completion"}) {
    const Outcome outcome = adjoint_with(command + " --help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_NE(outcome.text.find("Example"), std::string::npos) << command << "\n" << outcome.text;
  }
  EXPECT_EQ(adjoint_with("--version").code, 0);
}

TEST(Program, MistakesOnTheCommandLineAreExitCode2) {
  expect_fails(2, "", {"subcommand"});
  expect_fails(2, "trian digits", {"trian", "did you mean 'train'"});
  expect_fails(2, "train", {"recipe"});
  expect_fails(2, "train digits --epochs 3", {"--epochs"});
  expect_fails(2, "train digits --device gpu", {"--device"});
  expect_fails(2, "train digits --steps 0", {"--steps"});
  expect_fails(2, "train digits --seed x", {"--seed"});
  expect_fails(2, "train digits --resume runs/digits-1", {"--resume", "recipe"});
  expect_fails(2, "train --resume runs/digits-1 --seed 2", {"--resume", "--seed"});
}

TEST(Program, MistakesInARecipeAreExitCode1AndNamed) {
  const ScratchFolder scratch;
  const std::string out = " --out " + (scratch / "run").string();
  expect_fails(1, "train digitz" + out, {"digitz", "did you mean 'digits'"});
  expect_fails(1, "train ./none.toml" + out, {"none.toml"});
  expect_fails(1, "train digits --set optim.lrr=1" + out, {"lrr", "lr"});
  expect_fails(1, "train digits --set optim.lr=fast" + out, {"lr", "number"});
  expect_fails(1, "train digits --set model.layers.1.type=linaer" + out, {"layer 1", "linear"});
  expect_fails(1, "train digits --set model.layers.5.out=12" + out, {"layer 5", "10 classes"});
  expect_fails(1, "train mnist_mlp" + out, {"--data"});
  expect_fails(1, "train mnist_mlp --data " + (scratch / "nowhere").string() + out, {"nowhere"});
  expect_fails(1, "eval " + (scratch / "nowhere").string(), {"nowhere"});
  expect_fails(1, "gradcheck layer_nrom", {"layer_norm"});
  EXPECT_FALSE(fs::exists(scratch / "run")) << "a mistake leaves no folder behind";
}

TEST(Program, TrainsEvaluatesAndSaysWhatIsNext) {
  const ScratchFolder scratch;
  const fs::path run = scratch / "run";
  const Outcome trained = adjoint_with("train digits" + kSmall + "--out " + run.string());
  ASSERT_EQ(trained.code, 0) << trained.text;
  EXPECT_EQ(trained.text.find('\x1b'), std::string::npos) << "plain where nobody sees it";
  EXPECT_EQ(trained.text.find('\r'), std::string::npos);
  for (const std::string part : {"epoch 2/2", "test accuracy", "model.safetensors", "adjoint eval"})
    EXPECT_NE(trained.text.find(part), std::string::npos) << part << "\n" << trained.text;
  for (const char* file : {"recipe.toml", "metrics.csv", "model.safetensors", "last.safetensors",
                           "engines.json", "log.txt"})
    EXPECT_TRUE(fs::exists(run / file)) << file;
  EXPECT_NE(text_of(run / "recipe.toml").find("train_count = 800"), std::string::npos);

  // The same accuracy from the files.
  const Outcome evaluated = adjoint_with("eval " + run.string() + " --device host");
  EXPECT_EQ(evaluated.code, 0) << evaluated.text;
  const std::string accuracy = "accuracy ";
  const auto digits = [&](const std::string& text, const std::string& behind) {
    const std::size_t at = text.find(behind + accuracy);
    return at == std::string::npos ? text : text.substr(at + behind.size() + accuracy.size(), 5);
  };
  EXPECT_EQ(digits(evaluated.text, "digits test: "), digits(trained.text, "test "));

  // The resolved recipe trains the same model again.
  const Outcome again = adjoint_with("train " + (run / "recipe.toml").string() +
                                     " --device host --quiet --out " + (scratch / "2").string());
  EXPECT_EQ(again.code, 0) << again.text;
  EXPECT_EQ(text_of(scratch / "2" / "model.safetensors"), text_of(run / "model.safetensors"));

  // A run is not written over by accident.
  const std::string before = text_of(run / "model.safetensors");
  expect_fails(1, "train digits" + kSmall + "--seed 2 --out " + run.string(), {"--overwrite"});
  EXPECT_EQ(text_of(run / "model.safetensors"), before);
  EXPECT_EQ(
      adjoint_with("train digits" + kSmall + "--seed 2 --overwrite --out " + run.string()).code, 0);
  EXPECT_NE(text_of(run / "model.safetensors"), before);
}

TEST(Program, MetricsHoldTheLossScaleOfFloat16) {
  const ScratchFolder scratch;
  const auto scale_of = [&](const std::string& precision) {
    const std::string run = (scratch / precision).string();
    EXPECT_EQ(adjoint_with("train digits" + kSmall + "--set train.precision=" + precision +
                           " --out " + run)
                  .code,
              0);
    std::istringstream rows(text_of(run + "/metrics.csv"));
    std::string header, row;
    std::getline(rows, header);
    std::getline(rows, row);
    const std::string before = header.substr(0, header.find("loss_scale"));
    std::size_t at = 0;
    for (const char c : before) at = c == ',' ? row.find(',', at) + 1 : at;
    return row.substr(at, row.find(',', at) - at);
  };
  EXPECT_EQ(scale_of("float32"), "");
  EXPECT_GT(std::stod(scale_of("float16")), 1);
}

// 300 rows of a file: y = 3 a - b, kind = the sign of a.
std::string table_script(const ScratchFolder& scratch) {
  return "awk 'BEGIN { print \"a,b,y,kind\"; for (i = 0; i < 300; ++i) { a = i % 13 - 6; b = i % "
         "7; "
         "print a \",\" b \",\" 3 * a - b \",\" (a < 0 ? \"low\" : \"high\") } }' > " +
         (scratch / "t.csv").string();
}

const std::string kTableModel =
    "[model]\nlayers = [{type = \"linear\", out = 16}, {type = \"relu\"}, {type = \"linear\", out "
    "= OUT}]\n[optim]\nlr = 0.02\n[train]\nepochs = 30\nbatch = 32\n";

std::string table_recipe(const std::string& keys, const std::string& loss, char outputs) {
  std::string model = kTableModel;
  model.replace(model.find("OUT"), 3, 1, outputs);
  return "[data]\nname = \"csv\"\ntrain = \"t.csv\"\n" + keys + "[loss]\n" + loss + model;
}

TEST(Program, LearnsFromATable) {
  const ScratchFolder scratch;
  ASSERT_EQ(shell(table_script(scratch)).code, 0);
  const auto run = [&](const std::string& name, const std::string& recipe) {
    write_file_atomically(scratch / (name + ".toml"), std::string_view(recipe));
    // Started elsewhere than the table lies.
    const Outcome trained =
        adjoint_with("train " + (scratch / (name + ".toml")).string() + " --data " +
                     scratch.path().string() + " --device host --out " + (scratch / name).string());
    EXPECT_EQ(trained.code, 0) << trained.text;
    const Outcome evaluated = adjoint_with("eval " + (scratch / name).string() + " --device host");
    EXPECT_EQ(evaluated.code, 0) << evaluated.text;
    return std::pair(trained.text, evaluated.text);
  };
  const auto between = [](const std::string& text, const std::string& before, std::size_t size) {
    const std::size_t at = text.rfind(before);
    return at == std::string::npos ? text : text.substr(at + before.size(), size);
  };
  const auto [numbers, numbers_again] =
      run("numbers", table_recipe("target = \"y\"\nignore = \"kind\"\n", "type = \"mse\"\n", '1'));
  EXPECT_GT(std::stod(between(numbers, "test R2 ", 6)), 0.99) << numbers;
  EXPECT_EQ(between(numbers_again, ": R2 ", 30), between(numbers, "test R2 ", 30));
  EXPECT_EQ(numbers.find("accuracy"), std::string::npos) << numbers;
  EXPECT_NE(text_of(scratch / "numbers/metrics.csv").find(",,"), std::string::npos);

  const auto [kinds, kinds_again] =
      run("kinds",
          table_recipe("target = \"kind\"\nignore = \"y\"\nsampling = \"balanced\"\n", "", '2'));
  EXPECT_GT(std::stod(between(kinds, "test accuracy ", 5)), 95) << kinds;
  EXPECT_EQ(between(kinds_again, ": accuracy ", 5), between(kinds, "test accuracy ", 5));
  EXPECT_NE(text_of(scratch / "kinds/recipe.toml").find("classes = [\"high\", \"low\"]"),
            std::string::npos);

  // What eval needs lies in the model's file.
  ASSERT_EQ(shell("sed -i 's/^kind$/x/; s/,low/,medium/' " + (scratch / "t.csv").string()).code, 0);
  expect_fails(1, "eval " + (scratch / "kinds").string() + " --device host",
               {"unknown label 'medium'", "high, low"});
  ASSERT_EQ(shell("rm " + (scratch / "t.csv").string()).code, 0);
  expect_fails(1, "eval " + (scratch / "numbers").string() + " --device host", {"t.csv"});
}

TEST(Program, EveryRecipeIsSummarisedCheckedAndTimed) {
  for (const std::string recipe : {"tabular", "regression", "autoencoder", "mnist_linear"}) {
    const Outcome summary = adjoint_with("summary " + recipe + " --device host");
    EXPECT_EQ(summary.code, 0) << summary.text;
    EXPECT_NE(summary.text.find("captured step"), std::string::npos) << summary.text;
    const Outcome timed = adjoint_with("bench " + recipe + " --device host --seconds 0.02");
    EXPECT_EQ(timed.code, 0) << timed.text;
    EXPECT_NE(timed.text.find("forward"), std::string::npos) << timed.text;
  }
  // Small enough to be checked element by element.
  for (const std::string recipe : {"tabular", "regression"}) {
    const Outcome checked = adjoint_with("gradcheck " + recipe + " --device host");
    EXPECT_EQ(checked.code, 0) << checked.text;
  }
}

TEST(Program, ByDefaultEachRunHasAFolderOfItsOwn) {
  const ScratchFolder scratch;
  const std::string train = "cd " + scratch.path().string() + " && $ADJOINT train digits" + kSmall;
  EXPECT_EQ(shell(train + "--steps 2").code, 0);
  EXPECT_EQ(shell(train + "--steps 2").code, 0);
  EXPECT_TRUE(fs::exists(scratch / "runs" / "digits-1" / "model.safetensors"));
  EXPECT_TRUE(fs::exists(scratch / "runs" / "digits-2" / "model.safetensors"));
}

TEST(Program, AFolderThatCannotBeWrittenIsFoundBeforeTraining) {
  const ScratchFolder scratch;
  write_file_atomically(scratch / "file", std::string_view("x"));
  expect_fails(1, "train digits" + kSmall + "--out " + (scratch / "file").string(), {"file"});
  expect_fails(1, "train digits" + kSmall + "--out /proc/adjoint", {"/proc/adjoint"});
}

TEST(Program, AFullDiskIsAnErrorThatLeavesTheOldModel) {
  const ScratchFolder scratch;
  const std::string run = (scratch / "run").string();
  // 32 KiB hold the recipe but not the model.
  const Outcome outcome = shell("ulimit -f 32; $ADJOINT train digits" + kSmall + "--out " + run);
  EXPECT_EQ(outcome.code, 1) << outcome.text;
  EXPECT_NE(outcome.text.find("model.safetensors"), std::string::npos) << outcome.text;
  EXPECT_FALSE(fs::exists(run + "/model.safetensors"));
  for (const auto& entry : fs::directory_iterator(run))
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST(Program, CtrlCSavesWhatWasLearned) {
  const ScratchFolder scratch;
  const std::string run = (scratch / "run").string();
  // Training begins after the folder's recipe is written.
  const Outcome outcome =
      shell("$ADJOINT train digits" + kSmall + "--set train.epochs=100000 --out " + run +
            " & pid=$!; while [ ! -e " + run +
            "/metrics.csv ] && kill -0 $pid; do sleep 0.1; done; kill -INT $pid; wait $pid");
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("stopped after"), std::string::npos) << outcome.text;
  EXPECT_NE(outcome.text.find("test accuracy"), std::string::npos) << outcome.text;
  EXPECT_EQ(adjoint_with("eval " + run + " --device host").code, 0);
}

TEST(Program, AStoppedRunIsResumedAsIfItNeverHadBeen) {
  const ScratchFolder scratch;
  const std::string whole = (scratch / "whole").string(), run = (scratch / "run").string();
  const std::string digits =
      "train digits" + kSmall + "--set train.epochs=100 --set optim.ema=0.9 ";
  ASSERT_EQ(adjoint_with(digits + "--out " + whole).code, 0);
  const Outcome stopped =
      shell("$ADJOINT " + digits + "--out " + run + " & pid=$!; while [ ! -e " + run +
            "/metrics.csv ] && kill -0 $pid; do sleep 0.02; done; kill -INT $pid; wait $pid");
  ASSERT_EQ(stopped.code, 0) << stopped.text;
  ASSERT_NE(stopped.text.find("train --resume " + run), std::string::npos) << stopped.text;
  const Outcome resumed = adjoint_with("train --device host --resume " + run);
  EXPECT_EQ(resumed.code, 0) << resumed.text;
  for (const std::string part : {"resumed after ", "epoch 100/100", "test accuracy"})
    EXPECT_NE(resumed.text.find(part), std::string::npos) << part << "\n" << resumed.text;

  const SafetensorsFile a = SafetensorsFile::read(whole + "/last.safetensors"),
                        b = SafetensorsFile::read(run + "/last.safetensors");
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const SafetensorsEntry& tensor : a.tensors())
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, b.at(tensor.name).bytes)) << tensor.name;
  EXPECT_EQ(a.metadata().at("run.step"), b.metadata().at("run.step"));
  EXPECT_EQ(a.metadata().at("run.best_epoch"), b.metadata().at("run.best_epoch"));
  EXPECT_EQ(text_of(whole + "/model.safetensors"), text_of(run + "/model.safetensors"));
  EXPECT_EQ(text_of(whole + "/recipe.toml"), text_of(run + "/recipe.toml"));
  // The same rows but for their times; steps only rise.
  const auto rows_of = [](const std::string& folder) {
    std::vector<std::string> rows;
    std::istringstream file(text_of(folder + "/metrics.csv"));
    for (std::string row; std::getline(file, row);) {
      const std::size_t step = row.find(','), seconds = row.find(',', step + 1);
      rows.push_back(row.substr(0, seconds) + row.substr(row.find(',', seconds + 1)));
    }
    return rows;
  };
  const std::vector<std::string> rows = rows_of(run);
  EXPECT_EQ(rows, rows_of(whole));
  std::int64_t last = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::int64_t step = std::stoll(rows[i].substr(rows[i].find(',') + 1));
    EXPECT_GE(step, last) << rows[i];
    last = step;
  }
  EXPECT_EQ(rows.size(), 1 + 100 + 12u) << "an epoch each, and every 50 of 600 updates";
}

TEST(Program, ResumingLosesNothingWhereItCannotGoOn) {
  const ScratchFolder scratch;
  const std::string run = (scratch / "run").string(),
                    resume = "train --device host --resume " + run;
  expect_fails(1, resume, {run, "No such file"});
  ASSERT_EQ(adjoint_with("train digits" + kSmall + "--out " + run).code, 0);
  const auto files = [&] {
    std::string all;
    for (const char* file : {"recipe.toml", "metrics.csv", "model.safetensors", "last.safetensors"})
      all += text_of(run + "/" + file);
    return all;
  };
  const std::string before = files();
  expect_fails(1, resume, {"all 12 updates of the run were made", "--set train.epochs=N"});
  expect_fails(1, resume + " --set train.epochs=3 --set model.layers.1.out=33",
               {"different: linear1.weight"});
  expect_fails(1, resume + " --set train.epochs=3 --set data.train_count=700",
               {"training samples: 720", "630", "start a new run"});
  expect_fails(1, resume + " --set train.epochs=3 --set train.batch=64", {"a batch of 128", "64"});
  EXPECT_EQ(files(), before);
  // With more to do it goes on.
  const Outcome longer = adjoint_with(resume + " --set train.epochs=3");
  EXPECT_EQ(longer.code, 0) << longer.text;
  EXPECT_NE(longer.text.find("epoch 3/3"), std::string::npos) << longer.text;
  EXPECT_NE(text_of(run + "/recipe.toml").find("epochs = 3"), std::string::npos);
  ASSERT_EQ(shell("head -c 1000 " + run + "/last.safetensors > " + run + "/short && mv " + run +
                  "/short " + run + "/last.safetensors")
                .code,
            0);
  expect_fails(1, resume + " --set train.epochs=4", {"last.safetensors"});
}

TEST(Program, AModelOfAnotherRecipeIsRefusedByName) {
  const ScratchFolder scratch;
  const std::string run = (scratch / "run").string();
  ASSERT_EQ(adjoint_with("train digits" + kSmall + "--set train.steps=2 --out " + run).code, 0);
  ASSERT_EQ(shell("sed -i 's/out = 32/out = 33/' " + run + "/recipe.toml").code, 0);
  expect_fails(1, "eval " + run + " --device host",
               {"model.safetensors", "different: linear1.weight"});
  ASSERT_EQ(shell("head -c 1000 " + run + "/model.safetensors > " + run + "/short && mv " + run +
                  "/short " + run + "/model.safetensors")
                .code,
            0);
  expect_fails(1, "eval " + run + " --device host", {"model.safetensors"});
}

TEST(Program, ShowsChecksAndTimesModels) {
  const ScratchFolder scratch;
  const Outcome summary = adjoint_with("summary digits --device host");
  EXPECT_EQ(summary.code, 0) << summary.text;
  for (const std::string part :
       {"669,706", "rewrites", "arena", "captured step", "optimizer state"})
    EXPECT_NE(summary.text.find(part), std::string::npos) << part << "\n" << summary.text;
  EXPECT_EQ(summary.text.find("moment  pass"), std::string::npos) << summary.text;
  const Outcome calls = adjoint_with("summary digits --device host --calls");
  EXPECT_EQ(calls.code, 0) << calls.text;
  for (const std::string part :
       {"\ncalls\n", "moment  pass", "0  forward ", "backward  linear_chain1"})
    EXPECT_NE(calls.text.find(part), std::string::npos) << part << "\n" << calls.text;
  const Outcome checked = adjoint_with("gradcheck layer_norm --device host");
  EXPECT_EQ(checked.code, 0) << checked.text;
  const fs::path json = scratch / "bench.json";
  const Outcome timed =
      adjoint_with("bench digits --device host --seconds 0.02 --json " + json.string());
  EXPECT_EQ(timed.code, 0) << timed.text;
  for (const std::string part : {"forward", "backward", "update", "step", "quartiles", "ceilings"})
    EXPECT_NE(timed.text.find(part), std::string::npos) << part << "\n" << timed.text;
  EXPECT_NE(text_of(json).find("\"median_ms\""), std::string::npos);
  EXPECT_EQ(adjoint_with("bench layer_norm --shape 64,256 --device host --seconds 0.02").code, 0);
  const Outcome table = adjoint_with(
      "bench embedding --set vocabulary=50 --set width=8 --shape 64 --device host --seconds 0.02");
  EXPECT_EQ(table.code, 0) << table.text;
  EXPECT_NE(table.text.find("embedding on [64]"), std::string::npos) << table.text;
  EXPECT_EQ(adjoint_with("devices").code, 0);
}

TEST(Program, MeasuresAndChecksKindsThatNoChainTakes) {
  const std::string run = " --device host --seconds 0.01";
  for (const std::string layer : {"add --shape 64,32", "concat --set axis=1 --shape 64,32",
                                  "split --set axis=1 --set sizes=[20,12] --shape 64,32",
                                  "linear_chain --set out=[16,8] --shape 64,32"}) {
    const Outcome timed = adjoint_with("bench " + layer + run);
    EXPECT_EQ(timed.code, 0) << timed.text;
    EXPECT_NE(timed.text.find("backward / forward"), std::string::npos) << timed.text;
  }
  const Outcome unknown = adjoint_with("bench add --set axis=1" + run);
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.text.find("axis"), std::string::npos) << unknown.text;
  for (const std::string kind : {"split", "linear_chain"})
    EXPECT_EQ(adjoint_with("gradcheck " + kind + " --device host").code, 0) << kind;
}

TEST(Program, TunesEnginesAndTakesTheChoicesAgain) {
  const ScratchFolder scratch;
  const std::string file = (scratch / "engines.json").string();
  const std::string layer = "bench linear --shape 64,32 --device host --seconds 0.01 ";
  ASSERT_EQ(adjoint_with(layer + "--tune --engines " + file).code, 0);
  EXPECT_NE(text_of(file).find("\"milliseconds\""), std::string::npos) << text_of(file);
  EXPECT_EQ(adjoint_with(layer + "--engines " + file).code, 0);
  const Outcome absent = adjoint_with(layer + "--engines " + file + "x");
  EXPECT_EQ(absent.code, 1);
  EXPECT_NE(absent.text.find("engines.jsonx"), std::string::npos) << absent.text;
  write_file_atomically(file, std::string_view("{\"device\": \"Abacus\", \"matmul\": []}"));
  const Outcome foreign = adjoint_with("train digits" + kSmall + "--engines " + file + " --out " +
                                       (scratch / "run").string());
  EXPECT_EQ(foreign.code, 1);
  EXPECT_NE(foreign.text.find("made on another device"), std::string::npos) << foreign.text;
  EXPECT_FALSE(fs::exists(scratch / "run")) << "a mistake leaves no folder";
}

}  // namespace
}  // namespace adjoint

// What the program says of trained models: measures, predictions of files, whether models can
// learn by heart, pictures.
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/png.h"
#include "core/data/generated/digits.h"
#include "tools/program.h"

namespace adjoint {
namespace {

using nlohmann::json;
using test::adjoint_with;
using test::expect_fails;
using test::kSmall;
using test::Outcome;
using test::ScratchFolder;
using test::shell;
using test::text_of;
namespace fs = std::filesystem;

// Standard output alone.
Outcome only_output(const std::string& arguments) {
  return shell("$ADJOINT " + arguments + " 2>/dev/null");
}

void expect_parts(const Outcome& outcome, std::initializer_list<std::string> parts) {
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.text.find(part), std::string::npos) << "lacks " << part << "\n"
                                                          << outcome.text;
}

// A classifier of drawn digits that is right more often than not, trained once for all cases.
const fs::path& digits_run() {
  static const ScratchFolder scratch;
  static const fs::path run = [] {
    const Outcome trained = adjoint_with("train digits" + kSmall +
                                         "--set data.train_count=3000 --set optim.lr=0.003 "
                                         "--set train.epochs=6 --quiet --out " +
                                         (scratch / "run").string());
    EXPECT_EQ(trained.code, 0) << trained.text;
    return scratch / "run";
  }();
  return run;
}

TEST(Results, OfAClassifierAreATableAMatrixAndJson) {
  const std::string eval = "eval " + digits_run().string() + " --device host";
  const Outcome plain = adjoint_with(eval);
  expect_parts(plain, {"digits test: accuracy", "top-5", "macro F1", "AUC"});
  EXPECT_EQ(plain.text.find("recall"), std::string::npos) << plain.text;
  expect_parts(adjoint_with(eval + " --confusion"), {"precision", "recall", "label \\ taken for"});

  const Outcome printed = only_output(eval + " --json -");
  ASSERT_EQ(printed.code, 0);
  const json report = json::parse(printed.text);
  EXPECT_EQ(report["samples"], 200);
  const json& measured = report["classification"];
  std::int64_t right = 0, all = 0;
  for (std::size_t label = 0; label < 10; ++label)
    for (std::size_t taken = 0; taken < 10; ++taken) {
      const auto count = measured["confusion"][label][taken].get<std::int64_t>();
      all += count;
      right += label == taken ? count : 0;
    }
  EXPECT_EQ(all, 200);
  EXPECT_DOUBLE_EQ(measured["accuracy"].get<double>(), double(right) / 200);
  EXPECT_GT(measured["accuracy"].get<double>(), 0.5);
  EXPECT_GE(measured["top_k"]["accuracy"], measured["accuracy"]);
  EXPECT_GT(measured["auc"].get<double>(), 0.8);
  EXPECT_LE(measured["auc"].get<double>(), 1.0);
  EXPECT_EQ(measured["classes"].size(), 10u);

  const ScratchFolder scratch;
  EXPECT_EQ(adjoint_with(eval + " --json " + (scratch / "r.json").string()).code, 0);
  EXPECT_EQ(json::parse(text_of(scratch / "r.json")), report);
}

TEST(Results, PicturesArePredictedAndBrokenOnesTold) {
  const ScratchFolder scratch;
  // The run's test samples, the first five as files, the sixth dark on light.
  const Dataset data = make_digits(1, 200, 1).test;
  std::string files;
  for (std::int64_t i = 0; i < 6; ++i) {
    const auto pixels = data.image(i);
    Image image{.height = 28, .width = 28, .pixels = {pixels.begin(), pixels.end()}};
    if (i == 5) invert(image);
    const std::string name = "d" + std::to_string(i) + ".png";
    write_png(scratch / name, image);
    if (i < 5) files += " " + name;
  }
  const std::string predict = "cd " + scratch.path().string() + " && $ADJOINT predict " +
                              digits_run().string() + " --device host ";
  const Outcome shown = shell(predict + files);
  expect_parts(shown, {"file", "probability", "the likeliest 3", "d0.png", "d4.png", " %, "});

  const auto classes = [&](const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    std::vector<std::string> found;
    const json report = json::parse(outcome.text);
    for (const json& row : report["predictions"]) {
      found.push_back(row["class"]);
      double sum = 0, before = 1;
      EXPECT_EQ(row["top"].size(), 10u);
      for (const json& of : row["top"]) {
        const auto p = of["probability"].get<double>();
        EXPECT_LE(p, before);
        before = p;
        sum += p;
      }
      EXPECT_NEAR(sum, 1, 1e-9);
      EXPECT_EQ(row["top"][0]["class"], row["class"]);
    }
    return found;
  };
  const std::vector<std::string> of_pictures =
      classes(shell(predict + files + " --json - --top 10"));
  ASSERT_EQ(of_pictures.size(), 5u);

  // All as IDX: right as often as eval says.
  std::string idx("\0\0\x08\3\0\0\0\xc8\0\0\0\x1c\0\0\0\x1c", 16);
  idx.append(reinterpret_cast<const char*>(data.images.data()), data.images.size());
  write_file_atomically(scratch / "all-idx3-ubyte", std::string_view(idx));
  const std::vector<std::string> of_all =
      classes(shell(predict + "all-idx3-ubyte --json - --top 10"));
  ASSERT_EQ(of_all.size(), 200u);
  EXPECT_TRUE(std::equal(of_pictures.begin(), of_pictures.end(), of_all.begin()));
  int right = 0;
  for (std::size_t i = 0; i < 200; ++i) right += of_all[i] == std::to_string(data.labels[i]);
  const json measured =
      json::parse(only_output("eval " + digits_run().string() + " --device host --json -").text);
  EXPECT_DOUBLE_EQ(measured["classification"]["accuracy"].get<double>(), right / 200.0);
  EXPECT_EQ(classes(shell(predict + "d5.png --invert --json - --top 10"))[0], of_all[5]);

  ASSERT_EQ(shell("cd " + scratch.path().string() +
                  " && head -c 100 d0.png > cut.png && echo text > text.png && echo 1,2 > t.csv")
                .code,
            0);
  const Outcome mixed = shell(predict + "d0.png cut.png none.png text.png t.csv d1.png");
  EXPECT_EQ(mixed.code, 1) << mixed.text;
  for (const std::string part :
       {"d0.png", "d1.png", "cut.png: not a whole PNG file", "none.png", "text.png: not a PNG file",
        "t.csv: a table, but the model takes images of uint8 [1, 28, 28]", "4 of 6 files"})
    EXPECT_NE(mixed.text.find(part), std::string::npos) << part << "\n" << mixed.text;
  const Outcome errors = shell(predict + "d0.png cut.png --json - 2>/dev/null");
  EXPECT_EQ(errors.code, 1);
  const json told = json::parse(errors.text);
  EXPECT_EQ(told["predictions"].size(), 1u);
  EXPECT_EQ(told["errors"][0]["file"], "cut.png");

  expect_fails(1, "predict " + (scratch / "nowhere").string() + " x.png", {"nowhere"});
  expect_fails(1, "predict " + scratch.path().string() + " x.png", {"has no recipe.toml"});
  expect_fails(2, "predict " + digits_run().string(), {"files"});
}

// 300 rows: y = 3 a - b, kind = the sign of a. Predicted without the training file.
TEST(Results, TablesArePredictedInTheirUnitsAndNames) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path().string();
  ASSERT_EQ(shell("cd " + folder +
                  " && awk 'BEGIN { print \"a,b,y,kind\"; for (i = 0; i < 300; ++i) { a = i % 13 - "
                  "6; b = i % 7; print a \",\" b \",\" 3 * a - b + 1000 \",\" (a < 0 ? \"low\" : "
                  "\"high\") } }' > t.csv")
                .code,
            0);
  const auto train = [&](const std::string& name, const std::string& keys, const std::string& out) {
    write_file_atomically(
        scratch / (name + ".toml"),
        std::string_view("[data]\nname = \"csv\"\ntrain = \"t.csv\"\n" + keys +
                         "[model]\nlayers = [{type = \"linear\", out = 16}, {type = \"relu\"}, "
                         "{type = \"linear\", out = " +
                         out + "}]\n[optim]\nlr = 0.02\n[train]\nepochs = 30\nbatch = 32\n"));
    const Outcome trained = shell("cd " + folder + " && $ADJOINT train ./" + name +
                                  ".toml --device host --quiet --out " + name);
    EXPECT_EQ(trained.code, 0) << trained.text;
  };
  train("numbers", "target = \"y\"\nignore = \"kind\"\n[loss]\ntype = \"mse\"\n", "1");
  train("kinds", "target = \"kind\"\nignore = \"y\"\n", "2");
  expect_parts(shell("cd " + folder + " && $ADJOINT eval numbers --device host"),
               {"MAE", "RMSE", "R2", "y "});
  const json errors =
      json::parse(shell("cd " + folder + " && $ADJOINT eval numbers --device host --json -").text);
  EXPECT_GE(errors["regression"][0]["rmse"], errors["regression"][0]["mae"]);
  EXPECT_GT(errors["regression"][0]["r2"].get<double>(), 0.98);
  // Two classes: one AUC.
  expect_parts(shell("cd " + folder + " && $ADJOINT eval kinds --device host --confusion"),
               {"AUC ", "high", "low"});

  ASSERT_EQ(
      shell("cd " + folder + " && rm t.csv && printf 'b,id,a\\n2,x,4\\n0,y,-5\\n' > new.csv").code,
      0);
  const std::string predict = "cd " + folder + " && $ADJOINT predict ";
  const json numbers = json::parse(shell(predict + "numbers new.csv --device host --json -").text);
  EXPECT_NEAR(numbers["predictions"][0]["values"]["y"].get<double>(), 1010, 2);
  EXPECT_NEAR(numbers["predictions"][1]["values"]["y"].get<double>(), 985, 2);
  EXPECT_EQ(numbers["predictions"][1]["row"], 1);
  expect_parts(shell(predict + "numbers new.csv --device host"), {"new.csv", "y\n"});
  const Outcome kinds = shell(predict + "kinds new.csv --device host");
  expect_parts(kinds, {"high", "low", "the likeliest 2"});

  ASSERT_EQ(shell("cd " + folder + " && printf 'a,c\\n1,2\\n' > bad.csv").code, 0);
  const Outcome refused = shell(predict + "kinds bad.csv new.csv --device host");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.text.find("bad.csv: there is no column 'b'"), std::string::npos)
      << refused.text;
  EXPECT_NE(refused.text.find("high"), std::string::npos) << refused.text;
}

// A table as a spreadsheet of Windows saves it: refused by name and place, or read; and its own
// training file is read again.
TEST(Results, ATableOfAnotherEncodingIsToldOrRead) {
  const ScratchFolder scratch;
  const std::string in_folder = "cd " + scratch.path().string() + " && ";
  std::string text =
      "gr\xf6\xdf"
      "e;land;\r\n";
  for (int i = 0; i < 60; ++i)
    text += std::to_string(i % 10) + (i % 10 < 5 ? ";\xd6sterreich;\r\n" : ";Schweiz;\r\n");
  write_file_atomically(scratch / "t.csv", std::string_view(text));
  write_file_atomically(
      scratch / "r.toml",
      std::string_view("[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"land\"\nseparator = "
                       "\";\"\n[model]\nlayers = [{type = \"linear\", out = 2}]\n[train]\nepochs = "
                       "1\n"));
  const std::string train = in_folder + "$ADJOINT train ./r.toml --device host --quiet --out run";
  const Outcome refused = shell(train);
  EXPECT_EQ(refused.code, 1);
  for (const std::string part :
       {"t.csv: line 1, column 0: byte 3", "UTF-8", "encoding = \"cp1252\""})
    EXPECT_NE(refused.text.find(part), std::string::npos) << refused.text;
  EXPECT_FALSE(fs::exists(scratch / "run")) << "before anything is trained";
  const Outcome trained = shell(train + " --set data.encoding=cp1252");
  ASSERT_EQ(trained.code, 0) << trained.text;
  const json found =
      json::parse(shell(in_folder + "$ADJOINT predict run t.csv --device host --json -").text);
  EXPECT_EQ(found["predictions"].size(), 60u);
  expect_parts(shell(in_folder + "$ADJOINT eval run --device host --confusion"),
               {"\xc3\x96sterreich", "Schweiz"});
}

// Four IDX files of 16 x 16, a third of whose labels are not known.
// What a model learned of one column must not be asked of another.
TEST(Results, ColumnsInAnotherOrderAreRefusedWhereTheirNamesSaySo) {
  const ScratchFolder folder;
  const auto write = [&](const std::string& names, bool swapped) {
    std::string text = names + ",y\n";
    for (int i = 0; i < 60; ++i) {
      const int a = i % 7, b = i % 11;
      text += swapped ? str(b, ",", a) : str(a, ",", b);
      text += str(",", 3 * a - 2 * b, "\n");
    }
    write_file_atomically(folder / "t.csv", std::string_view(text));
  };
  write("a,b", false);
  write_file_atomically(
      folder / "r.toml",
      std::string_view("[model]\nlayers = [{type = \"linear\", out = 1}]\n[loss]\ntype = "
                       "\"mse\"\n[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"y\"\n"
                       "normalise = false\n[train]\nepochs = 2\nbatch = 8\n"));
  const std::string run = (folder / "run").string();
  const Outcome trained =
      adjoint_with("train " + (folder / "r.toml").string() + " --quiet --data " +
                   folder.path().string() + " --out " + run);
  ASSERT_EQ(trained.code, 0) << trained.text;
  EXPECT_EQ(adjoint_with("eval " + run).code, 0);
  write("b,a", true);
  expect_fails(1, "eval " + run, {"feature 0 is 'b'", "in the training part 'a'"});
  expect_fails(
      1, "train --resume " + run + " --data " + folder.path().string() + " --set train.epochs=3",
      {"feature 0 is 'b'"});
}

TEST(Results, OtherSetsInMnistsFilesAreLearned) {
  const ScratchFolder scratch;
  for (const std::string part : {"train", "t10k"}) {
    std::string images{0, 0, 8, 3, 0, 0, 1, 44, 0, 0, 0, 16, 0, 0, 0, 16};
    std::string labels{0, 0, 9, 1, 0, 0, 1, 44};
    for (int i = 0; i < 300; ++i) {
      for (int pixel = 0; pixel < 256; ++pixel)
        images += char(pixel / 25 == i % 10 ? 200 + i % 7 : (i + pixel) % 30);
      labels += char(i % 3 == 0 ? -1 : i % 10);
    }
    write_file_atomically(scratch / (part + "-images-idx3-ubyte"), std::string_view(images));
    write_file_atomically(scratch / (part + "-labels-idx1-ubyte"), std::string_view(labels));
  }
  const std::string folder = scratch.path().string(), run = (scratch / "run").string();
  const std::string train =
      "train mnist_mlp --device host --quiet --set model.layers.1.out=32 --set "
      "model.layers.3.out=32 --set train.batch=16 --set train.epochs=4 --data " +
      folder + " --out " + run;
  expect_fails(1, train, {"mnist train: sample 0 has label -1"});
  const Outcome trained = adjoint_with(train + " --set loss.ignored_label=-1");
  expect_parts(trained, {"accuracy 100.00 % on 200 unseen samples"});
  const json report = json::parse(only_output("eval " + run + " --device host --json -").text);
  EXPECT_EQ(report["samples"], 200) << "with labels";
  EXPECT_EQ(report["classification"]["confusion"].size(), 10u);
  EXPECT_EQ(json::parse(only_output("predict " + run + " " + folder +
                                    "/t10k-images-idx3-ubyte --device host --json -")
                            .text)["predictions"]
                .size(),
            300u);
  // By heart: two samples of which both count.
  expect_parts(adjoint_with("train mnist_mlp --device host --overfit 2 --set "
                            "loss.ignored_label=-1 --data " +
                            folder),
               {"the first 2 samples", "memorised after"});
  expect_parts(
      adjoint_with("summary mnist_mlp --set loss.ignored_label=-1 --set data.folder=" + folder),
      {"[128, 256]"});
  expect_fails(1, train + " --overwrite --set loss.ignored_label=-1 --set model.layers.5.out=7",
               {"layer 5 (linear)", "expected float32 [16, 10]"});
}

// Targets of 0 and 1: what is predicted and measured are probabilities.
TEST(Results, QuestionsWithTwoAnswersHaveAccuracyAndArea) {
  const ScratchFolder scratch;
  const std::string in_folder = "cd " + scratch.path().string() + " && ";
  ASSERT_EQ(shell(in_folder +
                  "awk 'BEGIN { print \"a,b,yes\"; for (i = 0; i < 300; ++i) { a = i % 13 - 6; b = "
                  "i % 7; print a \",\" b \",\" (a > 0) } }' > t.csv")
                .code,
            0);
  write_file_atomically(
      scratch / "r.toml",
      std::string_view("[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"yes\"\n[loss]\ntype "
                       "= \"bce_with_logits\"\n[model]\nlayers = [{type = \"linear\", out = "
                       "1}]\n[optim]\nlr = 0.1\n[train]\nepochs = 20\nbatch = 32\n"));
  const Outcome trained =
      shell(in_folder + "$ADJOINT train ./r.toml --device host --quiet --out run");
  ASSERT_EQ(trained.code, 0) << trained.text;
  expect_parts(shell(in_folder + "$ADJOINT eval run --device host"),
               {"loss ", "yes", "accuracy", "AUC"});
  const json report =
      json::parse(shell(in_folder + "$ADJOINT eval run --device host --json -").text);
  EXPECT_GT(report["binary"][0]["accuracy"].get<double>(), 0.9);
  EXPECT_GT(report["binary"][0]["auc"].get<double>(), 0.98);
  ASSERT_EQ(shell(in_folder + "printf 'a,b\\n6,1\\n-6,1\\n' > new.csv").code, 0);
  const json found =
      json::parse(shell(in_folder + "$ADJOINT predict run new.csv --device host --json -").text);
  EXPECT_GT(found["predictions"][0]["values"]["yes"].get<double>(), 0.9);
  EXPECT_LE(found["predictions"][0]["values"]["yes"].get<double>(), 1.0);
  EXPECT_LT(found["predictions"][1]["values"]["yes"].get<double>(), 0.1);
}

TEST(Results, AnAutoencoderShowsWhatItMakes) {
  const ScratchFolder scratch;
  const fs::path run = scratch / "run", picture = run / "reconstructions.png";
  const Outcome trained = adjoint_with(
      "train autoencoder --device host --set data.train_count=400 --set data.test_count=50 "
      "--set model.layers.1.out=16 --set model.layers.4.out=16 --set train.epochs=1 --out " +
      run.string());
  expect_parts(trained, {"reconstructions.png"});
  const Image shown = read_png(picture);
  // Two rows of ten, each pixel three times as wide.
  EXPECT_EQ(shown.height, 2 * 84 + 3 * 6);
  EXPECT_EQ(shown.width, 10 * 84 + 11 * 6);
  // The upper row are the inputs themselves: the first test sample, at its place.
  const Dataset data = make_digits(1, 1, 1).test;
  for (std::int64_t y = 0; y < 28; ++y)
    for (std::int64_t x = 0; x < 28; ++x)
      EXPECT_NEAR(shown.pixels[std::size_t((6 + 3 * y) * shown.width + 6 + 3 * x)],
                  data.images[std::size_t(28 * y + x)], 1);

  fs::remove(picture);
  expect_parts(adjoint_with("eval " + run.string() + " --device host"), {"reconstructions.png"});
  EXPECT_EQ(read_png(picture).pixels, shown.pixels);

  write_png(scratch / "x.png", {.height = 28, .width = 28, .pixels = data.images});
  expect_parts(adjoint_with("predict " + run.string() + " " + (scratch / "x.png").string() +
                            " --device host"),
               {"mean squared error", "reconstructions.png"});
  EXPECT_EQ(read_png(picture).width, 84 + 2 * 6);
  // A run that takes the folder over leaves no old picture.
  EXPECT_EQ(
      adjoint_with("train digits" + kSmall + "--steps 1 --overwrite --out " + run.string()).code,
      0);
  EXPECT_FALSE(fs::exists(picture));
}

TEST(Results, SaysWhetherAModelCanLearnByHeart) {
  const std::string few = " --device host --set data.train_count=200 --set data.test_count=50 ";
  expect_parts(adjoint_with("train digits" + few + "--overfit 20"),
               {"the first 20 samples of digits", "memorised after", "accuracy 100.00 %", "loss"});
  expect_parts(adjoint_with("train regression" + few + "--overfit 8 --steps 2000"),
               {"memorised after", "R2 "});
  expect_parts(adjoint_with("train autoencoder" + few + "--overfit 4 --steps 1000"),
               {"memorised after"});
  const Outcome cannot = adjoint_with("train digits" + few + "--overfit 20 --set optim.lr=1e-9");
  EXPECT_EQ(cannot.code, 1) << cannot.text;
  EXPECT_NE(cannot.text.find("not memorised after"), std::string::npos) << cannot.text;
  EXPECT_NE(cannot.text.find("lr"), std::string::npos) << cannot.text;
  expect_fails(2, "train digits --overfit 0", {"--overfit"});
  expect_fails(2, "train digits --overfit 3 --out x", {"--overfit", "--out"});
  expect_fails(2, "train digits --overfit 3 --fast-dev-run", {"--overfit"});
}

TEST(Results, AFastDevRunRunsAllPartsAndKeepsNothing) {
  const ScratchFolder scratch;
  for (const std::string recipe : {"digits", "regression", "autoencoder"}) {
    const Outcome outcome =
        shell("cd " + scratch.path().string() + " && TMPDIR=$PWD $ADJOINT train " + recipe +
              " --device host --fast-dev-run --set data.train_count=300 --set data.test_count=200");
    expect_parts(outcome, {"all parts ran", "128 test samples"});
    EXPECT_EQ(scratch.entries(), 0u) << outcome.text;
  }
  // What does not fit is found, and nothing stays behind either.
  const Outcome broken = shell("cd " + scratch.path().string() +
                               " && TMPDIR=$PWD $ADJOINT train digits --fast-dev-run --set "
                               "model.layers.5.out=12");
  EXPECT_EQ(broken.code, 1);
  EXPECT_EQ(broken.text.find("all parts ran"), std::string::npos);
  EXPECT_EQ(scratch.entries(), 0u);
}

TEST(Results, DevicesAreMeasuredWhenAsked) {
  const Outcome measured = adjoint_with("devices --measure");
  expect_parts(measured, {"measured: copy", "float32", "bfloat16", "FLOP/s"});
  EXPECT_EQ(measured.text.find(" 0.0 G"), std::string::npos) << measured.text;
  EXPECT_EQ(adjoint_with("devices").text.find("measured:"), std::string::npos);
}

}  // namespace
}  // namespace adjoint

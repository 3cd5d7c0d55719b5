// Every key of a recipe either changes something or is refused: each is set, to another value than
// it would have, for every kind of data, method and schedule.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "core/samples/recipe_data.h"
#include "core/train/recipe/recipe.h"
#include "support/expect_error.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::dictionary;
using test::expect_error;
using test::npy;
using test::ScratchFolder;

const std::string kModel = "[model]\nlayers = [{type = \"linear\", out = 10}]\n";

// ---- files: 40 samples, and 12 for tests

template <class T>
void write_array(const std::filesystem::path& path, const std::string& type,
                 const std::string& shape, std::size_t count, int classes = 0) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = static_cast<int>(i * 7919 % 251);
    values[i] = static_cast<T>(classes > 0 ? static_cast<int>(i) % classes : n);
  }
  const std::string raw(reinterpret_cast<const char*>(values.data()), count * sizeof(T));
  write_file_atomically(path, std::span<const std::byte>(npy(dictionary(type, shape), raw)));
}

void write_idx(const std::filesystem::path& path, std::uint8_t count, bool images) {
  std::string file = {0, 0, 8, images ? '\3' : '\1', 0, 0, 0, static_cast<char>(count)};
  if (images) file += std::string({0, 0, 0, 28, 0, 0, 0, 28});
  for (int i = 0; i < count * (images ? 784 : 1); ++i)
    file += static_cast<char>(images ? i * 31 % 256 : i % 10);
  write_file_atomically(path, std::string_view(file));
}

std::string csv_of(int rows, bool gap) {
  std::string text = "a,b,c,kind,y\n";
  for (int i = 0; i < rows; ++i)
    text += str(i * 37 % 11, gap && i == 3 ? ",," : str(",", i % 7, "."), gap && i == 3 ? "" : "5,",
                i % 5, ",", i % 2 == 0 ? "even" : "odd", ",", 3 * i % 17, "\n");
  return text;
}

void write_files(const ScratchFolder& folder) {
  for (const std::string name : {"t", "gaps"})
    write_file_atomically(folder / (name + ".csv"), std::string_view(csv_of(40, name == "gaps")));
  write_file_atomically(folder / "t.txt", std::string_view(csv_of(12, false)));
  write_file_atomically(folder / "more.txt", std::string_view(csv_of(16, false)));
  write_array<std::uint8_t>(folder / "bytes.npy", "|u1", "(40, 2, 3)", 240);
  write_array<float>(folder / "pictures.npy", "<f4", "(40, 1, 2, 3)", 240);
  write_array<float>(folder / "rows.npy", "<f4", "(40, 3)", 120);
  write_array<std::int32_t>(folder / "labels.npy", "<i4", "(40,)", 40, 4);
  write_array<std::int32_t>(folder / "others.npy", "<i4", "(40,)", 40, 5);
  write_array<double>(folder / "numbers.npy", "<f8", "(40,)", 40);
  write_array<std::uint8_t>(folder / "test_bytes.npy", "|u1", "(12, 2, 3)", 72);
  write_array<std::int32_t>(folder / "test_labels.npy", "<i4", "(12,)", 12, 4);
  const std::vector<std::pair<std::string, std::string>> archived = {
      {"x", "rows.npy"}, {"y", "labels.npy"}, {"meta", "bytes.npy"}, {"table", "others.npy"}};
  std::vector<std::pair<std::string, Bytes>> arrays;
  for (const auto& [name, file] : archived) arrays.emplace_back(name, read_file(folder / file));
  write_file_atomically(folder / "all.npz", test::npz_of(arrays));
  write_idx(folder / "train-images-idx3-ubyte", 40, true);
  write_idx(folder / "train-labels-idx1-ubyte", 40, false);
  write_idx(folder / "t10k-images-idx3-ubyte", 12, true);
  write_idx(folder / "t10k-labels-idx1-ubyte", 12, false);
}

// ---- which keys there are

/// Every key that a table knows, as the message about one that it does not know lists them.
std::vector<std::string> known_keys(const std::string& text, const std::string& table) {
  try {
    parse_recipe(text, "r.toml", std::vector<std::string>{table + ".qqqqqqqqqq=1"});
  } catch (const Error& error) {
    const std::string before = "; known: ";
    const std::size_t at = error.message().find(before);
    if (at == std::string::npos) return {error.message()};
    std::vector<std::string> keys;
    std::istringstream list(error.message().substr(at + before.size()));
    for (std::string key; list >> key;) keys.push_back(key.substr(0, key.find(',')));
    return keys;
  }
  return {"a key that nobody knows is taken"};
}

/// All of them are walked below; those of `apart` are what the walk begins with. `walked` are keys,
/// or assignments.
void expect_walked(const std::vector<std::string>& known, const std::vector<std::string>& walked,
                   const std::vector<std::string>& apart) {
  for (const std::string& key : known) {
    const auto same = [&](const std::string& other) {
      return other.substr(0, other.find('=')) == key;
    };
    EXPECT_TRUE(std::ranges::any_of(walked, same) || std::ranges::any_of(apart, same))
        << "the key '" << key << "' is new: add it to the walk";
  }
}

// ---- what comes of a recipe's data

class Fingerprint {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    text_ += str(values.size(), ":");
    for (const T& value : values) text_ += str(value, ",");
  }
  void add(const Dataset& data) {
    text_ += str(data.count, " of ", data.sample, " ");
    for (const std::uint8_t pixel : data.images) text_ += str(int(pixel), ",");
    add(data.features);
    add(data.labels);
    add(data.targets);
    add(data.class_names);
    add(data.feature_names);
    for (const DataArray& array : data.arrays) {
      text_ += str(array.name, array.per_sample);
      for (const std::byte byte : array.values) text_ += str(int(byte), ",");
    }
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// All that training is given; or that the files do not fit what the recipe says; or why it is
/// refused.
struct Outcome {
  std::string data, refusal;
};

Outcome outcome(const std::string& text, const std::vector<std::string>& overrides) {
  Recipe recipe;
  try {
    recipe = parse_recipe(text, "r.toml", overrides);
  } catch (const Error& error) {
    return {.data = {}, .refusal = error.message()};
  }
  try {
    const RecipeData data = load_recipe_data(recipe.data);
    Fingerprint all;
    for (const Dataset* part : {&data.train, &data.validation, &data.test}) all.add(*part);
    for (const Normalisation* part : {&data.statistics.input, &data.statistics.target}) {
      all.add(part->mean);
      all.add(part->deviation);
    }
    // Loaders draw by this.
    return {.data = str(all.text(), recipe.data.balanced_sampling), .refusal = {}};
  } catch (const Error& error) {
    return {.data = error.message(), .refusal = {}};
  }
}

struct Kind {
  std::string name;
  std::string data;  // the table [data]; FOLDER stands for the files'
  std::string loss = "softmax_cross_entropy";
};

std::vector<Kind> kinds() {
  const std::string csv = "name = \"csv\"\nfolder = \"FOLDER\"\ntrain = \"t.csv\"\n";
  const std::string labels = csv + "target = \"kind\"\nignore = [\"y\"]\n";
  const std::string numbers = csv + "target = \"y\"\nignore = [\"kind\"]\n";
  const std::string array = "name = \"npy\"\nfolder = \"FOLDER\"\ntrain = \"";
  const std::string few = "train_count = 40\ntest_count = 12\n";
  return {
      {"digits", few},
      {"digits again", few + "target = \"input\"\n", "mse"},
      {"mnist", "name = \"mnist\"\nfolder = \"FOLDER\"\n"},
      {"tabular", "name = \"tabular\"\n" + few},
      {"tabular again", "name = \"tabular\"\ntarget = \"input\"\n" + few, "mse"},
      {"regression", "name = \"regression\"\n" + few, "mse"},
      {"csv labels", labels},
      {"csv labels and test", labels + "test = \"t.txt\"\n"},
      {"csv numbers", numbers, "mse"},
      {"csv numbers and test", numbers + "test = \"t.txt\"\n", "mse"},
      {"csv again", csv + "target = \"input\"\nignore = [\"kind\"]\n", "mse"},
      {"bytes", array + "bytes.npy\"\ntrain_target = \"labels.npy\"\n"},
      {"bytes and test", array + "bytes.npy\"\ntrain_target = \"labels.npy\"\ntest = "
                                 "\"test_bytes.npy\"\ntest_target = \"test_labels.npy\"\n"},
      {"pictures", array + "pictures.npy\"\ntrain_target = \"labels.npy\"\n"},
      {"archive", array + "all.npz:x\"\ntrain_target = \"all.npz:y\"\n"},
      {"rows", array + "rows.npy\"\ntrain_target = \"numbers.npy\"\n", "mse"},
      {"bytes again", array + "bytes.npy\"\ntarget = \"input\"\n", "mse"},
      {"pictures again", array + "pictures.npy\"\ntarget = \"input\"\n", "mse"},
  };
}

struct Key {
  std::string key;
  std::vector<std::string> set;          // overrides that give the key
  std::vector<std::string> before = {};  // overrides without and with it
};

std::vector<Key> data_keys() {
  return {
      {"folder", {"data.folder=\"/nowhere\""}},
      {"train_count", {"data.train_count=37"}},
      {"test_count", {"data.test_count=11"}},
      {"validation", {"data.validation=0.3"}},
      {"seed", {"data.seed=7"}},
      {"mean", {"data.mean=0.25", "data.deviation=0.5"}},
      {"target", {"data.target=\"c\""}},
      {"task", {"data.task=\"regression\""}},
      {"task", {"data.task=\"classification\""}},
      {"sampling", {"data.sampling=\"balanced\""}},
      {"normalise", {"data.normalise=false"}},
      {"normalise_target", {"data.normalise_target=false"}},
      {"test", {"data.test=\"more.txt\""}},
      {"test_part", {"data.test_part=0.4"}},
      {"train_target", {"data.train_target=\"others.npy\""}},
      {"test_target", {"data.test_target=\"labels.npy\""}},
      {"missing", {"data.missing=\"drop\""}, {"data.train=\"gaps.csv\""}},
      {"ignore", {"data.ignore=[\"a\", \"y\", \"kind\"]"}},
      {"header", {"data.header=false"}},
      {"separator", {"data.separator=\";\""}},
      {"classes", {"data.classes=[\"odd\", \"even\"]"}},
      {"encoding", {"data.encoding=\"utf-16\""}},
      {"unknown", {"data.unknown=\"odd\""}},
      {"arrays", {"data.arrays=\"meta\""}},
      {"shared_arrays", {"data.shared_arrays=\"table\""}},
  };
}

TEST(RecipeKeys, EachOfDataHasAnEffectOrIsRefused) {
  const ScratchFolder folder;
  write_files(folder);
  int effects = 0, refusals = 0;
  for (Kind kind : kinds()) {
    if (const std::size_t at = kind.data.find("FOLDER"); at != std::string::npos)
      kind.data.replace(at, 6, folder.path().string());
    const std::string text =
        "[data]\n" + kind.data + "[loss]\ntype = \"" + kind.loss + "\"\n" + kModel;
    std::vector<std::string> walked = {"deviation"};  // beside mean
    for (const Key& key : data_keys()) walked.push_back(key.key);
    expect_walked(known_keys(text, "data"), walked, {"name", "train"});
    std::map<std::string, bool> changed;
    for (const Key& key : data_keys()) {
      SCOPED_TRACE(kind.name + ", " + key.set[0]);
      if (key.key == "missing" && kind.data.find("\"csv\"") == std::string::npos) continue;
      std::vector<std::string> overrides = key.before;
      const Outcome without = outcome(text, overrides);
      overrides.insert(overrides.end(), key.set.begin(), key.set.end());
      const Outcome with = outcome(text, overrides);
      ASSERT_EQ(without.refusal, "");
      bool& effect = changed[key.key];
      effect = effect || with.data != without.data;
      if (with.refusal.empty()) {
        ++effects;
        continue;
      }
      ++refusals;
      const bool named = std::ranges::any_of(key.set, [&](const std::string& set) {
        const std::string name = set.substr(5, set.find('=') - 5);
        return with.refusal.find(name) != std::string::npos;
      });
      EXPECT_TRUE(named) << with.refusal;
    }
    for (const auto& [key, effect] : changed)
      EXPECT_TRUE(effect) << kind.name << ", " << key << ": read, and without any effect";
  }
  EXPECT_GT(effects, 100);
  EXPECT_GT(refusals, 80);
}

// The two of the kind that users met: read, written back and never used.
TEST(RecipeKeys, PicturesOfFloatsAreNormalisedAsTheRecipeSays) {
  const ScratchFolder folder;
  write_files(folder);
  const std::string data = "[data]\nname = \"npy\"\nfolder = \"" + folder.path().string() +
                           "\"\ntrain_target = \"labels.npy\"\nvalidation = 0\ntrain = ";
  const auto load = [&](const std::string& rest) {
    Recipe recipe = parse_recipe(data + rest + kModel, "r.toml");
    RecipeData loaded = load_recipe_data(recipe.data);
    EXPECT_EQ(to_toml(parse_recipe(to_toml(recipe), "again")), to_toml(recipe));
    return std::pair(std::move(loaded), recipe.data);
  };
  const auto [raw, no_recipe] = load("\"pictures.npy\"\nnormalise = false\n");
  const auto [scaled, recipe] = load("\"pictures.npy\"\nmean = 100\ndeviation = 50\n");
  ASSERT_EQ(scaled.train.features.size(), raw.train.features.size());
  for (std::size_t i = 0; i < raw.train.features.size(); ++i)
    EXPECT_EQ(scaled.train.features[i], (raw.train.features[i] - 100) / 50);
  EXPECT_EQ(scaled.statistics.input, (Normalisation{{100}, {50}}));
  EXPECT_EQ(load_test_data(recipe, {}, scaled.statistics).features, scaled.test.features);

  const auto [bytes, bytes_recipe] = load("\"bytes.npy\"\nnormalise = false\n");
  EXPECT_EQ(bytes.statistics.input, (Normalisation{{0}, {1}})) << "pixels in [0, 1], as they are";
  EXPECT_FALSE(bytes_recipe.mean.has_value());
  expect_error([&] { load("\"bytes.npy\"\nnormalise = false\nmean = 0.5\ndeviation = 1\n"); },
               {"r.toml, line", "[data] mean: has no effect with normalise = false"});
}

TEST(RecipeKeys, IdleOnesAreRefusedWithTheReason) {
  const auto refused = [](const std::string& rest, std::initializer_list<std::string> parts) {
    expect_error([&] { parse_recipe(kModel + rest, "r.toml"); }, parts);
  };
  const std::string csv = "[data]\nname = \"csv\"\ntrain = \"a\"\ntarget = \"y\"\n";
  const std::string mse = "[loss]\ntype = \"mse\"\n";
  refused(csv + "test = \"b\"\ntest_part = 0.1\n",
          {"line 8: [data] test_part: has no effect beside test"});
  refused(csv + "classes = [\"a\", \"b\"]\n" + mse, {"[data] classes: has no effect on numbers"});
  refused(csv + "normalise_target = false\n", {"normalise_target", "without numbers to predict"});
  refused(
      "[data]\nname = \"csv\"\ntrain = \"a\"\ntarget = \"input\"\ntask = \"regression\"\n" + mse,
      {"[data] task: has no effect beside target"});
  refused(csv + "task = \"regression\"\n[loss]\nignored_label = 3\n",
          {"[loss] ignored_label: has no effect on targets that are no labels"});
  // A growth interval is of a scale that grows.
  const std::string growth = "[optim]\ngrowth_interval = 100\n";
  refused(growth, {"line 4: [optim] growth_interval: has no effect", "float16"});
  refused(growth + "[train]\nprecision = \"bfloat16\"\n", {"growth_interval"});
  refused(growth + "loss_scale = 8\n[train]\nprecision = \"float16\"\n", {"growth_interval"});
  const std::string half = "[train]\nprecision = \"float16\"\n";
  EXPECT_EQ(parse_recipe(kModel + growth + half, "r").optim.growth_interval, 100);
  refused("[optim]\nema_warmup = false\n", {"line 4", "ema_warmup"});
  // What is so anyway may be said: resolved recipes say it.
  EXPECT_NO_THROW(parse_recipe(kModel + "[optim]\ngrowth_interval = 2000\n", "r"));
}

// ---- [optim] and [schedule]

TEST(RecipeKeys, EachOfEveryMethodIsTakenOrRefused) {
  const std::vector<std::string> keys = {"lr=0.125",        "weight_decay=0.25",
                                         "momentum=0.375",  "dampening=0.5",
                                         "nesterov=true",   "betas=[0.5, 0.625]",
                                         "epsilon=0.03125", "momentum_decay=0.125",
                                         "alpha=0.75",      "centered=true",
                                         "rate_decay=0.5",  "initial_accumulator=0.25",
                                         "rho=0.625",       "clip_norm=2",
                                         "clip_value=3",    "check_gradient=false",
                                         "accumulate=4",    "ema=0.5",
                                         "loss_scale=16",   "growth_interval=7",
                                         "ema_warmup=false"};
  for (const std::string& kind : rule_kinds()) {
    const std::string text = kModel + "[optim]\ntype = \"" + kind + "\"\n";
    expect_walked(known_keys(text, "optim"), keys, {"type"});
    const OptimizerRecipe without = parse_recipe(text, "r.toml").optim;
    for (const std::string& key : keys) {
      SCOPED_TRACE(kind + ", " + key);
      const std::vector<std::string> set = {"optim." + key};
      try {
        EXPECT_FALSE(parse_recipe(text, "r.toml", set).optim == without);
      } catch (const Error& error) {
        EXPECT_NE(error.message().find(key.substr(0, key.find('='))), std::string::npos)
            << error.message();
      }
    }
  }
}

std::string fields(const Schedule& s) {
  std::string text =
      str(int(s.kind), " ", s.base, " ", s.final, " ", s.warmup_steps, " ", s.total_steps, " ",
          s.gamma, " ", s.period, " ", s.period_factor, " ", s.power, " ", s.start, " ", s.rise,
          " ", s.patience, " ", s.cooldown, " ", s.threshold);
  for (const std::uint64_t milestone : s.milestones) text += str(" ", milestone);
  return text;
}

TEST(RecipeKeys, EachOfEveryScheduleHasAnEffectOrIsRefused) {
  const std::vector<std::string> schedules = {"constant\"",
                                              "step\"\nperiod = 30\ngamma = 0.5",
                                              "multi_step\"\nmilestones = [30, 60]",
                                              "exponential\"\ngamma = 0.99",
                                              "polynomial\"",
                                              "cosine\"",
                                              "cosine_restarts\"\ncycle = 10",
                                              "one_cycle\"",
                                              "warmup_stable_decay\"",
                                              "plateau\""};
  const std::vector<std::string> keys = {
      "warmup_steps=5", "final_lr=1e-5",    "gamma=0.25",     "period=7",   "milestones=[20]",
      "power=2",        "cycle=9",          "cycle_factor=2", "rise=0.125", "start_divisor=8",
      "patience=3",     "final_divisor=16", "decay_steps=11", "cooldown=4", "threshold=0.5"};
  const auto built = [](const std::string& text, const std::vector<std::string>& set) {
    const Recipe recipe = parse_recipe(text, "r.toml", set);
    return fields(recipe.schedule.fitting_schedule(recipe.optim.lr, 100));
  };
  for (const std::string& schedule : schedules) {
    const std::string text = kModel + "[schedule]\ntype = \"" + schedule + "\n";
    expect_walked(known_keys(text, "schedule"), keys, {"type"});
    for (const std::string& key : keys) {
      SCOPED_TRACE(schedule + ", " + key);
      try {
        EXPECT_NE(built(text, {"schedule." + key}), built(text, {}));
      } catch (const Error& error) {
        EXPECT_NE(error.message().find(key.substr(0, key.find('='))), std::string::npos)
            << error.message();
      }
    }
  }
}

TEST(RecipeKeys, EachOfTrainIsTaken) {
  const std::vector<std::string> keys = {"epochs=3", "steps=7", "batch=5", "seed=8",
                                         "precision=bfloat16"};
  expect_walked(known_keys(kModel, "train"), keys, {});
  const TrainRecipe without = parse_recipe(kModel, "r").train;
  for (const std::string& key : keys)
    EXPECT_FALSE(parse_recipe(kModel, "r", std::vector<std::string>{"train." + key}).train ==
                 without)
        << key;
}

}  // namespace
}  // namespace adjoint

#include "core/train/recipe/recipe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "core/train/recipe/recipe_tables.h"
#include "optim/rules.h"
#include "optim/schedules.h"
#include "support/expect_error.h"
#include "support/source_folder.h"

namespace adjoint {
namespace {

using test::expect_error;

const std::string kModel = "[model]\nlayers = [{type = \"linear\", out = 10}]\n";

/// Line 3 and on are `rest`.
Recipe parse(const std::string& rest, std::vector<std::string> overrides = {}) {
  return parse_recipe(kModel + rest, "r.toml", overrides);
}

void expect_refused(const std::string& rest, std::initializer_list<std::string> parts) {
  expect_error([&] { parse(rest); }, parts);
}

void expect_override_refused(const std::string& assignment,
                             std::initializer_list<std::string> parts) {
  expect_error([&] { parse("", {assignment}); }, {"--set " + assignment + ": "});
  expect_error([&] { parse("", {assignment}); }, parts);
}

TEST(Recipe, DefaultsFillWhatIsLeftOut) {
  const Recipe recipe = parse("");
  EXPECT_EQ(recipe.name, "r.toml");
  EXPECT_EQ(recipe.data.name, "digits");
  EXPECT_EQ(recipe.data.train_count, 30000);
  EXPECT_EQ(recipe.optim.rule.kind(), "adamw");
  EXPECT_EQ(recipe.optim.lr, 1e-3);
  EXPECT_EQ(recipe.train.epochs, 10);
  EXPECT_EQ(recipe.train.steps, std::nullopt);
  EXPECT_EQ(recipe.train.precision, DType::float32);
  EXPECT_EQ(recipe.layers.size(), 1u);
}

TEST(Recipe, ReadsEveryKey) {
  Recipe recipe = parse(R"(
[data]
name = "mnist"
folder = "a b"
train_count = 100
test_count = 50
seed = 9
validation = 0
mean = 0.1
deviation = 2
[loss]
label_smoothing = 0.1
ignored_label = -1
[optim]
type = "sgd"
lr = 1
momentum = 0.5
nesterov = true
weight_decay = 1e-4
clip_norm = 1
accumulate = 4
[schedule]
type = "cosine"
warmup_steps = 10
final_lr = 1e-5
[train]
steps = 77
batch = 32
seed = 5
precision = "bfloat16"
)");
  EXPECT_EQ(recipe.data.folder, "a b");
  EXPECT_EQ(recipe.data.train_count, 100);
  EXPECT_EQ(recipe.data.test_count, 50);
  EXPECT_EQ(recipe.data.seed, 9u);
  EXPECT_EQ(recipe.data.validation, 0);
  EXPECT_EQ(recipe.data.mean, 0.1);
  EXPECT_EQ(recipe.data.deviation, 2.0);
  EXPECT_EQ(recipe.losses[0].options.number("label_smoothing"), 0.1);
  EXPECT_EQ(recipe.losses[0].options.integer("ignored_label"), -1);
  EXPECT_EQ(recipe.optim.lr, 1);
  const auto& sgd = recipe.optim.rule.as<SgdOptions>();
  EXPECT_EQ(sgd.momentum, 0.5);
  EXPECT_TRUE(sgd.nesterov);
  EXPECT_EQ(sgd.weight_decay, 1e-4);
  EXPECT_EQ(recipe.optim.clip_norm, 1);
  EXPECT_EQ(recipe.optim.accumulate, 4);
  EXPECT_EQ(recipe.schedule.kind(), "cosine");
  EXPECT_EQ(recipe.schedule.warmup_steps(), 10u);
  EXPECT_EQ(recipe.schedule.as<CosineOptions>().final, 1e-5);
  EXPECT_EQ(recipe.train.steps, 77);
  EXPECT_EQ(recipe.train.epochs, std::nullopt);
  EXPECT_EQ(recipe.train.batch, 32);
  EXPECT_EQ(recipe.train.seed, 5u);
  EXPECT_EQ(recipe.train.precision, DType::bfloat16);
  const std::string resolved = to_toml(recipe);
  EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);
}

TEST(Recipe, LayersKeepTheirOptionsForTheRegistry) {
  Recipe recipe = parse_recipe(R"([model]
layers = [
  {type = "linear", out = 512, bias = false},
  {type = "dropout", p = 0.1, "odd key" = [1, 2.5], name = "a\"b"},
])",
                               "r.toml");
  ASSERT_EQ(recipe.layers.size(), 2u);
  EXPECT_EQ(recipe.layers[0].type, "linear");
  EXPECT_EQ(recipe.layers[0].options.integer("out"), 512);
  expect_error([&] { recipe.layers[0].options.finish(); },
               {"r.toml, line 3: layer 0 (linear) has no key 'bias'"});
  EXPECT_FALSE(recipe.layers[0].options.flag("bias", true));
  EXPECT_NO_THROW(recipe.layers[0].options.finish());
  expect_error([&] { recipe.layers[1].options.require(false, "p", "a number below 1"); },
               {"r.toml, line 4: layer 1 (dropout) p: expected a number below 1, got 0.1"});
  const std::string resolved = to_toml(recipe);
  Recipe again = parse_recipe(resolved, "again");
  EXPECT_EQ(to_toml(again), resolved);
  EXPECT_EQ(again.layers[1].options.text("name"), "a\"b");
  EXPECT_EQ(again.layers[1].options.numbers("odd key"), (std::vector<double>{1, 2.5}));
}

TEST(Recipe, MisspeltNamesAreErrorsThatNameTheNearest) {
  expect_refused("[optim]\nlearning_rte = 1\nlr_ = 2",
                 {"r.toml, line 4: [optim] has no key 'learning_rte'"});
  expect_refused(
      "[optim]\nwieght_decay = 1",
      {"r.toml, line 4: [optim] has no key 'wieght_decay'; did you mean 'weight_decay'?"});
  expect_refused("[optmi]\nlr = 1", {"r.toml, line 3: a recipe has no table [optmi]; did you mean "
                                     "'optim'?"});
  expect_refused("[optim]\nbatas = [0.9, 0.9]", {"did you mean 'betas'?"});
  expect_refused("[optim]\ntype = \"sgd\"\nbetas = [0.9, 0.9]", {"line 5", "no key 'betas'"});
  expect_refused("[optim]\ntype = \"adamww\"",
                 {"line 4", "unknown 'adamww'; did you mean 'adamw'?"});
  expect_refused("[data]\nname = \"minst\"", {"unknown 'minst'; did you mean 'mnist'?"});
  expect_refused("[train]\nprecision = \"fp32\"", {"unknown 'fp32'"});
  expect_error([] { parse_recipe("[model]\nlayer = [{type = \"relu\"}]", "r.toml"); },
               {"line 2: [model]"});
  expect_error([] { parse_recipe("lr = 1\n" + kModel, "r.toml"); },
               {"line 1", "no key lr outside"});
}

TEST(Recipe, WrongTypesSayWhatWasExpectedAndFound) {
  expect_refused("[optim]\nlr = \"fast\"",
                 {"r.toml, line 4: [optim] lr: expected a number, got the text \"fast\""});
  expect_refused("[train]\nbatch = 1.5", {"line 4", "expected a whole number, got 1.5"});
  expect_refused("[train]\nbatch = 2020-01-01", {"line 4", "[train] batch", "a date"});
  expect_refused("[train]\nbatch = {a = 1}", {"line 4", "[train] batch", "got a table"});
  expect_refused("[optim]\nbetas = [1, \"a\"]", {"line 4", "a mixed one"});
  expect_refused("train = 3", {"line 3"});
}

TEST(Recipe, ValuesOutOfRangeAreErrors) {
  expect_refused("[optim]\nlr = -1", {"line 4: [optim] lr: expected a positive number, got -1"});
  expect_refused("[optim]\nlr = nan", {"lr: expected a positive number, got nan"});
  expect_refused("[optim]\nlr = inf", {"got inf"});
  expect_refused("[optim]\nlr = 0", {"got 0"});
  expect_refused("[optim]\nbetas = [0.9]", {"betas: expected two numbers"});
  expect_refused("[optim]\nbetas = [0.9, 1.0]", {"betas: expected two numbers"});
  expect_refused("[optim]\nepsilon = 0.0", {"epsilon"});
  expect_refused("[optim]\nweight_decay = -0.1", {"weight_decay: expected a number of at least 0"});
  expect_refused("[optim]\nclip_norm = nan", {"clip_norm"});
  expect_refused("[optim]\naccumulate = 0", {"accumulate: expected a whole number of at least 1"});
  expect_refused("[train]\nbatch = 0", {"batch: expected a whole number of at least 1, got 0"});
  expect_refused("[train]\nepochs = 0", {"epochs"});
  expect_refused("[train]\nsteps = -5", {"steps"});
  expect_refused("[train]\nsteps = 5\nepochs = 5", {"epochs or steps, not both"});
  expect_refused("[train]\nseed = -1", {"seed"});
  expect_refused("[data]\nvalidation = 1.0", {"validation: expected a number from 0 to below 1"});
  expect_refused("[data]\ntrain_count = 0", {"train_count"});
  expect_refused("[data]\nmean = 0.5", {"deviation: expected a number beside mean"});
  expect_refused("[data]\nmean = 0.5\ndeviation = 0", {"deviation: expected a positive number"});
  expect_refused("[schedule]\ntype = \"cosine\"\nfinal_lr = 1", {"final_lr", "optim.lr"});
}

TEST(Recipe, EveryMethodReadsAndResolves) {
  for (const std::string& type : rule_kinds()) {
    const RuleOptions defaults = default_rule_options(type);
    const Recipe recipe = parse(str("[optim]\ntype = \"", type, "\"\nweight_decay = 0.125\n"));
    EXPECT_EQ(recipe.optim.rule.kind(), type);
    EXPECT_EQ(recipe.optim.rule.name(), defaults.name());
    EXPECT_EQ(recipe.optim.rule.weight_decay(), 0.125);
    EXPECT_EQ(recipe.optim.rule.learning_rate(), defaults.learning_rate());
    EXPECT_EQ(recipe.optim.rule.learning_rate(), recipe.optim.lr);
    const std::string resolved = to_toml(recipe);
    EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);
    expect_refused(str("[optim]\ntype = \"", type, "\"\nwieght_decay = 1"),
                   {"line 5", "did you mean 'weight_decay'?"});
    expect_refused(str("[optim]\ntype = \"", type, "\"\nweight_decay = -1"), {"line 5"});
  }
  expect_refused("[optim]\ntype = \"sgd\"\nmomentum = 0\nnesterov = true",
                 {"momentum: expected a number above 0 for nesterov"});
  expect_refused("[optim]\ntype = \"rmsprop\"\nalpha = 1.0", {"alpha"});
}

TEST(Recipe, EveryScheduleReadsAndResolves) {
  const std::string schedules[] = {"type = \"constant\"",
                                   "type = \"step\"\nperiod = 30\ngamma = 0.5",
                                   "type = \"multi_step\"\nmilestones = [30, 60]",
                                   "type = \"exponential\"\ngamma = 0.99",
                                   "type = \"polynomial\"\npower = 2\nfinal_lr = 1e-5",
                                   "type = \"cosine\"\nfinal_lr = 1e-5",
                                   "type = \"cosine_restarts\"\ncycle = 10\ncycle_factor = 2",
                                   "type = \"one_cycle\"\nrise = 0.2\nstart_divisor = 10",
                                   "type = \"warmup_stable_decay\"\ndecay_steps = 20",
                                   "type = \"plateau\"\npatience = 2\ngamma = 0.5"};
  for (const std::string& schedule : schedules) {
    const Recipe recipe = parse(str("[schedule]\n", schedule, "\nwarmup_steps = 5\n"));
    const std::string resolved = to_toml(recipe);
    EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved) << schedule;
    for (const std::uint64_t steps : {1u, 2u, 3u, 100u})  // cut short, it still is a schedule
      EXPECT_NO_THROW(recipe.schedule.fitting_schedule(recipe.optim.lr, steps)) << schedule;
    expect_refused(str("[schedule]\n", schedule, "\nwarmup_stps = 5"),
                   {"did you mean 'warmup_steps'?"});
  }
  expect_refused("[schedule]\ntype = \"step\"", {"[schedule] has no period"});
  expect_refused("[schedule]\ntype = \"exponential\"", {"[schedule] has no gamma"});
  expect_refused("[schedule]\ntype = \"multi_step\"\nmilestones = [5, 4]", {"ascending"});
  expect_refused("[schedule]\ntype = \"plateau\"\ngamma = 1.0", {"between 0 and 1"});
  expect_refused("[schedule]\ntype = \"cosin\"", {"did you mean 'cosine'?"});
  expect_refused("[schedule]\nperiod = 3", {"no key 'period'"});
}

template <int kNumber>
struct DoubledOptions {
  static constexpr const char* kName = "doubled";
  static constexpr const char* kType = "doubled";
  std::uint64_t warmup_steps = kNumber;

  bool operator==(const DoubledOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t) const { return {.base = rate}; }

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
  }
};
const bool registered =
    register_schedule(DoubledOptions<0>{}) && register_schedule(DoubledOptions<1>{});

TEST(Recipe, AKindThatTwoClaimIsAnErrorOfTheRecipe) {
  expect_refused("[schedule]\ntype = \"doubled\"",
                 {"r.toml, line 4: [schedule] type: there are two of kind 'doubled'"});
  EXPECT_NO_THROW(parse("[schedule]\ntype = \"cosine\""));
}

TEST(Recipe, GroupsAreReadStrictly) {
  const Recipe recipe = parse(R"([optim]
clip_value = 0.5
check_gradient = false
ema = 0.999
loss_scale = 128
groups = [
  {match = "*.bias", weight_decay = 0.0},
  {rank = 1, weight_decay = 0.0, lr_scale = 0.5},
]
)");
  ASSERT_EQ(recipe.optim.groups.size(), 2u);
  EXPECT_EQ(recipe.optim.groups[0].match, "*.bias");
  EXPECT_EQ(recipe.optim.groups[0].weight_decay, 0.0);
  EXPECT_EQ(recipe.optim.groups[0].lr_scale, 1);
  EXPECT_EQ(recipe.optim.groups[1].match, "*");
  EXPECT_EQ(recipe.optim.groups[1].rank, 1);
  EXPECT_EQ(recipe.optim.ema, 0.999);
  EXPECT_TRUE(recipe.optim.ema_warmup) << "of a short run the average hangs on its beginning else";
  EXPECT_FALSE(parse("[optim]\nema = 0.9\nema_warmup = false").optim.ema_warmup);
  EXPECT_EQ(recipe.optim.clip_value, 0.5);
  EXPECT_FALSE(recipe.optim.check_gradient);
  EXPECT_EQ(recipe.optim.loss_scale, 128.0);
  const std::string resolved = to_toml(recipe);
  EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);
  const std::string begin = "[optim]\ngroups = [\n{match = \"*.bias\", ";
  expect_refused(begin + "wd = 0.0}]", {"line 5: [optim] group 0 has no key 'wd'"});
  expect_refused(begin + "weight_deca = 0.0}]", {"did you mean 'weight_decay'?"});
  expect_refused(begin + "lr_scale = -1}]", {"line 5: [optim] group 0 lr_scale"});
  expect_refused(begin + "weight_decay = nan}]", {"weight_decay"});
  expect_refused("[optim]\ngroups = [{lr_scale = 1}]", {"line 4", "group 0 has no match"});
  expect_refused("[optim]\ngroups = [3]", {"line 4: [optim] group 0: expected a table"});
  expect_refused("[optim]\ngroups = 3", {"line 4: [optim] groups: expected a list of tables"});
  expect_refused("[optim]\nema = 1.0", {"ema"});
  expect_refused("[optim]\nloss_scale = 0", {"loss_scale"});
  EXPECT_EQ(parse("[optim]\ngroups = [{match = \"*\"}]", {"optim.groups.0.lr_scale=0.25"})
                .optim.groups[0]
                .lr_scale,
            0.25);
}

TEST(Recipe, BrokenTomlNamesTheLine) {
  expect_refused("[optim\nlr = 1", {"r.toml, line 3: not TOML"});
  expect_refused("[optim]\nlr = 1\nlr = 2", {"r.toml, line 5: not TOML"});
  expect_error([] { parse_recipe("", "r.toml"); }, {"r.toml: the recipe has no layers"});
  expect_error([] { parse_recipe("[model]\nlayers = []", "r.toml"); }, {"no layers"});
  expect_error([] { parse_recipe("[model]\nlayers = 3", "r.toml"); }, {"line 2", "list of tables"});
  expect_error([] { parse_recipe("[model]\nlayers = [3]", "r.toml"); }, {"line 2", "layer 0"});
  expect_error([] { parse_recipe("[model]\nlayers = [{out = 3}]", "r.toml"); },
               {"line 2: layer 0 has no type"});
  expect_error([] { parse_recipe("[model]\nlayers = [{type = 3}]", "r.toml"); },
               {"line 2: layer 0 type: expected text"});
  expect_error([] { read_recipe("/none/r.toml"); }, {"/none/r.toml", "No such file"});
}

// toml++ frees tables in tables by recursion: without limits these would exhaust the stack, or take
// minutes.
TEST(Recipe, ExcessIsAnErrorNotACrash) {
  std::string key = "a";
  for (int i = 0; i < 200'000; ++i) key += ".a";
  expect_refused("[data]\n" + key + " = 1", {"r.toml: not a recipe", "dots in line 4"});
  expect_refused("[data." + key + "]", {"dots in line 3"});
  expect_refused("[data]\nx = [\"\"\"\nq\"\"\"\"\", {" + key + " = 1}]", {"dots in line 5"});
  expect_refused("[data]\nx = {y = '\\', " + key + " = 1}", {"dots in line 4"});
  expect_refused("[data]\nx = " + std::string(200'000, '['), {"line 4: not TOML"});
  expect_override_refused("data.x={" + key + "=1}", {"dots"});
  std::string keys;
  for (int i = 0; i < 2000; ++i) keys += str("k", i, " = 1\n");
  expect_refused("[data]\n" + keys, {"line 3: [data] has 2000 keys"});
}

TEST(Recipe, DotsInTextsCommentsAndNumbersAreNotCounted) {
  const std::string dots(100, '.');
  std::string numbers = "0.5";
  for (int i = 0; i < 100; ++i) numbers += ", 0.5";
  const Recipe recipe = parse("[loss] # " + dots + "\na = \"\\\"" + dots + "\"\nb = '" + dots +
                              "'\nc = \"\"\"\"\n" + dots + "\"\"\"\"\"\nd = [" + numbers + "]");
  EXPECT_EQ(recipe.losses[0].options.items().size(), 4u);
}

TEST(Recipe, OverridesReplaceAndAdd) {
  Recipe recipe =
      parse("[optim]\nlr = 1\n[train]\nepochs = 3",
            {"optim.lr=1e-2", "train.batch = 7", "data.name=mnist", "data.folder=/tmp/a-b.c",
             "optim.betas=[0.5, 0.6]", "model.layers.0.out=32", "model.layers.0.bias=false"});
  EXPECT_EQ(recipe.optim.lr, 1e-2);
  EXPECT_EQ(recipe.train.batch, 7);
  EXPECT_EQ(recipe.train.epochs, 3);
  EXPECT_EQ(recipe.data.name, "mnist");
  EXPECT_EQ(recipe.data.folder, "/tmp/a-b.c");
  EXPECT_EQ(recipe.optim.rule.as<AdamWOptions>().beta2, 0.6);
  EXPECT_EQ(recipe.layers[0].options.integer("out"), 32);
  EXPECT_FALSE(recipe.layers[0].options.flag("bias"));
  EXPECT_EQ(parse("", {"optim.lr=1", "optim.lr=2"}).optim.lr, 2);
}

TEST(Recipe, StepsAndEpochsTakeEachOtherBack) {
  const Recipe steps = parse("[train]\nepochs = 3", {"train.steps=100"});
  EXPECT_EQ(steps.train.steps, 100);
  EXPECT_EQ(steps.train.epochs, std::nullopt);
  const Recipe epochs = parse("[train]\nsteps = 3", {"train.epochs=2"});
  EXPECT_EQ(epochs.train.epochs, 2);
  EXPECT_EQ(epochs.train.steps, std::nullopt);
}

TEST(Recipe, WrongOverridesNameThemselves) {
  expect_override_refused("optim.lr", {"expected table.key=value"});
  expect_override_refused("lr=1", {"expected table.key=value"});
  expect_override_refused("optim..lr=1", {"expected table.key=value"});
  expect_override_refused("optim.\xff=1", {"expected table.key=value"});
  expect_override_refused("optim.lr=", {"expected a value"});
  expect_override_refused("optim.lr=1\nbatch=2", {"in one line"});
  expect_override_refused("optim.lr=[1", {"not a value of TOML"});
  expect_override_refused("optmi.lr=1", {"no table [optmi]; did you mean 'optim'?"});
  expect_override_refused("optim.rl=1", {"[optim] has no key 'rl'; did you mean 'lr'?"});
  expect_override_refused("optim.lr=fast", {"expected a number, got the text \"fast\""});
  expect_override_refused("optim.lr=-1", {"expected a positive number, got -1"});
  expect_override_refused("model.layers.1.out=3", {"'1' is not an index into a list of 1"});
  expect_override_refused("model.layers.x.out=3", {"'x' is not an index"});
  expect_override_refused("model.layers.0=3", {"'layers' is not a table"});
  expect_override_refused("optim.lr.x.y=3", {"no table 'lr' there"});
}

TEST(Recipe, ReadsEveryKeyOfTables) {
  Recipe recipe = parse(R"(
[data]
name = "csv"
folder = "f"
train = "a.csv"
test = "b.csv"
missing = "drop"
target = ["x", "y"]
task = "regression"
ignore = 3
header = false
separator = ";"
normalise = false
normalise_target = false
seed = 9
[loss]
type = "mse"
)");
  EXPECT_EQ(recipe.data.train, "a.csv");
  EXPECT_EQ(recipe.data.test, "b.csv");
  EXPECT_TRUE(recipe.data.drop_missing);
  EXPECT_EQ(recipe.data.target, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(recipe.data.task, Task::regression);
  EXPECT_EQ(recipe.data.ignore, (std::vector<std::string>{"3"}));
  EXPECT_FALSE(recipe.data.header);
  EXPECT_EQ(recipe.data.separator, ';');
  EXPECT_FALSE(recipe.data.normalise);
  EXPECT_FALSE(recipe.data.normalise_target);
  EXPECT_EQ(recipe.losses[0].type, "mse");
  const std::string resolved = to_toml(recipe);
  EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);

  recipe = parse(
      "[data]\nname = \"csv\"\ntrain = \"a.csv\"\ntarget = 4\nclasses = [\"a\", \"b\"]\n"
      "sampling = \"balanced\"\n");
  EXPECT_EQ(recipe.data.task, Task::classification) << "for the loss is a cross-entropy";
  EXPECT_EQ(recipe.data.target, (std::vector<std::string>{"4"}));
  EXPECT_EQ(recipe.data.test_part, 0.2);
  EXPECT_TRUE(recipe.data.balanced_sampling);
  EXPECT_EQ(to_toml(parse_recipe(to_toml(recipe), "again")), to_toml(recipe));

  recipe = parse(
      "[data]\nname = \"csv\"\ntrain = \"a.csv\"\ntarget = 4\nencoding = \"cp1252\"\n"
      "unknown = [\"?\", \"\"]\n[loss]\nignored_label = -1\n");
  EXPECT_EQ(recipe.data.encoding, "cp1252");
  EXPECT_EQ(recipe.data.unknown, (std::vector<std::string>{"?", ""}));
  EXPECT_EQ(recipe.data.ignored_label, -1);
  EXPECT_EQ(parse_recipe(to_toml(recipe), "again").data, recipe.data);

  recipe = parse("[data]\nname = \"npy\"\ntrain = \"a.npz:x\"\ntrain_target = \"a.npz:y\"\n");
  EXPECT_EQ(recipe.data.train_target, "a.npz:y");
  EXPECT_EQ(to_toml(parse_recipe(to_toml(recipe), "again")), to_toml(recipe));
}

TEST(Recipe, OverridesThatAreNotUtf8AreRefused) {
  expect_override_refused(
      "data.folder=gr\xf6\xdf"
      "e",
      {"--set data.folder=", "utf-8"});
  expect_override_refused("data.gr\xf6=1", {"--set data.gr", "expected table.key=value"});
}

// A folder of files, say, whose name is in another encoding.
TEST(Recipe, TextThatIsNotUtf8IsNotWritten) {
  Recipe recipe = parse("[data]\nname = \"mnist\"\n");
  recipe.data.folder =
      "/data/gr\xf6\xdf"
      "e";
  expect_error([&] { to_toml(recipe); }, {"folder = \"/data/gr??e\"", "UTF-8"});
}

TEST(Recipe, TheInputMayBeTheTarget) {
  for (const std::string data :
       {"name = \"digits\"\n", "name = \"mnist\"\n", "name = \"tabular\"\n",
        "name = \"csv\"\ntrain = \"a.csv\"\n", "name = \"npy\"\ntrain = \"a.npy\"\n"}) {
    const Recipe recipe = parse("[data]\n" + data + "target = \"input\"\n[loss]\ntype = \"mse\"\n");
    EXPECT_EQ(recipe.data.task, Task::reconstruction) << data;
    EXPECT_EQ(to_toml(parse_recipe(to_toml(recipe), "again")), to_toml(recipe));
  }
}

TEST(Recipe, MistakesInTheDataAreNamed) {
  const std::string csv = "[data]\nname = \"csv\"\n";
  const std::string npy = "[data]\nname = \"npy\"\n";
  expect_refused(csv + "target = \"x\"", {"[data] has no train"});
  expect_refused(csv + "train = \"a\"", {"[data] target: expected the column"});
  expect_refused(csv + "train = \"a\"\ntarget = 1.5", {"target: expected text in quotes, a whole"});
  expect_refused(csv + "train = \"a\"\ntarget = [1, 2]", {"target: expected one column of labels"});
  expect_refused(csv + "train = \"a\"\ntarget = 1\ntest_part = 0", {"test_part"});
  expect_refused(csv + "train = \"a\"\ntarget = 1\nencoding = \"cp125x\"",
                 {"[data] encoding: expected", "cp125x"});
  expect_refused(csv + "train = \"a\"\ntarget = 1\ntask = \"regression\"\nunknown = \"?\"",
                 {"[data] unknown: expected none without classes"});
  expect_refused(csv + "train = \"a\"\ntarget = \"input\"\nunknown = \"?\"", {"[data] unknown"});
  expect_refused(csv + "train = \"a\"\ntarget = 1\nseparator = \"ab\"", {"a single character"});
  expect_refused(csv + "train = \"a\"\ntarget = 1\ntrain_count = 5", {"no key 'train_count'"});
  expect_refused(npy + "train = \"a.npy\"", {"train_target", "the array to predict"});
  expect_refused(npy + "train = \"a.npy\"\ntrain_target = \"b.npy\"\ntest = \"c.npy\"",
                 {"test_target"});
  expect_refused("[data]\nname = \"tabular\"\nmean = 1\ndeviation = 1", {"no key 'mean'"});
  expect_refused("[data]\nnormalise = false", {"no key 'normalise'"});
  expect_refused("[data]\nname = \"regression\"\nsampling = \"balanced\"", {"only classes"});
  expect_refused("[data]\ntarget = \"price\"", {"unknown 'price'"});
}

TEST(Recipe, TheShippedRecipesReadAndResolve) {
  for (const char* name : {"digits.toml", "mnist_mlp.toml"}) {
    const Recipe recipe = read_recipe(source_folder() / "tools/recipes" / name);
    EXPECT_EQ(recipe.name, name);
    EXPECT_EQ(recipe.layers.size(), 6u);
    const std::string resolved = to_toml(recipe);
    EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);
  }
  for (const char* name :
       {"autoencoder.toml", "mnist_linear.toml", "regression.toml", "tabular.toml"}) {
    const Recipe recipe = read_recipe(source_folder() / "tools/recipes" / name);
    const std::string resolved = to_toml(recipe);
    EXPECT_EQ(to_toml(parse_recipe(resolved, "again")), resolved);
  }
}

// The indented blocks of the page about data that begin with a table: "    [data]".
TEST(Recipe, TheExamplesOfTheReadmeAreRecipes) {
  std::ifstream page(source_folder() / "core/data/readers/README.md");
  ASSERT_TRUE(page) << source_folder();
  std::vector<std::string> examples;
  bool within = false;
  for (std::string line; std::getline(page, line); within = within && !line.empty()) {
    if (line.starts_with("    [")) {
      if (!within) examples.emplace_back();
      within = true;
    }
    if (within) examples.back() += line + "\n";
  }
  EXPECT_EQ(examples.size(), 2u);
  for (const std::string& example : examples) EXPECT_NO_THROW(parse(example)) << example;
}

TEST(Options, ValuesAsToml) {
  EXPECT_EQ(toml_text(true), "true");
  EXPECT_EQ(toml_text(std::int64_t{-3}), "-3");
  EXPECT_EQ(toml_text(1.0), "1.0");
  EXPECT_EQ(toml_text(1e-3), "0.001");
  EXPECT_EQ(toml_text(1e300), "1e+300");
  EXPECT_EQ(toml_text(0.1), "0.1");
  EXPECT_EQ(toml_text(-INFINITY), "-inf");
  EXPECT_EQ(toml_text(std::string("a\"\\\n\x7f")), R"("a\"\\\u000A\u007F")");
  EXPECT_EQ(toml_text(std::vector<double>{0.9, 1}), "[0.9, 1.0]");
  EXPECT_EQ(toml_text(std::vector<std::string>{"a", "b"}), R"(["a", "b"])");
}

}  // namespace
}  // namespace adjoint

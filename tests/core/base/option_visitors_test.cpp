#include "core/base/option_visitors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/train/recipe/recipe_tables.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

struct Sample {
  double share = 0.5, size = 0, scale = 2, epsilon = 1e-8, beta1 = 0.9, beta2 = 0.99;
  bool centered = false;
  std::uint32_t patience = 3;
  std::uint64_t warmup = 0;
  std::optional<double> decay = {}, loss_scale = {};

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.fraction("share", o.share);
    visitor.not_negative("size", o.size);
    visitor.positive("scale", o.scale);
    visitor.epsilon(o.epsilon);
    visitor.betas(o.beta1, o.beta2);
    visitor.flag("centered", o.centered);
    visitor.count("patience", o.patience, 1);
    visitor.steps("warmup", o.warmup);
    visitor.optional_not_negative("decay", o.decay);
    visitor.optional_positive("loss_scale", o.loss_scale);
    visitor.require(!o.centered || o.size > 0, "size", "a number above 0 for centered");
  }
};

Sample read(Options table) {
  Sample sample;
  Sample::visit(sample, OptionReader{table});
  table.finish();
  return sample;
}

template <class T>
Sample read_with(const std::string& key, const T& value) {
  Options table("[sample]", "r.toml");
  table.set(key, value, "r.toml, line 7");
  return read(table);
}

TEST(OptionVisitors, ReadEachKeyAndLeaveTheOthers) {
  EXPECT_EQ(read(Options("[sample]")).patience, 3u);
  EXPECT_EQ(read_with("patience", std::int64_t(9)).patience, 9u);
  EXPECT_EQ(read_with("warmup", std::int64_t(1) << 40).warmup, std::uint64_t(1) << 40);
  const Sample sample = read_with("betas", std::vector<double>{0.25, 0.5});
  EXPECT_EQ(sample.beta1, 0.25);
  EXPECT_EQ(sample.beta2, 0.5);
  EXPECT_EQ(sample.scale, 2);
  EXPECT_EQ(sample.decay, std::nullopt);
  EXPECT_EQ(read_with("decay", 0.0).decay, 0.0);
}

TEST(OptionVisitors, ReadingSaysPlaceKeyAndRange) {
  const std::string place = "r.toml, line 7: [sample] ";
  expect_error([] { read_with("share", 1.0); },
               {place + "share: expected a number from 0 to below 1, got 1.0"});
  expect_error([] { read_with("size", -1.0); }, {"size: expected a number of at least 0"});
  expect_error([] { read_with("scale", 0.0); }, {"scale: expected a positive number, got 0.0"});
  expect_error([] { read_with("epsilon", std::nan("")); }, {"epsilon: expected a positive"});
  expect_error([] { read_with("betas", std::vector<double>{0.5}); }, {"betas: expected two"});
  expect_error([] { read_with("patience", std::int64_t(0)); },
               {"patience: expected a whole number of at least 1, got 0"});
  expect_error([] { read_with("patience", std::int64_t(1) << 31); }, {"of 31 bits"});
  expect_error([] { read_with("warmup", std::int64_t(-1)); }, {"at least 0, got -1"});
  expect_error([] { read_with("decay", -1.0); }, {"decay: expected a number of at least 0"});
  expect_error([] { read_with("loss_scale", 0.0); }, {"loss_scale: expected a positive number"});
  expect_error([] { read_with("centered", true); }, {"size: expected a number above 0"});
  expect_error([] { read_with("scael", 1.0); }, {"did you mean 'scale'?"});
}

TEST(OptionVisitors, WriteEveryDefault) {
  Options table("[sample]");
  const Sample defaults;
  Sample::visit(defaults, OptionWriter{table});
  EXPECT_EQ(toml_table(table),
            "[sample]\nshare = 0.5\nsize = 0.0\nscale = 2.0\nepsilon = 1e-08\nbetas = [0.9, 0.99]\n"
            "centered = false\npatience = 3\nwarmup = 0\n");
  Options given_table("[sample]");
  const Sample given{.loss_scale = 8};
  Sample::visit(given, OptionWriter{given_table});
  EXPECT_NE(toml_table(given_table).find("loss_scale = 8.0\n"), std::string::npos);
}

TEST(OptionVisitors, CheckWhatCppGave) {
  const auto check = [](const Sample& sample) { Sample::visit(sample, OptionCheck{"Sample"}); };
  EXPECT_NO_THROW(check({}));
  expect_error([&] { check({.share = std::nan("")}); },
               {"Sample: expected share of 0 or more and below 1, got nan"});
  expect_error([&] { check({.size = -1}); }, {"Sample: expected a finite size of 0 or more"});
  expect_error([&] { check({.scale = INFINITY}); }, {"a finite scale above 0, got inf"});
  expect_error([&] { check({.epsilon = 0}); }, {"epsilon"});
  expect_error([&] { check({.beta2 = 1}); }, {"beta2"});
  expect_error([&] { check({.patience = 0}); }, {"Sample: expected patience of 1 or more, got 0"});
  expect_error([&] { check({.decay = -1}); }, {"a finite decay of 0 or more"});
  expect_error([&] { check({.loss_scale = 0}); }, {"a finite loss_scale above 0"});
  expect_error([&] { check({.centered = true}); }, {"Sample: size: expected a number above 0"});
}

}  // namespace
}  // namespace adjoint

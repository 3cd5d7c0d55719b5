// Targets outside a loss's domain are refused, with the place, the value and what is mostly meant.
#include "core/samples/target_check.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

void check(const std::vector<float>& targets, const ValueRange& range, std::int64_t outputs = 1) {
  check_targets(
      targets, outputs, {.loss = "some_loss", .range = range},
      [](std::int64_t row, std::int64_t output) { return str("row ", row, ", column ", output); });
}

constexpr ValueRange kUnit = ValueRange::between(0, 1);

TEST(TargetCheck, TakesWhatTheLossIsFor) {
  EXPECT_NO_THROW(check({-5, 300, 1e30f}, {}));
  EXPECT_NO_THROW(check({0, 0.25f, 1, NAN}, kUnit));
  EXPECT_NO_THROW(check({0.33f, 0.33f, 0.33f, 1, 0, 0}, ValueRange::probabilities(), 3));
  EXPECT_NO_THROW(
      check({std::log(0.25f), std::log(0.75f), 0, -INFINITY}, ValueRange::log_probabilities(), 2));
  EXPECT_NO_THROW(check({}, kUnit, 0));
}

TEST(TargetCheck, NamesPlaceAndValueAndWhatIsMostlyMeant) {
  const auto refused = [](const std::vector<float>& targets, std::int64_t outputs,
                          std::initializer_list<std::string> parts) {
    expect_error([&] { check(targets, kUnit, outputs); }, parts);
  };
  refused({0, 1, 0, 2}, 2, {"row 1, column 1", "target is 2", "some_loss", "from 0 to 1"});
  refused({1, 2, 1}, 1, {"row 1, column 0", "write 0 for 1 and 1 for 2"});
  refused({1, -1}, 1, {"target is -1", "write 0 for -1"});
  refused({0, 255, 0}, 1, {"target is 255", "divide bytes", "by 255"});
  refused({0.5f, 12.5f}, 1, {"target is 12.5", "mse"});
  refused({0.5f, -120}, 1, {"target is -120", "mse"});
  refused({0.5f, INFINITY}, 1, {"target is inf"});
}

TEST(TargetCheck, ProbabilitiesAreTogetherOne) {
  const auto refused = [](const std::vector<float>& targets, std::int64_t outputs,
                          std::initializer_list<std::string> parts,
                          const ValueRange& range = ValueRange::probabilities()) {
    expect_error([&] { check(targets, range, outputs); }, parts);
  };
  refused({0.5f, 0.5f, -0.2f, 1.2f}, 2, {"row 1, column 0", "target is -0.2", "from 0 to 1"});
  refused({0.5f, 0.5f, 0.5f, 0.75f}, 2, {"row 1", "together 1.25", "divide each by their sum"});
  refused({1, 0}, 1, {"row 1", "together 0", "bce_with_logits"});
  refused({std::log(0.5f), std::log(0.25f)}, 2, {"row 0", "together 0.75"},
          ValueRange::log_probabilities());
  refused({0.25f, 0.75f}, 2, {"row 0", "0.25", "at most 0", "log_target = false"},
          ValueRange::log_probabilities());
}

}  // namespace
}  // namespace adjoint

// Models that train and yet are mistakes are told of when they are built; those that are right are
// not.
#include "core/graph/notices.h"

#include <gtest/gtest.h>

#include "core/base/log.h"
#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/activations/softmax.h"
#include "layers/losses/nll.h"
#include "layers/losses/probability_losses.h"
#include "layers/losses/regression_losses.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/products/linear.h"
#include "layers/shapes/concat.h"
#include "layers/shapes/flatten.h"
#include "layers/shapes/permute.h"
#include "layers/shapes/reshape.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Head = std::function<Value(Value)>;
using Judge = std::function<Value(Value, Value)>;

class NoticesTest : public DeviceTest {
 protected:
  // Of head and loss behind a linear layer of 6 numbers, logged or asked for.
  static std::vector<std::string> found(const Head& head, const Judge& loss, bool labels = false) {
    Context context;
    Graph graph(context);
    const Value last = head(linear(graph.input({4, 5}), 6));
    const Shape samples(last.shape().extents().first(std::size_t(last.shape().rank() - 1)));
    const Value target = labels ? graph.input(samples, DType::int32) : graph.input(last.shape());
    std::vector<std::string> logged;
    log_to_function(LogLevel::warning,
                    [&](LogLevel, std::string_view text) { logged.emplace_back(text); });
    graph.compile({.losses = {loss(last, target)}});
    stop_logging();
    EXPECT_EQ(logged, graph.notices());
    return logged;
  }
  static void expect_notice(const Head& head, const Judge& loss, const std::string& text,
                            bool labels = false) {
    EXPECT_EQ(found(head, loss, labels), std::vector<std::string>{text});
  }
  static void expect_none(const Head& head, const Judge& loss, bool labels = false) {
    EXPECT_EQ(found(head, loss, labels), std::vector<std::string>());
  }

  static Value entropy(const Value& x, const Value& t) { return softmax_cross_entropy(x, t); }
  static Value binary(const Value& x, const Value& t) { return bce_with_logits(x, t); }
  static Value likelihood(const Value& x, const Value& t) { return nll(x, t); }
  static Value divergence(const Value& x, const Value& t) { return kl_divergence(x, t); }
  static Value same(const Value& x) { return x; }
};

TEST_F(NoticesTest, LogitsAreToBeFree) {
  const std::string logits = "logits, which are free to be any real number: leave ";
  expect_notice(
      softmax, entropy,
      "softmax1 makes probabilities, but softmax_cross_entropy1 expects " + logits + "softmax1 out",
      true);
  expect_notice(log_softmax, entropy,
                "log_softmax1 makes log-probabilities, but softmax_cross_entropy1 expects " +
                    logits + "log_softmax1 out");
  expect_notice(sigmoid, binary,
                "sigmoid1 makes numbers from 0 to 1, but bce_with_logits1 expects " + logits +
                    "sigmoid1 out");
  expect_notice(
      relu, binary,
      "relu1 makes numbers of at least 0, but bce_with_logits1 expects " + logits + "relu1 out");
  expect_notice([](Value x) { return gelu(x); }, entropy,
                "gelu1 makes numbers of at least -0.171, but softmax_cross_entropy1 expects " +
                    logits + "gelu1 out",
                true);
  expect_notice(tanh, entropy,
                "tanh1 makes numbers from -1 to 1, but softmax_cross_entropy1 expects " + logits +
                    "tanh1 out");
}

TEST_F(NoticesTest, LogProbabilitiesAreToBeSome) {
  expect_notice(same, likelihood,
                "linear1 makes any real numbers, but nll1 expects log-probabilities along the last "
                "axis: put log_softmax behind linear1",
                true);
  expect_notice(
      softmax, likelihood,
      "softmax1 makes probabilities, but nll1 expects log-probabilities: take log_softmax "
      "instead of softmax1",
      true);
  expect_notice(softmax, divergence,
                "softmax1 makes probabilities, but kl_divergence1 expects log-probabilities: take "
                "log_softmax instead of softmax1");
  expect_notice(
      same, divergence,
      "linear1 makes any real numbers, but kl_divergence1 expects log-probabilities along "
      "the last axis: put log_softmax behind linear1");
}

// Behind layers that only move numbers, and over another axis than the last.
TEST_F(NoticesTest, SeeThroughLayersThatMoveNumbers) {
  const auto rows = [](Value x) { return reshape(x, {2, 3}); };
  EXPECT_EQ(found([&](Value x) { return dropout(softmax(x), 0.5f); }, entropy).size(), 1u);
  EXPECT_EQ(found([&](Value x) { return flatten(sigmoid(rows(x))); }, binary).size(), 1u);
  EXPECT_EQ(found([&](Value x) { return concat({relu(x), sigmoid(x)}, 1); }, binary).size(), 1u);
  EXPECT_EQ(found([&](Value x) { return transpose(log_softmax(rows(x))); }, likelihood, true),
            (std::vector<std::string>{
                "permute1 makes numbers of at most 0, but nll1 expects log-probabilities along the "
                "last axis: put log_softmax behind permute1"}));
  EXPECT_EQ(found([&](Value x) { return flatten(log_softmax(rows(x))); }, likelihood, true).size(),
            1u);
  expect_none([&](Value x) { return flatten(log_softmax(x)); }, likelihood, true);
}

TEST_F(NoticesTest, SayNothingOfWhatIsRight) {
  expect_none(same, entropy, true);
  expect_none(same, entropy);
  expect_none(same, binary);
  expect_none(log_softmax, likelihood, true);
  expect_none(log_softmax, divergence);
  for (const Head& head : {Head(same), Head(softmax), Head(sigmoid), Head(relu), Head(log_softmax)})
    expect_none(head, [](Value x, Value t) { return mse(x, t); });
  // Of functions nobody told anything about.
  expect_none([](Value x) { return x.graph().apply(Pointwise({.kind = "own"}), {x}); }, likelihood,
              true);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// What losses say of themselves, asked of every layer that is one.
#include "core/graph/loss.h"

#include <gtest/gtest.h>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using LossTest = DeviceTest;

std::shared_ptr<LossLayer> loss_of(const std::string& kind) {
  Options options;
  return std::dynamic_pointer_cast<LossLayer>(registered_layer(kind).make(options));
}

// Every probability but a certain one, which no finite logit has.
TEST_F(LossTest, TheBestPredictionStandsForItsTarget) {
  const std::vector<float> target = {0.2f, 0.5f, 0.3f};
  for (const std::string kind : {"bce_with_logits", "kl_divergence", "softmax_cross_entropy", "mse",
                                 "l1", "huber", "smooth_l1"}) {
    SCOPED_TRACE(kind);
    const auto loss = loss_of(kind);
    ASSERT_NE(loss, nullptr);
    std::vector<float> best(target.size());
    loss->best(target, best);
    std::vector<double> found(best.begin(), best.end());
    loss->inverse_link(found);
    for (std::size_t j = 0; j < target.size(); ++j) EXPECT_NEAR(found[j], target[j], 1e-6) << j;
  }
}

TEST_F(LossTest, OnlyLossesOfLabelsIgnoreOne) {
  for (const LayerEntry& entry : registered_layers()) {
    SCOPED_TRACE(entry.kind);
    if (!entry.make) continue;
    for (const LayerCase& layer_case : entry.cases) {
      const auto loss = std::dynamic_pointer_cast<LossLayer>(layer_case.make());
      if (loss == nullptr || !loss->ignored_label()) continue;
      EXPECT_EQ(loss->predicts(), Predicted::label) << layer_case.name;
    }
  }
  Options options;
  options.set("ignored_label", std::int64_t{7});
  EXPECT_EQ(
      std::dynamic_pointer_cast<LossLayer>(registered_layer("nll").make(options))->ignored_label(),
      7);
}

TEST(SoftmaxRow, IsADistribution) {
  std::vector<double> scores = {1000, 1001, 999, 1001};
  softmax_row(scores);
  EXPECT_NEAR(scores[0] + scores[1] + scores[2] + scores[3], 1, 1e-15);
  EXPECT_EQ(scores[1], scores[3]);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

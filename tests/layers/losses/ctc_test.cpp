#include "layers/losses/ctc.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using CtcTest = DeviceTest;
using Numbers = std::vector<float>;
using Labels = std::vector<std::int32_t>;

struct Model : TestModel {
  explicit Model(const CtcOptions& options, const Labels& labels) {
    x = input({2, 3, 3}, true);
    const Value targets = this->labels({2, 2}, 1);
    loss = ctc(x, targets, options);
    compile({.losses = {loss}});
    // Every class is as likely as any other.
    upload(context, graph.tensor(x), Numbers(18, -std::log(3.0f)));
    upload(context, graph.tensor(targets), labels);
    step();
  }
  Value x, loss;
};

TEST_F(CtcTest, CountsPaths) {
  // Of 27 paths five spell 1, 2 and one 1, 1 (with the blank between); PyTorch's mean divides each
  // loss by its labels.
  const float first = std::log(27.0f / 5), second = std::log(27.0f);
  Model mean({}, {1, 2, 1, 1});
  expect_near(mean.read(mean.loss), Numbers{(first + second) / 2, 2, 0}, 1e-6);
  Model sum({.reduction = Reduction::sum}, {1, 2, 1, 1});
  expect_near(sum.read(sum.loss), Numbers{first + second, 2, 0, 1}, 1e-6);
  const Numbers gradient = sum.gradient(sum.x);
  expect_near(Numbers{gradient.begin() + 9, gradient.end()}, Numbers{0, -1, 0, -1, 0, 0, 0, -1, 0},
              1e-6);
  // A target ends at its first negative number; of 1 alone there are six.
  Model ended({.reduction = Reduction::sum}, {1, -1, -1, -1});
  expect_near(ended.read(ended.loss), Numbers{std::log(27.0f / 6) + std::log(27.0f), 2, 0, 1},
              1e-6);
}

TEST_F(CtcTest, ABadTargetIsNamed) {
  Model model({}, {1, 2, 0, 1});
  EXPECT_EQ(model.read(model.loss)[1], 1);
  EXPECT_THROW(model.graph.verify(), Error) << "the blank is no label";
  model.graph.verify();
}

TEST_F(CtcTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {4, 9, 3}}, targets{DType::int32, {4, 2}};
  const TensorType lengths{DType::int32, {4}};
  EXPECT_NO_THROW(CtcLoss().infer({x, targets, lengths, lengths}));
  EXPECT_THROW(CtcLoss().infer({x, targets, lengths}), Error);
  EXPECT_THROW(CtcLoss().infer({x, {DType::int32, {3, 2}}}), Error);
  EXPECT_THROW(CtcLoss().infer({x, lengths}), Error);
  EXPECT_THROW(CtcLoss({.blank = 3}).infer({x, targets}), Error);
  EXPECT_THROW(CtcLoss({.blank = -1}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

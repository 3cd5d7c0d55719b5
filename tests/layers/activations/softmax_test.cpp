#include "layers/activations/softmax.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(SoftmaxTest, RowsAddUpToOne) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({4, 9});
  const Value y = softmax(x), z = log_softmax(x);
  model.compile({.outputs = {y, z}});
  model.graph.forward();
  const auto p = model.read(y), log_p = model.read(z);
  for (std::size_t row = 0; row < 4; ++row) {
    double total = 0;
    for (std::size_t i = 9 * row; i < 9 * row + 9; ++i) {
      total += p[i];
      EXPECT_NEAR(std::exp(log_p[i]), p[i], 1e-6);
    }
    EXPECT_NEAR(total, 1.0, 1e-6);
  }
}

TEST(SoftmaxTest, RefusesWhatIsNoRow) {
  EXPECT_THROW(Softmax().infer({{DType::int32, {2, 3}}}), Error);
  EXPECT_THROW(Softmax().infer({{DType::float32, {}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "layers/norms/rms_norm.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(RMSNormTest, RowsHaveAMeanSquareOfOne) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({3, 20});
  const Value y = rms_norm(x);
  model.compile({.outputs = {y}});
  model.graph.forward();
  const auto values = model.read(y);
  for (std::size_t row = 0; row < 3; ++row) {
    double square = 0;
    for (std::size_t i = 20 * row; i < 20 * row + 20; ++i) square += double(values[i]) * values[i];
    EXPECT_NEAR(square / 20, 1.0, 1e-4);
  }
}

TEST(RMSNormTest, RefusesWhatItCannotNormalise) {
  EXPECT_THROW(RMSNorm(-1), Error);
  EXPECT_THROW(RMSNorm(4, 0.0), Error);
  EXPECT_THROW(RMSNorm(4).infer({{DType::float32, {2, 5}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

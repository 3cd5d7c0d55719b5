#include "layers/rewrites/add_layer_norm.h"

#include "layers/activations/activations.h"
#include "layers/arithmetic/add.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Two residual blocks with a norm between, as in a transformer: the sum is normalised and goes on.
struct Residual {
  Residual(bool rewrite, bool reuse) {
    x = model.input({6, 8}, true);
    Value stream = linear(x, 8);
    for (int block = 0; block < 2; ++block) {
      const Value branch = linear(linear(stream, 16), 8);
      stream = add(stream, branch);
      stream = add(stream, linear(layer_norm(stream), 8));
    }
    y = layer_norm(stream);
    model.compile({.outputs = {y}, .seeds = {y}, .rewrite = rewrite, .reuse_memory = reuse});
    std::vector<float> seed(48);
    for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = 0.1f * float(i % 7) - 0.3f;
    upload(model.context, model.graph.gradient(y), seed);
    model.step();
  }
  TestModel model;
  Value x, y;
};

TEST(AddLayerNormTest, TheRewriteChangesNothingButTheKernels) {
  ADJOINT_REQUIRE_DEVICE();
  Residual plain(false, false), fused(true, false), packed(true, true);
  EXPECT_EQ(std::ranges::count(fused.model.kinds(), "add_layer_norm"), 3);
  EXPECT_EQ(std::ranges::count(fused.model.kinds(), "layer_norm"), 0);
  for (Residual* other : {&fused, &packed}) {
    expect_near(other->model.read(other->y), plain.model.read(plain.y), 1e-5, "y");
    expect_near(other->model.gradient(other->x), plain.model.gradient(plain.x), 1e-5, "dx");
    expect_near(other->model.gradients(), plain.model.gradients(), 1e-5);
  }
}

TEST(AddLayerNormTest, SharesTheGradientsOfTheSumAndItsTerms) {
  ADJOINT_REQUIRE_DEVICE();
  Residual packed(true, true);
  const auto& program = packed.model.graph.program();
  const auto& plan = packed.model.graph.plan();
  int shared = 0, all = 0;
  for (const Node& node : program.nodes) {
    if (node.layer->kind() != "add_layer_norm") continue;
    ++all;
    const auto region = [&](ValueId id) { return plan.gradient_region[std::size_t(id)]; };
    shared += region(node.inputs[0]) == region(node.inputs[1]);
  }
  EXPECT_EQ(all, 3);
  EXPECT_EQ(shared, all);
}

// a = tanh(p) is read by the sum and given a gradient of its own: what the sum adds to it is not
// all that lies there, so b's gradient may not be the same memory.
TEST(AddLayerNormTest, ASeedInOneTermIsNotInTheOther) {
  ADJOINT_REQUIRE_DEVICE();
  struct Run {
    Run(bool rewrite, bool losses) {
      p = model.input({2, 4}, true);
      q = model.input({2, 4}, true);
      const Value a = tanh(p), y = layer_norm(add(a, tanh(q)));
      CompileOptions options{.rewrite = rewrite};
      (losses ? options.losses : options.seeds) = {y, a};
      model.compile(options);
      if (!losses) {
        upload(model.context, model.graph.gradient(y),
               std::vector<float>{1, -2, 3, 1, 0.5f, 2, -1, 1});
        upload(model.context, model.graph.gradient(a),
               std::vector<float>{4, 1, -1, 2, 1, 1, 3, -2});
      }
      model.step();
    }
    TestModel model;
    Value p, q;
  };
  for (bool losses : {false, true}) {
    Run plain(false, losses), fused(true, losses);
    EXPECT_EQ(std::ranges::count(fused.model.kinds(), "add_layer_norm"), 1);
    for (const Value Run::*x : {&Run::p, &Run::q})
      expect_near(fused.model.gradient(fused.*x), plain.model.gradient(plain.*x), 1e-5);
  }
}

// The norm of the sum is read by nothing differentiated, but its layer is the one before: what it
// leaves of the parameters' gradients is zeros, and not those of the last step.
TEST(AddLayerNormTest, AnUnreadNormAddsNothingToItsParameters) {
  ADJOINT_REQUIRE_DEVICE();
  for (bool rewrite : {false, true}) {
    TestModel model;
    const Value x = model.input({2, 3}, true), q = model.input({2, 3}, true);
    const auto norm = std::make_shared<LayerNorm>();
    const Value s = add(model.graph.apply(norm, {x})[0], q);
    const Value looked_at = model.graph.apply(norm, {s})[0];
    model.compile({.outputs = {looked_at}, .seeds = {s}, .rewrite = rewrite});
    for (int step = 0; step < 3; ++step) {
      upload(model.context, model.graph.gradient(s), std::vector<float>{1, 2, 3, 0, 0, 0});
      model.step();
      EXPECT_EQ(model.gradients().at("layer_norm1.bias"), (std::vector<float>{1, 2, 3}))
          << "step " << step << (rewrite ? ", rewritten" : "");
    }
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

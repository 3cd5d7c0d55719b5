// Layers without kernels, for tests of the passes that only look at a program.
#pragma once

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// `outputs` values of the first input's type; everything else as told.
class PlainLayer : public LayerOf<PlainLayer> {
 public:
  struct Options {
    std::string kind = "plain";
    Traits traits = {};
    int outputs = 1;
    bool parameter = false;
  };
  explicit PlainLayer(Options options) : options_(std::move(options)) {}

  std::string kind() const override { return options_.kind; }
  Signature infer(const Signature& x) const override {
    ADJOINT_CHECK(!x.empty(), "plain: expected an input");
    return Signature(std::size_t(options_.outputs), x[0]);
  }
  Traits traits() const override { return options_.traits; }
  void build(Builder& builder) override {
    if (options_.parameter)
      builder.parameter(parameter_, {"weight", {4}, Initializer::constant(0)});
  }
  void forward(Context&, const ForwardCall&) override {}
  void backward(Context&, const BackwardCall&) override {}

 private:
  Options options_;
  Parameter parameter_;
};

/// A program under construction, with the declarations its layers make.
struct ProgramBuilder {
  Program program;

  ValueId input(std::int64_t features, bool wants_gradient = false) {
    return program.add_input("", {DType::float32, {2, features}}, wants_gradient);
  }
  ValueId apply(PlainLayer::Options options, const std::vector<ValueId>& inputs) {
    return program.apply(std::make_shared<PlainLayer>(std::move(options)), inputs)[0];
  }
  std::vector<Declarations> declare() {
    ParameterList parameters;
    return build_layers(program, DType::float32, DType::float32, parameters);
  }
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The conversion pass: what is recorded in float32 computes in bfloat16, float16 or float64. Only
// inputs need a cast: every layer computes in the type it is given (those that are given none are
// told), losses total in float32 or wider, and parameters get copies in the compute type from the
// parameter store.
#include <algorithm>

#include "core/graph/program.h"
#include "kernels/cast.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class Cast : public LayerOf<Cast> {
 public:
  explicit Cast(DType to) : to_(to) {}

  std::string kind() const override { return "cast"; }
  std::string describe() const override { return str("cast(", name(to_), ")"); }
  Signature infer(const Signature& x) const override { return {{to_, x[0].shape}}; }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void forward(Context& context, const ForwardCall& call) override {
    cast(context.stream(), call.y[0], call.x[0]);
  }
  void backward(Context& context, const BackwardCall& call) override {
    if (!call.dx[0].wanted()) return;
    // The pass makes this the only reader of an input, so nothing can be there to add to.
    ADJOINT_CHECK(!call.dx[0].accumulates(), "cast: cannot add to a gradient");
    cast(context.stream(), call.dx[0].tensor, call.dy[0]);
  }

 private:
  DType to_;
};

}  // namespace

void convert(Program& program, DType compute_type) {
  std::vector<Node> casts;
  const std::vector<ValueId> inputs = program.inputs;
  for (ValueId input : inputs) {
    const TensorType type = program.values[std::size_t(input)].type;
    if (!is_floating(type.dtype) || type.dtype == compute_type) continue;
    const auto converted = static_cast<ValueId>(program.values.size());
    program.values.push_back(
        {.name = program.values[std::size_t(input)].name, .type = {compute_type, type.shape}});
    for (Node& node : program.nodes) std::ranges::replace(node.inputs, input, converted);
    casts.push_back({.name = str("cast", casts.size() + 1),
                     .layer = std::make_shared<Cast>(compute_type),
                     .inputs = {input},
                     .outputs = {converted}});
  }
  for (const Node& node : program.nodes) node.layer->set_compute_type(compute_type);
  program.nodes.insert(program.nodes.begin(), casts.begin(), casts.end());
  program.renumber();
  for (const Node& node : program.nodes) {
    const Signature made = node.layer->infer(program.types(node.inputs));
    for (std::size_t k = 0; k < made.size(); ++k)
      program.values[std::size_t(node.outputs[k])].type = made[k];
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

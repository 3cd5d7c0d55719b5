#include "layers/rewrites/linear_cross_entropy.h"

#include <algorithm>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/cast.h"
#include "layers/products/linear_products.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Logits of about this size stay in the last-level cache of a large GPU between their three uses.
constexpr std::size_t kChunkBytes = std::size_t{64} << 20;

// Each chunk reads and writes the whole gradient of the weight, [classes, in]: with fewer rows that
// takes longer than the products.
constexpr std::int64_t kFewestRows = 8192;

// With fewer classes the logits are small beside the activations before them, and a chain's last
// product can carry an activation's backward, which this layer's cannot.
constexpr std::int64_t kFewestClasses = 2048;

std::int64_t chunk_rows_for(const TensorType& row) {
  return std::max(kFewestRows, std::int64_t(kChunkBytes / row.bytes()));
}

// Rows [begin, begin + count) of a matrix.
Tensor rows_of(const Tensor& matrix, std::int64_t begin, std::int64_t count) {
  auto* data = static_cast<std::byte*>(matrix.data()) +
               std::size_t(begin * matrix.stride(0)) * size_of(matrix.dtype());
  return Tensor(data, matrix.dtype(), matrix.shape().with(0, count));
}

}  // namespace

LinearCrossEntropy::LinearCrossEntropy(std::string name, Linear linear, CrossEntropyLoss loss,
                                       std::int64_t chunk_rows)
    : name_(std::move(name)),
      linear_(std::move(linear)),
      loss_(std::move(loss)),
      asked_rows_(chunk_rows) {
  ADJOINT_CHECK(loss_.traits().gradient_in_forward,
                "linear_cross_entropy: expected a loss that makes totals, got reduction \"none\"");
}

Signature LinearCrossEntropy::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2,
                "linear_cross_entropy: expected x [..., features] and int32 labels [...]", ", got ",
                types_text(x));
  return loss_.infer({linear_.infer({x[0]})[0], x[1]});
}

void LinearCrossEntropy::build(Builder& builder) {
  const TensorType logits = linear_.infer({builder.inputs()[0]})[0];
  Builder part =
      builder.part(name_.empty() ? builder.name() : name_, {builder.inputs()[0]}, {logits});
  linear_.build(part);
  const Shape stored = linear_.weight().stored_shape();
  const std::int64_t rows = logits.shape.count() / logits.shape[-1], columns = stored[0];
  const std::int64_t most =
      asked_rows_ != 0 ? asked_rows_ : chunk_rows_for({logits.dtype, {columns}});
  chunk_rows_ = std::clamp<std::int64_t>(rows, 1, most);
  loss_.build_for(builder, chunk_rows_, logits);
  logits_ = builder.scratch("logits", {logits.dtype, {chunk_rows_, columns}}, Phase::forward);
  if (rows <= chunk_rows_ || size_of(builder.gradient_type()) != 2 || !linear_.weight().trainable())
    return;
  weight_sum_ = builder.scratch("weight sum", {DType::float32, stored}, Phase::forward);
  if (linear_.options().bias && linear_.bias().trainable())
    bias_sum_ = builder.scratch("bias sum", {DType::float32, {columns}}, Phase::forward);
}

LinearCrossEntropy::Head LinearCrossEntropy::head(const ParameterGradients& gradients) const {
  const auto stored = [&](const Parameter& parameter) {
    const Gradient gradient = gradients.of(parameter);
    return Gradient{parameter.stored(gradient.tensor), gradient.mode};
  };
  Head head{.weight = linear_.weight().stored(linear_.weight().value()),
            .dweight = stored(linear_.weight())};
  if (!linear_.options().bias) return head;
  head.bias = linear_.bias().stored(linear_.bias().value());
  head.dbias = stored(linear_.bias());
  return head;
}

// The same with gradients in float32 where several chunks would add to them in 16 bits.
LinearCrossEntropy::Head LinearCrossEntropy::summed(const Head& head, std::int64_t rows) const {
  Head wide = head;
  const auto widen = [&](Gradient& gradient, const Slot& sum) {
    if (rows > chunk_rows_ && gradient.wanted() && sum.declared())
      gradient.tensor = sum.view(gradient.tensor.shape());
  };
  widen(wide.dweight, weight_sum_);
  widen(wide.dbias, bias_sum_);
  return wide;
}

void LinearCrossEntropy::prepare(Context& context, const Signature& x,
                                 const ParameterGradients& parameters) {
  loss_.prepare(context, x, parameters);
  const std::int64_t in = x[0].shape[-1], rows = x[0].shape.count() / in;
  const Head head = summed(this->head(parameters), rows);
  for (const std::int64_t count : {std::min(chunk_rows_, rows), rows % chunk_rows_}) {
    if (count == 0) continue;
    const Tensor part(nullptr, x[0].dtype, {count, in});
    const Tensor logits(nullptr, x[0].dtype, {count, head.weight.shape()[0]});
    prepare_linear(context, part, head.weight, head.bias, logits, head.dweight, head.dbias);
  }
}

void LinearCrossEntropy::forward(Context& context, const ForwardCall& call) {
  const Tensor x = call.x[0].as_matrix();
  const Tensor labels = call.x[1].reshaped({call.x[1].count()});
  const Gradient dx =
      call.dx[0].wanted() ? Gradient{call.dx[0].tensor.as_matrix(), call.dx[0].mode} : Gradient{};
  const std::int64_t rows = x.shape()[0];
  const Head head = this->head(call.parameters);
  Head sums = summed(head, rows);
  const auto move = [&](const Gradient& to, const Gradient& from, bool wanted) {
    if (wanted && to.tensor.data() != from.tensor.data())
      cast(context.stream(), to.tensor, from.tensor);
  };
  move(sums.dweight, head.dweight, head.dweight.accumulates());
  move(sums.dbias, head.dbias, head.dbias.accumulates());
  for (std::int64_t begin = 0; begin < rows; begin += chunk_rows_) {
    const std::int64_t count = std::min(chunk_rows_, rows - begin);
    const Gradient part_dx =
        dx.wanted() ? Gradient{rows_of(dx.tensor, begin, count), dx.mode} : Gradient{};
    run_chunk(context, sums, rows_of(x, begin, count), rows_of(labels, begin, count), part_dx,
              call.y[0], begin == 0);
    // The first chunk writes as told, those after it add.
    for (Gradient* gradient : {&sums.dweight, &sums.dbias})
      if (gradient->wanted()) gradient->mode = GradientMode::accumulate;
  }
  move(head.dweight, sums.dweight, head.dweight.wanted());
  move(head.dbias, sums.dbias, head.dbias.wanted());
}

void LinearCrossEntropy::run_chunk(Context& context, const Head& head, const Tensor& x,
                                   const Tensor& labels, const Gradient& dx, const Tensor& totals,
                                   bool first) {
  const bool training = dx.wanted() || head.dweight.wanted();
  const Tensor logits = logits_.view({x.shape()[0], head.weight.shape()[0]});
  matmul(context, linear_forward(x, head.weight, head.bias, logits));
  const Gradient in_place{logits, training ? GradientMode::overwrite : GradientMode::none};
  loss_.run_part(context, logits, labels, linear_.options().out, in_place, totals, !first);
  if (!training) return;
  linear_.parameter_gradients(context, x, logits, head.dweight, head.dbias);
  if (dx.wanted()) matmul(context, linear_input_gradient(logits, head.weight, dx));
}

std::int64_t LinearCrossEntropy::multiply_adds(const Signature& x) const {
  return linear_.multiply_adds({x[0]});
}

std::int64_t LinearCrossEntropy::backward_multiply_adds(
    const Signature& x, std::span<const Gradient> dx, const ParameterGradients& parameters) const {
  return linear_.backward_multiply_adds({x[0]}, dx, parameters);
}

namespace {

LayerCase chunked_case(const std::string& name, std::int64_t chunk_rows) {
  return {name,
          [chunk_rows] {
            return std::make_shared<LinearCrossEntropy>("linear", Linear(5), CrossEntropyLoss(),
                                                        chunk_rows);
          },
          {CheckInput{{DType::float32, {7, 4}}},
           CheckInput{.type = {DType::int32, {7}}, .low = 0, .high = 4}}};
}

const bool kRegistered = register_layer({
    .kind = "linear_cross_entropy",
    .arity = Arity::of(2),
    .make =
        [](Options& options) {
          const std::int64_t chunk_rows = options.count("chunk_rows", 0, 0);
          return std::make_shared<LinearCrossEntropy>(
              "", Linear(linear_options(options)), CrossEntropyLoss(cross_entropy_options(options)),
              chunk_rows);
        },
    .example = {{"out", 5}},
    .cases = {chunked_case("linear_cross_entropy", 0),
              chunked_case("linear_cross_entropy/chunks", 3)},
});

void rewrite_linear_losses(Program& program, const CallersValues& callers) {
  const std::vector<std::vector<NodeId>> consumers = program.consumers();
  std::vector<Replacement> replacements;
  for (NodeId id = 0; std::size_t(id) < program.nodes.size(); ++id) {
    const Node loss = program.nodes[std::size_t(id)];
    const auto* entropy = dynamic_cast<const CrossEntropyLoss*>(loss.layer.get());
    if (!entropy) continue;
    const ValueId logits = loss.inputs[0];
    const NodeId producer = program.values[std::size_t(logits)].producer;
    if (producer < 0 || callers.kept.contains(logits) || consumers[std::size_t(logits)].size() != 1)
      continue;
    // The gradients are made in forward, against labels.
    if (!entropy->traits().gradient_in_forward ||
        program.values[std::size_t(loss.inputs[1])].type.dtype != DType::int32)
      continue;
    const Node head = program.nodes[std::size_t(producer)];
    const auto* linear = dynamic_cast<const Linear*>(head.layer.get());
    if (!linear || linear->options().out < kFewestClasses) continue;
    if (!program.may_join({producer, id})) continue;
    if (callers.seeded.contains(head.inputs[0])) continue;  // to which it would add in forward
    // A bias that learns alone has no product to ride on, and sums with scratch of backward's.
    if (linear->options().bias && !linear->weight().trainable() && linear->bias().trainable())
      continue;
    program.rewrites.push_back(str("linear_cross_entropy: ", head.name, " and ", loss.name));
    replacements.push_back(
        {.removed = {producer, id},
         .node = {.name = program.unused_name("linear_cross_entropy", true),
                  .layer = std::make_shared<LinearCrossEntropy>(head.name, *linear, *entropy),
                  .inputs = {head.inputs[0], loss.inputs[1]},
                  .outputs = loss.outputs},
         .at = id});
  }
  program.replace(std::move(replacements));
}

// Before chains are made, which would take the linear layer in.
const bool kRewrites =
    register_rewrite({.name = "linear_cross_entropy", .apply = rewrite_linear_losses, .order = 0});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

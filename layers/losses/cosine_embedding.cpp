#include "layers/losses/cosine_embedding.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/transfer.h"
#include "kernels/cosine_embedding.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

CosineEmbeddingLoss::CosineEmbeddingLoss(const CosineEmbeddingOptions& options)
    : LossOf(options.reduction), options_(options) {
  ADJOINT_CHECK(options.margin >= -1 && options.margin <= 1,
                "cosine_embedding: expected a margin of -1 to 1, got ", options.margin);
}

Signature CosineEmbeddingLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(
      (x.size() == 2 || x.size() == 3) && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
      "cosine_embedding: expected two floating [..., features] and perhaps labels, got ", x.size(),
      " inputs");
  ADJOINT_CHECK(x[1] == x[0], "cosine_embedding: expected a second ", x[0], " like the first, got ",
                x[1]);
  const Shape pairs(x[0].shape.extents().first(std::size_t(x[0].shape.rank() - 1)));
  ADJOINT_CHECK(x.size() == 2 || x[2] == (TensorType{DType::int32, pairs}),
                "cosine_embedding: expected labels int32 ", pairs, ", got ", x.back());
  return output(x[0].dtype, pairs);
}

void CosineEmbeddingLoss::build(Builder& builder) {
  const Shape& shape = builder.inputs()[0].shape;
  status_ = builder.persistent("status", {DType::int32, {2}});
  build_sums(builder, shape.count() / std::max<std::int64_t>(shape[-1], 1));
}

void CosineEmbeddingLoss::run(Context& context, const Run& run) {
  const auto matrix = [](const Gradient& gradient) {
    return gradient.wanted() ? Gradient{gradient.tensor.as_matrix(), gradient.mode} : Gradient{};
  };
  const bool labelled = run.x.size() == 3;
  cosine_embedding(context.stream(),
                   {.a = run.x[0].as_matrix(),
                    .b = run.x[1].as_matrix(),
                    .labels = labelled ? run.x[2].reshaped({run.x[2].count()}) : Tensor(),
                    .da = matrix(run.dx[0]),
                    .db = matrix(run.dx[1]),
                    .out = run.out_of_rows(),
                    .status = status_.tensor(),
                    .margin = options_.margin});
}

void CosineEmbeddingLoss::verify(Context& context) {
  const auto status = download<std::int32_t>(context, status_.tensor());
  if (status[0] == 0) return;
  fill_bytes(context.stream(), status_.tensor().data(), 0, status_.tensor().bytes());
  ADJOINT_FAIL("cosine_embedding: row ", status[0] - 1, " of a batch has label ", status[1],
               "; expected 1 for pairs to be alike or -1 for others");
}

Value cosine_embedding(const Value& x, const Value& target, const CosineEmbeddingOptions& options) {
  return x.graph().apply(CosineEmbeddingLoss(options), {x, target});
}

Value cosine_embedding(const Value& x, const Value& target, const Value& labels,
                       const CosineEmbeddingOptions& options) {
  return x.graph().apply(CosineEmbeddingLoss(options), {x, target, labels});
}

namespace {

LayerCase pair_case(const std::string& name, const CosineEmbeddingOptions& options) {
  return {"cosine_embedding" + name,
          [options] { return std::make_shared<CosineEmbeddingLoss>(options); },
          {CheckInput{{DType::float32, {6, 5}}}, CheckInput{{DType::float32, {6, 5}}}}};
}

const bool kRegistered = register_layer({
    .kind = "cosine_embedding",
    .arity = {.least_inputs = 2, .most_inputs = 3},
    .make =
        [](Options& options) {
          return std::make_shared<CosineEmbeddingLoss>(CosineEmbeddingOptions{
              .margin = options.number("margin", 0.0), .reduction = reduction_option(options)});
        },
    .cases = {pair_case("", {}), pair_case("/sum", {.reduction = Reduction::sum}),
              pair_case("/none", {.reduction = Reduction::none}),
              [] {
                // All unlike: labels of the contract test are drawn from a range, which has 0 in
                // it.
                LayerCase unlike = pair_case("/unlike", {.margin = -0.5});
                unlike.inputs.push_back({.type = {DType::int32, {6}}, .low = -1, .high = -1});
                return unlike;
              }()},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "layers/products/embedding.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/transfer.h"
#include "kernels/embedding.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Embedding::Embedding(const EmbeddingOptions& options)
    : options_(options), weight_(Shape{options.vocabulary, options.width}) {
  ADJOINT_CHECK(options.vocabulary > 0 && options.width > 0,
                "embedding: expected a positive vocabulary and width, got ", options.vocabulary,
                " and ", options.width);
  ADJOINT_CHECK(options.padding >= -1 && options.padding < options.vocabulary,
                "embedding: expected a padding index of 0 to ", options.vocabulary - 1,
                ", or -1 for none, got ", options.padding);
  ADJOINT_CHECK(options.stored_rows == 0 || options.stored_rows >= options.vocabulary,
                "embedding: expected stored_rows of at least ", options.vocabulary, ", got ",
                options.stored_rows);
}

std::string Embedding::describe() const {
  return str("embedding(", options_.vocabulary, " x ", options_.width, ")");
}

Signature Embedding::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && x[0].dtype == DType::int32 && x[0].shape.rank() >= 1 &&
                    x[0].shape.rank() < Shape::kMaxRank,
                "embedding: expected one input of int32 indices [...], got ", types_text(x));
  std::vector<std::int64_t> extents(x[0].shape.extents().begin(), x[0].shape.extents().end());
  extents.push_back(options_.width);
  return {{type_, Shape(extents)}};
}

void Embedding::build(Builder& builder) {
  builder.parameter(weight_, {.name = "weight",
                              .shape = {options_.vocabulary, options_.width},
                              .initializer = options_.initializer,
                              .stored_rows = options_.stored_rows});
  status_ = builder.persistent("status", {DType::int32, {2}});
  scratch_ = builder.scratch("sorted positions",
                             embedding_scratch(builder.inputs()[0].shape.count(),
                                               options_.vocabulary, options_.width, type_),
                             Phase::backward);
}

void Embedding::forward(Context& context, const ForwardCall& call) {
  const Tensor& x = call.x[0];
  embedding_forward(context.stream(), call.y[0].reshaped({x.count(), options_.width}),
                    x.reshaped({x.count()}), weight_.value(), status_.tensor());
}

void Embedding::backward(Context& context, const BackwardCall& call) {
  const Tensor& x = call.x[0];
  embedding_backward(context.stream(), call.parameters.of(weight_), x.reshaped({x.count()}),
                     call.dy[0].reshaped({x.count(), options_.width}), options_.padding,
                     scratch_.tensor());
}

void Embedding::verify(Context& context) {
  const auto status = download<std::int32_t>(context, status_.tensor());
  const BadIndex bad = embedding_bad_index(status.data());
  if (bad.position < 0) return;
  fill_bytes(context.stream(), status_.tensor().data(), 0, status_.tensor().bytes());
  ADJOINT_FAIL("embedding: position ", bad.position, " of a batch, counted through all its axes, ",
               "has index ", bad.index, "; expected 0 to ", options_.vocabulary - 1);
}

Value embedding(const Value& indices, std::int64_t vocabulary, std::int64_t width) {
  return indices.graph().apply(Embedding(vocabulary, width), {indices});
}

namespace {

LayerCase embedding_case(const std::string& name, const EmbeddingOptions& options, const Shape& x,
                         std::int32_t low = 0) {
  return {name,
          [options] { return std::make_shared<Embedding>(options); },
          {CheckInput{.type = {DType::int32, x},
                      .low = low,
                      .high = static_cast<std::int32_t>(options.vocabulary) - 1}}};
}

const bool kRegistered = register_layer({
    .kind = "embedding",
    .make =
        [](Options& options) {
          const EmbeddingOptions made{.vocabulary = options.integer("vocabulary"),
                                      .width = options.integer("width"),
                                      .padding = options.integer("padding", -1)};
          options.require(made.vocabulary > 0, "vocabulary", "a positive number of rows");
          options.require(made.width > 0, "width", "a positive number of features");
          options.require(made.padding >= -1 && made.padding < made.vocabulary, "padding",
                          "an index of the vocabulary, or -1 for none");
          return std::make_shared<Embedding>(made);
        },
    .example = {{"vocabulary", 5}, {"width", 7}},
    .cases = {embedding_case("embedding", {.vocabulary = 5, .width = 7}, {9}),
              embedding_case("embedding/two axes", {.vocabulary = 3, .width = 8}, {4, 5}),
              // Without the padding's index, whose row has by intention no gradient.
              embedding_case("embedding/padding", {.vocabulary = 4, .width = 3, .padding = 0},
                             {6, 2}, 1)},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

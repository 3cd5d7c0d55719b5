#include "layers/losses/class_labels.h"

#include <algorithm>
#include <cmath>

#include "core/tensor/transfer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ClassLabels::ClassLabels(const std::string& kind, std::vector<double> weights,
                         std::int32_t ignored_label)
    : kind_(kind), weights_(std::move(weights)), ignored_label_(ignored_label) {
  for (double weight : weights_)
    ADJOINT_CHECK(std::isfinite(weight) && weight >= 0, kind,
                  ": class_weights: expected finite numbers, none negative, got ", weight);
  ADJOINT_CHECK(weights_.empty() || *std::ranges::max_element(weights_) > 0, kind,
                ": class_weights: expected a class that weighs more than 0");
}

void ClassLabels::check(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1, kind_,
                ": expected floating scores [..., classes] and int32 labels [...], got ", x.size(),
                " inputs");
  const auto leading = x[0].shape.extents().first(std::size_t(x[0].shape.rank() - 1));
  ADJOINT_CHECK((x[1] == TensorType{DType::int32, Shape(leading)}), kind_,
                ": expected labels int32 ", Shape(leading), " for scores ", x[0].shape, ", got ",
                x[1]);
  const std::int64_t classes = x[0].shape[-1];
  ADJOINT_CHECK(classes > 0, kind_, ": expected at least one class");
  ADJOINT_CHECK(weights_.empty() || std::ssize(weights_) == classes, kind_, ": expected ", classes,
                " class_weights, one a class, got ", weights_.size());
}

void ClassLabels::build(Builder& builder, const TensorType& scores) {
  status_ = builder.persistent("status", {DType::int32, {2}});
  if (weighted())
    device_weights_ = builder.persistent("class weights",
                                         {accumulation_type(scores.dtype), {std::ssize(weights_)}});
}

void ClassLabels::prepare(Context& context) {
  if (!weighted()) return;
  if (device_weights_.type().dtype == DType::float64)
    upload(context, device_weights_.tensor(), weights_);
  else
    upload(context, device_weights_.tensor(), std::vector<float>(weights_.begin(), weights_.end()));
}

void ClassLabels::verify(Context& context) {
  const auto status = download<std::int32_t>(context, status_.tensor());
  if (status[0] == 0) return;
  fill_bytes(context.stream(), status_.tensor().data(), 0, status_.tensor().bytes());
  ADJOINT_FAIL(kind_, ": row ", status[0] - 1, " of a batch has label ", status[1],
               ", which is no class; labels count from 0, and ", ignored_label_,
               " marks rows to ignore");
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

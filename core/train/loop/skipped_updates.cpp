#include "core/train/loop/skipped_updates.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace adjoint {

void SkippedUpdates::count(const StepRecord& record, const LossScaling& scaling) {
  scaled = scaling.dynamic;
  if (record.skipped == 0) return;
  if (!(record.valid_count > 0)) {
    ++no_samples;
  } else if (!std::isfinite(record.loss_sum)) {
    ++loss;
  } else if (std::isfinite(record.gradient_norm)) {
    ++too_long;
  } else if (scaling.dynamic && double(record.loss_scale) > scaling.smallest) {
    if (loss_scale++ == 0) scale_before = record.loss_scale;
    scale_after = float(std::max(double(record.loss_scale) * scaling.backoff, scaling.smallest));
  } else {
    ++gradient;
    scale = record.loss_scale;
  }
}

std::vector<std::string> skip_lines(const SkippedUpdates& skipped, const std::string& why_loss) {
  std::vector<std::string> lines;
  const auto add = [&](std::int64_t count, const auto&... why) {
    if (count > 0) lines.push_back(str(count, count == 1 ? " update" : " updates", why...));
  };
  add(skipped.loss_scale, " skipped while the loss scale was sought: ", skipped.scale_before,
      " fell to ", skipped.scale_after);
  add(skipped.loss, " skipped because the loss was not finite: ", why_loss);
  add(skipped.gradient, " skipped because gradients were not finite",
      skipped.scaled ? ", even at the smallest loss scale" : "",
      !skipped.scaled && skipped.scale > 1
          ? str("; lower [optim] loss_scale, now ", skipped.scale, ", or lr")
          : std::string("; lower [optim] lr, or set clip_norm = 1"));
  add(skipped.too_long,
      " skipped because gradients were so long that their squares are infinite in float32; set "
      "[optim] clip_norm = 1, or normalise the data");
  add(skipped.no_samples,
      " skipped because no sample of theirs counts: all have the label that is ignored; "
      "take a larger [train] batch");
  return lines;
}

}  // namespace adjoint

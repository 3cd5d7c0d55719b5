#include "optim/optimizer.h"

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>

#include "core/base/error.h"
#include "kernels/accumulate_totals.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

void check_like_master(const std::string& name, const char* part, const Tensor& tensor,
                       const Tensor& master) {
  ADJOINT_CHECK(tensor.defined() && tensor.shape() == master.shape(), name, ": expected a ", part,
                " of shape ", master.shape(), " like the master parameters, got ",
                tensor.defined() ? str(tensor.type()) : std::string("none"));
}

constexpr std::size_t kRecordWords = sizeof(StepRecord) / sizeof(std::uint64_t);
static_assert(offsetof(StepRecord, sequence) == 0);

/// Word `index` of a record in memory that the device writes. No later read comes before it.
std::uint64_t load_word(std::uint64_t* record, std::size_t index) {
  return std::atomic_ref(record[index]).load(std::memory_order_acquire);
}

/// The record of that sequence number, unless the device has begun to write another in its place.
std::optional<StepRecord> read_record(std::uint64_t* place, std::uint64_t sequence) {
  if (load_word(place, 0) != sequence) return std::nullopt;
  std::uint64_t words[kRecordWords] = {sequence};
  for (std::size_t i = 1; i < kRecordWords; ++i) words[i] = load_word(place, i);
  if (load_word(place, 0) != sequence) return std::nullopt;
  StepRecord record;
  std::memcpy(&record, words, sizeof record);
  return record;
}

}  // namespace

Optimizer::Optimizer(Context& context, const ParameterSlab& slab, const OptimizerOptions& options,
                     const std::string& name)
    : context_(context), slab_(slab), options_(options), name_(name) {
  ADJOINT_CHECK(slab.master.defined(), name, ": expected parameters, got an empty slab; compile ",
                "the graph first");
  check_like_master(name, "gradient", slab.gradient, slab.master);
  if (slab.compute.defined()) check_like_master(name, "compute copy", slab.compute, slab.master);
  check_schedule(options.schedule);
  ADJOINT_CHECK(options.clip_norm >= 0, name, ": expected clip_norm of 0 (none) or more, got ",
                options.clip_norm);
  ADJOINT_CHECK(std::isfinite(options.loss_scale) && options.loss_scale > 0, name,
                ": expected a finite loss_scale above 0, got ", options.loss_scale);

  buffers_.push_back(
      context.memory().allocate(sizeof(UpdateState) + sizeof(StepWorkspace), name + " state"));
  fill_bytes(context.stream(), buffers_.back().data(), 0, buffers_.back().bytes());
  update_state_ = static_cast<UpdateState*>(buffers_.back().data());
  workspace_ = reinterpret_cast<StepWorkspace*>(update_state_ + 1);
  ring_buffer_ = PinnedBuffer(kRingSize * sizeof(StepRecord));
  states_.push_back(
      {"update_state", Tensor(update_state_, DType::uint8, {std::int64_t(sizeof(UpdateState))})});
}

Tensor Optimizer::add_moment(const std::string& name) {
  const TensorType type = slab_.master.type();
  buffers_.push_back(context_.memory().allocate(type.bytes(), name_ + " moments"));
  fill_bytes(context_.stream(), buffers_.back().data(), 0, buffers_.back().bytes());
  states_.push_back({name, Tensor(buffers_.back().data(), type.dtype, type.shape)});
  return states_.back().tensor;
}

void Optimizer::step(const Tensor& totals) {
  GradientNorm norm{.gradient = slab_.gradient, .totals = totals};
  norm.schedule = options_.schedule;
  norm.clip_norm = options_.clip_norm;
  norm.loss_scale = options_.loss_scale;
  norm.state = update_state_;
  norm.workspace = workspace_;
  norm.random_step = context_.step();
  norm.ring = {static_cast<StepRecord*>(ring_buffer_.data()), kRingSize};
  configure(norm);
  gradient_norm(context_.stream(), norm);
  update(context_.stream());
}

void Optimizer::accumulate(const Tensor& totals) {
  accumulate_totals(context_.stream(), totals, workspace_, context_.step());
}

std::vector<StepRecord> Optimizer::read_metrics() {
  std::vector<StepRecord> records;
  auto* const ring = static_cast<std::uint64_t*>(ring_buffer_.data());
  for (;;) {
    std::uint64_t* const place = ring + read_ % kRingSize * kRecordWords;
    if (const auto record = read_record(place, read_ + 1)) {
      records.push_back(*record);
      ++read_;
      continue;
    }
    const std::uint64_t found = load_word(place, 0);
    if (found <= read_ + 1) return records;  // not finished yet, or just being rewritten
    // The device is one round or more ahead: what is left begins after the record it wrote last.
    lost_ += found - kRingSize - read_;
    read_ = found - kRingSize;
  }
}

}  // namespace adjoint::inline ADJOINT_BACKEND

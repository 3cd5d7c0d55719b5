#include "core/update/optimizer.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>

#include "core/base/error.h"
#include "core/update/parameter_groups.h"
#include "core/update/schedule_options.h"
#include "kernels/accumulate_totals.h"
#include "kernels/cast.h"
#include "kernels/initialize.h"
#include "kernels/observe_loss.h"
#include "kernels/settle_running_state.h"
#include "kernels/swap_slabs.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
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

/// Room for `count` values of type T at the start of `buffer` and on, 16-byte aligned.
template <class T>
T* take(std::byte*& next, std::size_t count) {
  T* const taken = reinterpret_cast<T*>(next);
  next += (count * sizeof(T) + 15) / 16 * 16;
  return taken;
}

}  // namespace

Optimizer::Optimizer(Context& context, const ParameterSlab& slab, const RuleOptions& rule,
                     const OptimizerOptions& options)
    : Optimizer(context, slab, update_rule(rule), options) {}

Optimizer::Optimizer(Context& context, const ParameterSlab& slab, const UpdateRule& rule,
                     const OptimizerOptions& options)
    : context_(context),
      slab_(slab),
      rule_(rule),
      options_(options),
      schedule_(options.schedule.value_or(
          Schedule{.base = rule.learning_rate, .final = rule.learning_rate})) {
  check_schedule(schedule_);
  check_slab_tensors();
  check_options(rule.name, options);
  allocate_state();
  allocate_moments();
  allocate_pieces();
}

void Optimizer::check_slab_tensors() const {
  ADJOINT_CHECK(slab_.master.defined(), rule_.name, ": expected parameters, got an empty slab; ",
                "compile the graph first");
  check_like_master(rule_.name, "gradient", slab_.gradient, slab_.master);
  if (slab_.compute.defined())
    check_like_master(rule_.name, "compute copy", slab_.compute, slab_.master);
}

void Optimizer::allocate_state() {
  buffers_.push_back(context_.memory().allocate(sizeof(UpdateState) + sizeof(StepWorkspace),
                                                rule_.name + " state"));
  fill_bytes(context_.stream(), buffers_.back().data(), 0, buffers_.back().bytes());
  update_state_ = static_cast<UpdateState*>(buffers_.back().data());
  workspace_ = reinterpret_cast<StepWorkspace*>(update_state_ + 1);
  ring_buffer_ = PinnedBuffer(kRingSize * sizeof(StepRecord));
  states_.push_back(
      {"update_state", Tensor(update_state_, DType::uint8, {std::int64_t(kSavedUpdateState)})});
}

Tensor Optimizer::add_state(const std::string& name, const std::string& owner,
                            const TensorType& type, bool per_parameter) {
  buffers_.push_back(context_.memory().allocate(type.bytes(), owner));
  states_.push_back({.name = name,
                     .tensor = Tensor(buffers_.back().data(), type.dtype, type.shape),
                     .per_parameter = per_parameter});
  return states_.back().tensor;
}

void Optimizer::allocate_moments() {
  Stream& stream = context_.stream();
  update_ = {.master = slab_.master,
             .gradient = slab_.gradient,
             .compute = slab_.compute,
             .clip_value = options_.clip_value,
             .state = update_state_};
  ADJOINT_CHECK(rule_.moments.size() <= kMaxMoments, rule_.name, ": expected at most ", kMaxMoments,
                " moments, got ", rule_.moments.size());
  for (std::size_t i = 0; i < rule_.moments.size(); ++i) {
    const Moment& moment = rule_.moments[i];
    if (!moment.kept) continue;
    update_.moments[i] = add_state(moment.name, rule_.name + " moments", slab_.master.type(), true);
    initialize(stream, update_.moments[i], Initializer::constant(moment.initial), 0, 0);
  }
  if (options_.ema > 0) {
    const auto average_of = [&](const std::string& name, const Tensor& values, bool per_parameter) {
      const Tensor average =
          add_state(name, rule_.name + " moving average", values.type(), per_parameter);
      copy_on_device(stream, average.data(), values.data(), average.bytes());
      return average;
    };
    update_.average = average_ = average_of("ema", slab_.master, true);
    if (slab_.running.averaged.defined())
      running_average_ = average_of("ema_running", slab_.running.averaged, false);
  }
  const auto scale = static_cast<float>(options_.loss_scale);
  copy_to_device(stream, context_.loss_scale(), &scale, sizeof scale);
  stream.synchronize();
  if (options_.scaling.dynamic)
    states_.push_back({"loss_scale", Tensor(context_.loss_scale(), DType::float32, {1})});
}

void Optimizer::allocate_pieces() {
  const SlabPieces cut =
      cut_slab(rule_.name, slab_, options_.groups, rule_.weight_decay, rule_.by_parameter);
  const std::size_t pieces = cut.pieces.size(), parameters = cut.parameters.size();
  std::size_t bytes = pieces * sizeof(SlabPiece) + 16;
  if (rule_.by_parameter)
    bytes += pieces * 2 * sizeof(double) +
             parameters * (sizeof(PieceRange) + sizeof(unsigned) + sizeof(double)) + 64;
  buffers_.push_back(context_.memory().allocate(bytes, rule_.name + " state"));
  Stream& stream = context_.stream();
  fill_bytes(stream, buffers_.back().data(), 0, buffers_.back().bytes());
  auto* next = static_cast<std::byte*>(buffers_.back().data());
  auto* const table = take<SlabPiece>(next, pieces);
  copy_to_device(stream, table, cut.pieces.data(), pieces * sizeof(SlabPiece));
  update_.pieces = table;
  update_.piece_count = std::int64_t(pieces);
  if (rule_.by_parameter) {
    auto* const ranges = take<PieceRange>(next, parameters);
    copy_to_device(stream, ranges, cut.parameters.data(), parameters * sizeof(PieceRange));
    update_.norms = {.pieces = ranges,
                     .partial_sums = take<double>(next, 2 * pieces),
                     .arrived = take<unsigned>(next, parameters),
                     .ratio = take<double>(next, parameters)};
  }
  stream.synchronize();  // the tables here go
}

// What of the gradient is looked at before the update: all or nothing.
Tensor Optimizer::checked_gradient() const {
  if (options_.check_gradient) return slab_.gradient;
  return Tensor(slab_.gradient.data(), slab_.gradient.dtype(), {0});
}

GradientNorm Optimizer::norm_of(const Tensor& totals) const {
  GradientNorm norm{.gradient = checked_gradient(), .totals = totals};
  norm.schedule = schedule_;
  norm.clip_norm = options_.clip_norm;
  norm.device_scale = context_.loss_scale();
  norm.scaling = options_.scaling;
  norm.beta1 = rule_.beta1;
  norm.beta2 = rule_.beta2;
  norm.momentum_fade = rule_.momentum_fade;
  if (rule_.squares_gradient && slab_.master.dtype() == DType::float32) norm.largest_norm = 1.8e19;
  norm.averaging = {.decay = options_.ema, .warmup = options_.ema_warmup};
  norm.state = update_state_;
  norm.workspace = workspace_;
  norm.random_step = context_.step();
  norm.ring = {static_cast<StepRecord*>(ring_buffer_.data()), kRingSize};
  return norm;
}

void Optimizer::step(const Tensor& totals) {
  begun_ = false;
  gradient_norm(context_.stream(), norm_of(totals));
  update();
}

Tensor Optimizer::begin_step() { return begin_step(0, slab_.gradient.count()); }

Tensor Optimizer::begin_step(std::int64_t begin, std::int64_t end) {
  const Tensor& whole = slab_.gradient;
  ADJOINT_CHECK(0 <= begin && begin <= end && end <= whole.count(), rule_.name,
                ": expected a range of the gradient within [0, ", whole.count(), "), got [", begin,
                ", ", end, ")");
  ADJOINT_CHECK(begin % kParameterAlignment == 0, rule_.name,
                ": expected a range of the gradient that begins at a multiple of ",
                kParameterAlignment, " elements, got ", begin);
  auto* const data =
      static_cast<std::byte*>(whole.data()) + std::size_t(begin) * size_of(whole.dtype());
  const std::int64_t count = options_.check_gradient ? end - begin : 0;
  sum_squares(context_.stream(), Tensor(data, whole.dtype(), {count}), workspace_);
  begun_ = true;
  return Tensor(&workspace_->sum_of_squares, DType::float64, {1});
}

void Optimizer::end_step(const Tensor& totals) {
  ADJOINT_CHECK(begun_, rule_.name,
                ": expected begin_step() before end_step(); step() is both at once");
  adjoint::end_step(context_.stream(), norm_of(totals));
  begun_ = false;
  update();
}

void Optimizer::update() {
  rule_.update(context_.stream(), update_);
  if (slab_.running.live.defined())
    settle_running_state(context_.stream(), {.live = slab_.running.live,
                                             .before = slab_.running.before,
                                             .averaged = slab_.running.averaged,
                                             .average = running_average_,
                                             .state = update_state_});
}

void Optimizer::observe(double validation_loss) {
  if (observes_losses(schedule_))
    observe_loss(context_.stream(), update_state_, schedule_, validation_loss);
}

void Optimizer::swap_average() {
  ADJOINT_CHECK(has_average(), rule_.name,
                ": no moving average is kept; set OptimizerOptions::ema");
  swap_slabs(context_.stream(), slab_.master, average_, update_state_);
  if (running_average_.defined())
    swap_slabs(context_.stream(), slab_.running.averaged, running_average_, update_state_);
  if (slab_.compute.defined()) cast(context_.stream(), slab_.compute, slab_.master);
}

void Optimizer::accumulate(const Tensor& totals) {
  accumulate_totals(context_.stream(), totals, workspace_, context_.step());
}

void Optimizer::abandon() {
  begun_ = false;
  fill_bytes(context_.stream(), workspace_->totals, 0, sizeof workspace_->totals);
}

std::vector<StepRecord> Optimizer::read_metrics() {
  std::vector<StepRecord> records;
  auto* const ring = static_cast<std::uint64_t*>(ring_buffer_.data());
  for (;;) {
    std::uint64_t* const place = ring + read_ % kRingSize * kRecordWords;
    if (const auto record = read_record(place, read_ + 1)) {
      records.push_back(*record);
      if (!options_.check_gradient)
        records.back().gradient_norm = std::numeric_limits<double>::quiet_NaN();
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

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "core/data/loader/loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/base/error.h"
#include "core/data/loader/batch_ring.h"
#include "kernels/gather.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace {

// Pairs of scale and shift: what pixels become, and numbers that stay; bytes in [0, 1].
constexpr std::size_t kOfInput = 0, kAsItIs = 1, kOfBytes = 2;

std::optional<TargetBounds> bounds_of(const Dataset& data) {
  if (data.targets.empty()) return std::nullopt;
  const auto [least, largest] = std::ranges::minmax_element(data.targets);
  const auto sample = [&](auto at) { return (at - data.targets.begin()) / data.outputs; };
  return TargetBounds{*least, *largest, sample(least), sample(largest)};
}

}  // namespace

Loader::Loader(Context& context, std::shared_ptr<const Dataset> data, const LoaderOptions& options)
    : context_(context),
      options_(options),
      name_(data->name),
      feature_names_(data->feature_names),
      count_(data->count),
      type_(data->type),
      fields_(batch_fields(*data)) {
  ADJOINT_CHECK(count_ > 0, "loader: ", data->name, " has no samples");
  ADJOINT_CHECK(options.batch > 0, "loader: expected a batch of at least 1, got ", options.batch);
  ADJOINT_CHECK(options.pixels.deviation > 0,
                "loader: expected a positive deviation of pixels, got ", options.pixels.deviation,
                "; are all images of ", data->name, " the same colour?");
  ADJOINT_CHECK(
      options.weights.empty() || (options.shuffle && std::ssize(options.weights) == count_),
      "loader: expected a weight for each of ", count_, " samples of ", data->name,
      ", to be shuffled, got ", options.weights.size());
  if (!options.weights.empty()) weighted_.emplace(options_.weights);
  options_.weights = {};
  options_.batch = std::min(options.batch, count_);
  order_.resize(std::size_t(count_));
  std::iota(order_.begin(), order_.end(), 0);
  labels_ = data->labels;
  target_bounds_ = bounds_of(*data);
  Memory& memory = context.memory();
  rows_ = memory.allocate(std::size_t(count_) * sizeof(std::int32_t), "data order");
  for (Upload& upload : uploads_)
    upload.order = PinnedBuffer(std::size_t(count_) * sizeof(std::int32_t));

  make_constants();
  std::size_t sample_bytes = 0;
  for (const BatchField& field : fields_)
    if (field.per_sample) sample_bytes += dataset_rows(*data, field.name).row_bytes;
  const bool fits = std::size_t(count_) * sample_bytes <= options.resident_bytes;
  resident_rows_ = fits ? count_ : BatchRing::kSlots * options_.batch;
  make_arrays(*data);
  if (fits) return;
  std::vector<BatchRing::Part> parts;
  for (std::size_t i = 0; i < fields_.size(); ++i)
    if (fields_[i].per_sample)
      parts.push_back(
          {dataset_rows(*data, fields_[i].name), static_cast<std::byte*>(arrays_[i].rows.data())});
  ring_ = std::make_unique<BatchRing>(context, std::move(data), options_.batch, options.threads,
                                      std::move(parts));
}

Loader::~Loader() = default;

ValueRange Loader::pixel_range() const {
  if (type_ != DType::uint8) return {};
  const auto& [mean, deviation] = options_.pixels;
  return {(0 - mean) / deviation, (1 - mean) / deviation};
}

void Loader::make_constants() {
  const auto upload = [&](Buffer& buffer, const void* from, std::size_t bytes) {
    buffer = context_.memory().allocate(bytes, "data order");
    copy_to_device(context_.stream(), buffer.data(), from, bytes);
  };
  std::vector<std::uint64_t> positions;
  for (std::int64_t b = 0; b < batches(); ++b)
    positions.push_back(static_cast<std::uint64_t>(b * options_.batch));
  upload(positions_, positions.data(), positions.size() * sizeof(positions[0]));
  upload(position_, positions.data(), sizeof(positions[0]));
  const std::int32_t zero = 0;
  upload(zero_, &zero, sizeof(zero));
  // (byte / 255 - mean) / deviation as one multiply and add; features and targets as they are.
  float scale[6] = {1, 0, 1, 0, 1.0f / 255, 0};
  if (type_ == DType::uint8) {
    const double deviation = options_.pixels.deviation;
    scale[0] = static_cast<float>(1.0 / (255.0 * deviation));
    scale[1] = static_cast<float>(-options_.pixels.mean / deviation);
    ADJOINT_CHECK(std::isfinite(scale[0]) && std::isfinite(scale[1]), "loader: ", name_,
                  ": pixels less ", options_.pixels.mean, ", divided by ", deviation,
                  ", are beyond float32; expected a mean and a deviation of pixels in [0, 1]");
  }
  upload(scale_, scale, sizeof(scale));
  context_.stream().synchronize();
}

// What is resident is copied now, the rest as it is needed.
void Loader::make_arrays(const Dataset& data) {
  Stream& stream = context_.stream();
  for (const BatchField& field : fields_) {
    const DatasetRows from = dataset_rows(data, field.name);
    Array array{.type = from.type, .shape = field.shape, .per_sample = field.per_sample};
    array.scale = field.name == kInputName    ? kOfInput
                  : from.type == DType::uint8 ? kOfBytes
                                              : kAsItIs;
    const std::size_t rows = field.per_sample ? std::size_t(resident_rows_) : 1;
    array.rows = context_.memory().allocate(rows * from.row_bytes, "data set");
    if (!field.per_sample || resident_rows_ == count_)
      copy_to_device(stream, array.rows.data(), from.data, rows * from.row_bytes);
    arrays_.push_back(std::move(array));
  }
  stream.synchronize();  // the caller may let go of the data
}

void Loader::begin_epoch(std::uint64_t epoch, std::int64_t taken) {
  ADJOINT_CHECK(taken >= 0 && taken <= batches(), "loader: expected 0 to ", batches(),
                " batches of an epoch to be taken already, got ", taken);
  if (ring_) ring_->end();  // its threads read the order
  if (weighted_)
    weighted_->draw(order_, options_.seed, epoch);
  else if (options_.shuffle)
    shuffled_order(order_, options_.seed, epoch);
  taken_ = std::min(taken * options_.batch, count_);
  if (ring_) ring_->begin(order_, taken);
  upload_order();
}

// The order that the device reads: of rows of the data set, or of rows of the ring.
void Loader::upload_order() {
  Upload& upload = uploads_[upload_ ^= 1];
  upload.copied.synchronize();  // two epochs old: long passed
  auto* rows = static_cast<std::int32_t*>(upload.order.data());
  if (ring_) {
    for (std::int64_t i = 0; i < count_; ++i)
      rows[i] = static_cast<std::int32_t>(i % (BatchRing::kSlots * options_.batch));
  } else {
    std::ranges::copy(order_, rows);
  }
  Stream& stream = context_.stream();
  copy_to_device(stream, rows_.data(), rows, std::size_t(count_) * sizeof(std::int32_t));
  upload.copied.record(stream);
}

std::int64_t Loader::next_size() const { return std::min(options_.batch, count_ - taken_); }

std::int64_t Loader::next_with_label(std::int32_t label) const {
  if (labels_.empty()) return 0;
  const auto next = std::span(order_).subspan(std::size_t(taken_), std::size_t(next_size()));
  return std::ranges::count_if(
      next, [&](std::int32_t sample) { return labels_[std::size_t(sample)] == label; });
}

void Loader::advance() {
  ADJOINT_CHECK(next_size() > 0, "loader: the epoch is over; call begin_epoch()");
  const std::int64_t b = taken_ / options_.batch;
  copy_on_device(context_.stream(), position_.data(),
                 static_cast<const std::uint64_t*>(positions_.data()) + b, sizeof(std::uint64_t));
  if (ring_) ring_->advance(context_.stream(), b);
}

Tensor Loader::rows(const Array& array) const {
  return Tensor(array.rows.data(), array.type,
                {array.per_sample ? resident_rows_ : 1, array.shape.count()});
}

// Labels are fetched beside the input, by the same kernel.
void Loader::gather(std::span<const BatchTensor> batch) {
  const auto is_input = [](const BatchTensor& each) { return each.name == kInputName; };
  const bool with_input = std::ranges::any_of(batch, is_input);
  const bool labelled = !labels_.empty() && with_input;
  const auto target = std::ranges::find(batch, std::string_view(kTargetName), &BatchTensor::name);
  for (const BatchTensor& each : batch) {
    if (labelled && each.name == kTargetName) continue;
    const BatchField* const field = find_field(fields_, each.name);
    ADJOINT_CHECK(field != nullptr, "loader: ", name_, " has no array '", each.name, "'");
    const bool carries = labelled && is_input(each) && target != batch.end();
    gather_array(arrays_[std::size_t(field - fields_.data())], each.tensor,
                 carries ? target->tensor : Tensor());
  }
}

void Loader::gather_array(const Array& array, const Tensor& to, const Tensor& labels) {
  const auto* const scale = static_cast<const float*>(scale_.data()) + 2 * array.scale;
  // One row for all samples is gathered as a batch of one.
  const Shape one_row = {1, array.shape.count()};
  Gather call{.batch = array.per_sample ? to : Tensor(to.data(), to.dtype(), one_row),
              .rows = rows(array),
              .indices = Tensor(rows_.data(), DType::int32, {count_}),
              .position = static_cast<const std::uint64_t*>(position_.data()),
              .scale = Tensor(const_cast<float*>(scale), DType::float32, {1}),
              .shift = Tensor(const_cast<float*>(scale + 1), DType::float32, {1})};
  if (!array.per_sample) {
    call.indices = Tensor(zero_.data(), DType::int32, {1});
    call.position = static_cast<const std::uint64_t*>(positions_.data());
  }
  if (labels.defined()) {
    call.batch_labels = labels;
    const auto target = std::ranges::find(fields_, kTargetName, &BatchField::name);
    const Array& from = arrays_[std::size_t(target - fields_.begin())];
    call.labels = Tensor(from.rows.data(), DType::int32, {resident_rows_});
  }
  ::adjoint::gather(context_.stream(), call);
}

void Loader::batch_queued() {
  const std::int64_t b = taken_ / options_.batch;
  taken_ += next_size();
  if (ring_) ring_->queued(context_.stream(), b);
}

std::int64_t Loader::sample(std::int64_t batch, std::int64_t row) const {
  return order_[std::size_t(batch * options_.batch + row)];
}

std::unique_ptr<Loader> sample_loader(Context& context, Dataset samples, const Dataset& outline,
                                      const DataStatistics& statistics, std::int64_t batch) {
  ADJOINT_CHECK(samples.type == outline.type && samples.sample == outline.sample, samples.name,
                ": samples of ", name(samples.type), " ", samples.sample, ", but the model takes ",
                name(outline.type), " ", outline.sample);
  normalise(samples, {.input = statistics.input, .target = {}});
  return std::make_unique<Loader>(
      context, std::make_shared<const Dataset>(std::move(samples)),
      LoaderOptions{.batch = batch, .shuffle = false, .pixels = pixel_scale(statistics)});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

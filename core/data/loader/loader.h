// Loader: batches of a data set, as floats on the device, in an order drawn anew for each epoch.
//
// A data set that fits is copied to the device once, as it is, and a kernel gathers each batch
// there: nothing crosses the bus in a step but the order of an epoch, once. A larger one is
// streamed: background threads copy its samples into page-locked buffers, a stream of its own
// copies these into a ring of batches on the device, events keep the two apart. Both ways the same
// kernel reads rows through the same array of row numbers - row numbers of the data set or of the
// ring - so that batches agree bit for bit and the captured step is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/loader/order.h"
#include "core/device/context.h"
#include "core/samples/dataset.h"
#include "core/tensor/tensor.h"
#include "core/tensor/value_range.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class BatchRing;

struct LoaderOptions {
  std::int64_t batch = 128;
  std::uint64_t seed = 0;
  bool shuffle = true;
  /// Samples are drawn with replacement, in proportion to these numbers, one a sample; empty: each
  /// sample comes once an epoch. With `shuffle`.
  std::vector<double> weights = {};
  /// Pixels are given to the model as (byte / 255 - mean) / deviation; features as they are.
  PixelStatistics pixels = {.mean = 0.0, .deviation = 1.0};
  /// Data sets of more bytes than this are streamed.
  std::size_t resident_bytes = std::size_t{2} << 30;
  /// Threads that fill buffers when streaming.
  int threads = 1;
};

/// The least and the largest of a data set's numbers to predict, and the samples they are of.
struct TargetBounds {
  float least = 0, largest = 0;
  std::int64_t least_sample = 0, largest_sample = 0;
};

class Loader {
 public:
  /// Keeps `data` only if it must be streamed. Throws Error for an empty data set or batch.
  Loader(Context& context, std::shared_ptr<const Dataset> data, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Of the data set.
  const std::string& name() const { return name_; }
  const std::vector<std::string>& feature_names() const { return feature_names_; }
  DType type() const { return type_; }
  std::int64_t count() const { return count_; }
  std::int64_t batch() const { return options_.batch; }
  std::uint64_t seed() const { return options_.seed; }
  /// Batches in an epoch; the last may be smaller.
  std::int64_t batches() const { return (count_ + options_.batch - 1) / options_.batch; }
  bool resident() const { return ring_ == nullptr; }
  /// Of a data set with numbers to predict.
  const std::optional<TargetBounds>& target_bounds() const { return target_bounds_; }
  /// Between what the model sees pixels; of tables nothing is known.
  ValueRange pixel_range() const;

  /// Draws the order of that epoch and starts at its front, or behind its first `taken` batches,
  /// whatever was left of the one before.
  void begin_epoch(std::uint64_t epoch, std::int64_t taken = 0);
  /// Samples in the next batch; 0 at the end of the epoch.
  std::int64_t next_size() const;
  /// How many of these have that label.
  std::int64_t next_with_label(std::int32_t label) const;
  /// Samples of the epoch that have not been handed out.
  std::int64_t left() const { return count_ - taken_; }

  // One batch is: advance(); gather(...) or a replay of work that captured it; batch_queued().

  /// Moves the device's position on and makes the stream wait for the next batch to be there. The
  /// calling thread waits only when streaming, for the threads that fill buffers.
  void advance();
  /// Puts on the stream what fills input, floating [n, ...], and target, labels int32 [n] or
  /// floating [n, outputs], n = next_size(); an undefined target is left out. May be captured:
  /// reads nothing but device memory.
  void gather(const Tensor& input, const Tensor& target);
  /// Everything that reads the batch has been put on the stream.
  void batch_queued();

  /// Index in the data set of sample `row` of batch `batch` of the present epoch, for messages.
  std::int64_t sample(std::int64_t batch, std::int64_t row) const;

 private:
  void make_constants();
  void make_resident(const Dataset& data);
  Tensor rows(const Buffer& buffer, DType type, std::int64_t columns) const;
  void upload_order();

  Context& context_;
  LoaderOptions options_;
  std::string name_;
  std::vector<std::string> feature_names_;
  std::int64_t count_ = 0;
  DType type_;
  std::int64_t sample_size_ = 0;
  std::int64_t outputs_ = 0;
  std::int64_t taken_ = 0;  ///< samples of the epoch that were handed out
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> labels_;
  std::optional<TargetBounds> target_bounds_;
  std::optional<WeightedOrder> weighted_;

  // On the device: the data set or the ring; row numbers in the order of the epoch; where each
  // batch begins, and where the present one does; scale and shift of inputs and of targets.
  Buffer input_, target_, rows_, positions_, position_, scale_;
  std::int64_t resident_rows_ = 0;
  // Two, so that the order of the next epoch can be written while that of the last may still be
  // read.
  struct Upload {
    PinnedBuffer order;
    Event copied;
  };
  Upload uploads_[2];
  int upload_ = 0;
  std::unique_ptr<BatchRing> ring_;  // last: its copies end before the buffers go
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

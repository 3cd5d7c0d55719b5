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
#include "core/samples/batch_source.h"
#include "core/samples/dataset.h"
#include "core/samples/statistics.h"
#include "core/tensor/tensor.h"

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

class Loader : public BatchSource {
 public:
  /// Keeps `data` only if it must be streamed. Throws Error for an empty data set or batch.
  Loader(Context& context, std::shared_ptr<const Dataset> data, const LoaderOptions& options);
  ~Loader() override;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Of the data set.
  const std::string& name() const override { return name_; }
  const std::vector<std::string>& feature_names() const override { return feature_names_; }
  DType type() const override { return type_; }
  const std::vector<BatchField>& fields() const override { return fields_; }
  std::int64_t count() const override { return count_; }
  std::int64_t batch() const override { return options_.batch; }
  std::uint64_t seed() const override { return options_.seed; }
  /// Batches in an epoch.
  std::int64_t batches() const { return (count_ + options_.batch - 1) / options_.batch; }
  bool resident() const { return ring_ == nullptr; }
  std::optional<TargetBounds> target_bounds() const override { return target_bounds_; }
  ValueRange pixel_range() const override;

  /// Draws the order of that epoch.
  void begin_epoch(std::uint64_t epoch, std::int64_t taken = 0) override;
  std::int64_t next_size() const override;
  std::int64_t next_with_label(std::int32_t label) const override;
  std::int64_t left() const override { return count_ - taken_; }

  /// Moves the device's position on. The calling thread waits only when streaming, for the threads
  /// that fill buffers.
  void advance() override;
  void gather(std::span<const BatchTensor> batch) override;
  void batch_queued() override;

  /// Index in the data set.
  std::int64_t sample(std::int64_t batch, std::int64_t row) const override;

 private:
  // An array of the data set, on the device: all of its rows, or the ring's.
  struct Array {
    DType type;       // as it lies there
    Shape shape;      // of a row
    bool per_sample;  // otherwise it is one row
    Buffer rows;
    std::size_t scale;  // which pair of scale_
  };

  void make_arrays(const Dataset& data);
  void make_constants();
  Tensor rows(const Array& array) const;
  void gather_array(const Array& array, const Tensor& to, const Tensor& labels);
  void upload_order();

  Context& context_;
  LoaderOptions options_;
  std::string name_;
  std::vector<std::string> feature_names_;
  std::int64_t count_ = 0;
  DType type_;
  std::vector<BatchField> fields_;
  std::vector<Array> arrays_;  // one a field
  std::int64_t taken_ = 0;     ///< samples of the epoch that were handed out
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> labels_;
  std::optional<TargetBounds> target_bounds_;
  std::optional<WeightedOrder> weighted_;

  // On the device: row numbers in the order of the epoch; where each batch begins, and where the
  // present one does; pairs of scale and shift; the row number 0.
  Buffer rows_, positions_, position_, scale_, zero_;
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

/// Samples without targets for a trained model to look at, in their order: those of `outline`,
/// normalised by `statistics`, of the model's training. Throws Error for samples of another type or
/// shape, and like normalise().
std::unique_ptr<Loader> sample_loader(Context& context, Dataset samples, const Dataset& outline,
                                      const DataStatistics& statistics, std::int64_t batch);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

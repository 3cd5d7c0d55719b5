// BatchSource: samples on a device, batch by batch: what training and evaluation take, whoever
// brings them there. core/data/loader/loader.h does so for data sets in host memory; samples that
// come from elsewhere want a class of one's own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/samples/dataset.h"
#include "core/tensor/tensor.h"
#include "core/tensor/value_range.h"

namespace adjoint {

/// The least and the largest of the numbers to predict, and the samples they are of.
struct TargetBounds {
  float least = 0, largest = 0;
  std::int64_t least_sample = 0, largest_sample = 0;
};

/// What a source can fill of every batch, under a name.
struct BatchField {
  std::string name;             ///< "input", "target", or another array's (core/samples/dataset.h)
  DType type = DType::float32;  ///< float32: any floating type; or int32
  Shape shape = {};             ///< of one sample; of the whole where all samples share it
  bool per_sample = true;

  bool operator==(const BatchField&) const = default;
};

/// A tensor to be filled: of a field per sample [n, shape].
struct BatchTensor {
  std::string_view name;
  Tensor tensor;
};

/// The fields of a data set: its input, its target where it has one, its other arrays.
std::vector<BatchField> batch_fields(const Dataset& dataset);
/// The field of that name; null where there is none.
const BatchField* find_field(std::span<const BatchField> fields, std::string_view name);

/// An epoch is begin_epoch() and then, as long as next_size() is not 0: advance(); gather(...), or
/// a replay of work that captured it; batch_queued(). All work goes to one stream, that of the
/// context the model has.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  /// For messages: "mnist train".
  virtual const std::string& name() const = 0;
  /// Samples of an epoch.
  virtual std::int64_t count() const = 0;
  /// Samples of a batch; the last of an epoch may be smaller.
  virtual std::int64_t batch() const = 0;

  /// Starts an epoch at its front, or behind its first `taken` batches, whatever was left of the
  /// one before. What comes in which order follows from seed() and `epoch` alone, so that a run can
  /// be resumed.
  virtual void begin_epoch(std::uint64_t epoch, std::int64_t taken = 0) = 0;
  /// Samples in the next batch; 0 at the end of the epoch.
  virtual std::int64_t next_size() const = 0;
  /// Samples of the epoch that have not been handed out, those of the next batch included.
  virtual std::int64_t left() const = 0;

  /// Makes the stream wait for the next batch to be there. Before gather() and before a replay of
  /// it: what changes from batch to batch, such as where on the device it lies, changes here.
  virtual void advance() = 0;
  /// What gather() can fill.
  virtual const std::vector<BatchField>& fields() const = 0;
  /// Puts on the stream what fills these tensors, n = next_size() samples; other fields are left
  /// out. Throws Error for a name that is no field. May be captured once and replayed: it must read
  /// nothing but device memory, always at the same addresses.
  virtual void gather(std::span<const BatchTensor> batch) = 0;
  /// Everything that reads the batch has been put on the stream.
  virtual void batch_queued() = 0;

  /// Number, for messages, of sample `row` of batch `batch` of the present epoch.
  virtual std::int64_t sample(std::int64_t batch, std::int64_t row) const = 0;

  // What not every source knows.

  /// What the order of samples follows from, beside the epoch.
  virtual std::uint64_t seed() const { return 0; }
  /// How many samples of the next batch have that label: these do not count.
  virtual std::int64_t next_with_label([[maybe_unused]] std::int32_t label) const { return 0; }
  /// What inputs come from: bytes, uint8, are numbers that every type of a model holds.
  virtual DType type() const { return DType::float32; }
  /// Names of the features of a sample; may be empty.
  virtual const std::vector<std::string>& feature_names() const {
    static const std::vector<std::string> kNone;
    return kNone;
  }
  /// Where samples have numbers to predict.
  virtual std::optional<TargetBounds> target_bounds() const { return std::nullopt; }
  /// Between what the model sees pixels; of features nothing is known.
  virtual ValueRange pixel_range() const { return {}; }

 protected:
  BatchSource() = default;
  BatchSource(const BatchSource&) = default;
  BatchSource& operator=(const BatchSource&) = default;
};

}  // namespace adjoint

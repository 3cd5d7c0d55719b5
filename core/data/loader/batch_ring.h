// BatchRing: the streamed half of the loader. A ring of batches on the device, filled by background
// threads through page-locked buffers and a stream of its own.
//
// Batch b of an epoch lives in slot b % slots. A slot goes round: free -> filling (a thread copies
// samples into its page-locked buffer) -> filled -> copying (the training thread has put the copy
// to the device on the copy stream) -> free again for filling once that copy has run. The copy
// itself waits, on the device, for the step that read the slot's previous batch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/device/context.h"
#include "core/samples/dataset.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class BatchRing {
 public:
  static constexpr std::int64_t kSlots = 4;

  /// An array of the data set, and kSlots batches of its rows on the device.
  struct Part {
    DatasetRows rows;
    std::byte* device = nullptr;
  };

  BatchRing(Context& context, std::shared_ptr<const Dataset> data, std::int64_t batch, int threads,
            std::vector<Part> parts);
  ~BatchRing();
  BatchRing(const BatchRing&) = delete;
  BatchRing& operator=(const BatchRing&) = delete;

  /// Ends the filling of an epoch, whatever is left of it: its order may be changed then.
  void end();
  /// Begins to fill for an epoch from batch `first` on, after end(). `order` must stay as it is
  /// until the next end().
  void begin(std::span<const std::int32_t> order, std::int64_t first);
  /// Puts the copy of batch `b` on the copy stream, and makes `stream` wait for it. Called for
  /// b = first, first + 1, ...; waits for the threads, and rethrows what they threw.
  void advance(Stream& stream, std::int64_t b);
  /// The work that reads batch `b` has been put on `stream`.
  void queued(Stream& stream, std::int64_t b);

 private:
  enum class Stage : std::uint8_t { free, filling, filled, copying };
  struct Slot {
    std::vector<PinnedBuffer> parts;
    Event copied;    // the page-locked buffers may be written again
    Event consumed;  // the device's slot may be written again
    Stage stage = Stage::free;
    std::int64_t batch = -1;
  };

  Slot& slot(std::int64_t b) { return slots_[std::size_t(b % kSlots)]; }
  std::int64_t size_of_batch(std::int64_t b) const;
  void fill(std::int64_t b);
  void work();

  std::shared_ptr<const Dataset> data_;
  std::int64_t batch_;
  std::vector<Part> parts_;
  std::vector<Slot> slots_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::span<const std::int32_t> order_;
  std::int64_t next_to_fill_ = 0;
  std::int64_t batches_ = 0;
  int busy_ = 0;  // threads that are filling
  bool stopping_ = false;
  std::exception_ptr error_;

  Stream copies_;
  std::vector<std::thread> threads_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

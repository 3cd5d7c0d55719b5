#include "core/data/loader/batch_ring.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

BatchRing::BatchRing(Context&, std::shared_ptr<const Dataset> data, std::int64_t batch, int threads,
                     std::vector<Part> parts)
    : data_(std::move(data)), batch_(batch), parts_(std::move(parts)), slots_(std::size_t(kSlots)) {
  for (Slot& slot : slots_)
    for (const Part& part : parts_)
      slot.parts.emplace_back(std::size_t(batch) * part.rows.row_bytes);
  for (int i = 0; i < std::max(1, threads); ++i) threads_.emplace_back([this] { work(); });
}

BatchRing::~BatchRing() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  try {
    copies_.synchronize();  // the page-locked buffers go away with us
  } catch (...) {
    // An error of the device has been, or will be, reported by the main stream.
  }
}

std::int64_t BatchRing::size_of_batch(std::int64_t b) const {
  return std::min(batch_, static_cast<std::int64_t>(order_.size()) - b * batch_);
}

void BatchRing::end() {
  std::unique_lock lock(mutex_);
  next_to_fill_ = batches_ = 0;  // nothing new is begun
  changed_.wait(lock, [&] { return busy_ == 0; });
  for (Slot& slot : slots_)
    if (slot.stage == Stage::filled) slot.stage = Stage::free;
}

void BatchRing::begin(std::span<const std::int32_t> order, std::int64_t first) {
  {
    const std::lock_guard lock(mutex_);
    order_ = order;
    next_to_fill_ = first;
    batches_ = (static_cast<std::int64_t>(order.size()) + batch_ - 1) / batch_;
  }
  changed_.notify_all();
}

void BatchRing::fill(std::int64_t b) {
  Slot& slot = this->slot(b);
  slot.copied.synchronize();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    auto* to = static_cast<std::byte*>(slot.parts[i].data());
    const std::byte* const from = parts_[i].rows.data;
    const std::size_t size = parts_[i].rows.row_bytes;
    for (std::int64_t row = 0; row < size_of_batch(b); ++row) {
      const auto sample = static_cast<std::size_t>(order_[std::size_t(b * batch_ + row)]);
      std::memcpy(to + std::size_t(row) * size, from + sample * size, size);
    }
  }
}

void BatchRing::work() {
  std::unique_lock lock(mutex_);
  const auto fillable = [&] {
    if (next_to_fill_ >= batches_ || error_) return false;
    const Stage stage = slot(next_to_fill_).stage;
    return stage == Stage::free || stage == Stage::copying;
  };
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || fillable(); });
    if (stopping_) return;
    const std::int64_t b = next_to_fill_++;
    slot(b).stage = Stage::filling;
    slot(b).batch = b;
    ++busy_;
    lock.unlock();
    std::exception_ptr error;
    try {
      fill(b);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --busy_;
    slot(b).stage = Stage::filled;
    if (error) error_ = error;
    changed_.notify_all();
  }
}

void BatchRing::advance(Stream& stream, std::int64_t b) {
  Slot& slot = this->slot(b);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || (slot.stage == Stage::filled && slot.batch == b); });
    if (error_) std::rethrow_exception(error_);
  }
  const auto row = static_cast<std::size_t>((b % kSlots) * batch_);
  const auto rows = static_cast<std::size_t>(size_of_batch(b));
  copies_.wait(slot.consumed);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::size_t size = parts_[i].rows.row_bytes;
    copy_to_device(copies_, parts_[i].device + row * size, slot.parts[i].data(), rows * size);
  }
  slot.copied.record(copies_);
  stream.wait(slot.copied);
  {
    const std::lock_guard lock(mutex_);
    slot.stage = Stage::copying;
  }
  changed_.notify_all();
}

void BatchRing::queued(Stream& stream, std::int64_t b) { slot(b).consumed.record(stream); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

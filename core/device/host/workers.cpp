// Threads join a job while it lasts and are never waited for if they did not: a small job does not
// pay for waking the pool. They spin briefly before they sleep, because launches come in trains.
#include "core/device/host/workers.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

thread_local bool inside_parallel_for = false;

struct Job {
  std::int64_t count;
  void* body;
  void (*call)(void*, std::int64_t);
  std::atomic<std::int64_t> next{0};
  std::mutex error_mutex{};
  std::exception_ptr error{};

  void work() {
    inside_parallel_for = true;
    for (;;) {
      const std::int64_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count) break;
      try {
        call(body, index);
      } catch (...) {
        next.store(count, std::memory_order_relaxed);
        std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
    inside_parallel_for = false;
  }
};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits up to some tens of microseconds for the condition; whether it holds.
template <class Condition>
bool spin(const Condition& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    relax();
  }
  return condition();
}

class Pool {
 public:
  int workers() const { return workers_.load(std::memory_order_relaxed); }

  void resize(int workers) {
    std::lock_guard turn(turn_);
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      wake_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    stop_ = false;
    workers_ = workers;
  }

  void run(Job& job) {
    std::lock_guard turn(turn_);
    start();
    {
      std::lock_guard lock(mutex_);
      job_ = &job;
      ++generation_;
      if (sleeping_ > 0) wake_.notify_all();
    }
    job.work();
    std::unique_lock lock(mutex_);
    job_ = nullptr;
    if (active_ == 0) return;
    lock.unlock();
    spin([&] { return active_ == 0; });
    lock.lock();
    left_.wait(lock, [&] { return active_ == 0; });
  }

 private:
  void start() {
    if (int(threads_.size()) + 1 >= workers()) return;
    // Signals are for the program's own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (int(threads_.size()) + 1 < workers()) threads_.emplace_back([this] { serve(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void serve() {
    std::uint64_t seen = 0;
    const auto called = [&] { return stop_ || generation_ != seen; };
    for (;;) {
      spin(called);
      std::unique_lock lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, called);
      --sleeping_;
      if (stop_) return;
      seen = generation_;
      Job* const job = job_;
      if (!job) continue;  // over before this thread came
      ++active_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--active_ == 0 && job_ == nullptr) left_.notify_all();
    }
  }

  std::mutex turn_;  ///< held during a job: callers take turns
  std::vector<std::thread> threads_;
  std::atomic<int> workers_ = [] {
    const char* text = std::getenv("ADJOINT_WORKERS");
    const int wanted = text ? std::atoi(text) : 0;
    if (wanted > 0) return wanted;
#if defined(__SANITIZE_THREAD__)
    // Each worker's CUDA threads are threads to ThreadSanitizer, which has room for 8,128.
    return std::clamp(int(std::thread::hardware_concurrency()), 1, 3);
#else
    return std::max(1, int(std::thread::hardware_concurrency()));
#endif
  }();

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  Job* job_ = nullptr;  ///< open for joining; guarded by mutex_
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> active_{0};  ///< threads inside job_, the caller not counted
  int sleeping_ = 0;
  std::atomic<bool> stop_{false};
};

std::atomic<Pool*> current_pool{nullptr};

// The pool is never destroyed: its threads may still sleep in it while static objects are torn down
// at exit. A forked child has none of its parent's threads, and makes a pool of its own.
Pool& pool() {
  static std::mutex mutex;
  if (Pool* p = current_pool.load(std::memory_order_acquire)) return *p;
  std::lock_guard lock(mutex);
  if (!current_pool.load(std::memory_order_acquire)) {
    static const int registered = pthread_atfork(nullptr, nullptr, [] {
      current_pool.store(nullptr, std::memory_order_release);
      inside_parallel_for = false;
    });
    (void)registered;
    current_pool.store(new Pool, std::memory_order_release);
  }
  return *current_pool.load(std::memory_order_acquire);
}

}  // namespace

int workers() { return pool().workers(); }

void set_workers(int count) {
  ADJOINT_CHECK(count >= 1, "set_workers: expected at least one worker, got ", count);
  ADJOINT_CHECK(!inside_parallel_for, "set_workers: called from inside parallel_for");
  pool().resize(count);
}

void parallel_for_erased(std::int64_t count, void* body, void (*call)(void*, std::int64_t)) {
  if (count <= 0) return;
  if (count == 1 || inside_parallel_for || workers() == 1) {
    for (std::int64_t i = 0; i < count; ++i) call(body, i);
    return;
  }
  Job job{.count = count, .body = body, .call = call};
  pool().run(job);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

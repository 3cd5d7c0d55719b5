// Ctrl-C and SIGTERM, as a flag that is looked at between steps.
#include <csignal>

#include "tools/adjoint/commands.h"

namespace adjoint {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set from a signal handler");

extern "C" void request_stop(int signal) {
  stop_requested.store(true, std::memory_order_relaxed);
  std::signal(signal, SIG_DFL);  // the next one ends the program
}

}  // namespace

const std::atomic<bool>& stop_flag() { return stop_requested; }

void catch_interrupts() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
}

}  // namespace adjoint

// The order in which the host starts the threads of a block. Natural order by default; a kernel
// that lacks a barrier gives other results in another order, so tests run it in several.
#pragma once

#include <cstdint>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct ThreadOrder {
  enum class Kind : std::uint8_t {
    natural,
    reverse,
    random,  ///< shuffled anew for each block, by `seed`; waiters of a barrier wake up shuffled
  };
  Kind kind = Kind::natural;
  std::uint32_t seed = 0;
};

/// The order of launches that start from now on; synchronise the streams first. At start it comes
/// from the environment: ADJOINT_HOST_ORDER=natural, reverse or random:SEED.
ThreadOrder thread_order();
void set_thread_order(ThreadOrder order);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

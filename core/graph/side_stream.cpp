// What need not hold up the layers goes to a stream beside theirs.
#include "core/graph/gradient_ranges.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

void move_hooks_aside(CallList& calls) {
  int made = -1, last = -1;  // the last calls of the main stream, and of the other
  for (int moment = 0; moment < calls.after(); ++moment) {
    if (calls.calls()[std::size_t(moment)].pass != Pass::hook) {
      made = moment;
      continue;
    }
    calls.move(moment, Lane::side, {made});
    last = moment;
  }
  if (last >= 0) calls.add({.pass = Pass::join, .waits = {last}});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

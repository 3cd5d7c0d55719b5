// Results on the host do not depend on how many threads compute them.
#include <gtest/gtest.h>

#include "core/device/host/workers.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using HostWorkersTest = DeviceTest;

TEST_F(HostWorkersTest, TheirNumberChangesNoBitOfAModel) {
  Snapshot models[2];
  const int before = workers();
  for (int i = 0; i < 2; ++i) {
    set_workers(i + 1);
    SmallRun run(small_recipe());
    run.trainer.run();
    models[i] = take_snapshot(*run.model.graph);
  }
  set_workers(before);
  EXPECT_TRUE(same_bits(models[0], models[1]));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

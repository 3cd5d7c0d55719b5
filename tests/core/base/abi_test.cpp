#include "core/base/abi.h"

#include <gtest/gtest.h>

#include <string>

namespace adjoint {
namespace {

TEST(AbiTag, NamesVersionAndFlags) {
  const std::string tag = kAbiTag;
  for (const char* part :
       {"version=" ADJOINT_VERSION, "ADJOINT_CHECKED=", "sanitizer=", "library=", "math="})
    EXPECT_NE(tag.find(part), std::string::npos) << part;
  EXPECT_EQ(tag.find("backend="), std::string::npos) << "this is compiled for none";
#if defined(ADJOINT_CHECKED)
  EXPECT_NE(tag.find("ADJOINT_CHECKED=1"), std::string::npos);
#else
  EXPECT_NE(tag.find("ADJOINT_CHECKED=0 sanitizer=none"), std::string::npos);
#endif
}

TEST(AbiTag, DiffersInWhatBothName) {
  EXPECT_EQ(abi_difference(kAbiTag, kAbiTag), "");
  EXPECT_EQ(abi_difference("version=1 math=exact", "math=exact version=1"), "");
  EXPECT_EQ(abi_difference("version=1 backend=host math=exact", "version=2 math=fast"),
            "expected math=exact version=1, found math=fast version=2");
  // Base knows no backend, files that nvcc compiles no vectors: both fit any.
  EXPECT_EQ(abi_difference("version=1", "version=1 backend=host"), "");
  EXPECT_EQ(abi_difference("version=1 vectors=avx2", "version=1"), "");
}

}  // namespace
}  // namespace adjoint

// What samples of a model are, kept in its file.
#include "core/train/files/outline.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

Dataset images() { return {.sample = {1, 2, 3}, .classes = 10}; }
Dataset table() {
  return {.type = DType::float32,
          .sample = {2},
          .feature_names = {"width", "height"},
          .classes = 2,
          .class_names = {"cat", "dog"}};
}

TEST(Outline, IsKeptAsMetadata) {
  for (Dataset outline : {images(), table()}) {
    outline.outputs = 3;
    const Dataset again = read_outline(outline_metadata(outline), "m");
    EXPECT_EQ(again.type, outline.type);
    EXPECT_EQ(again.sample, outline.sample);
    EXPECT_EQ(again.feature_names, outline.feature_names);
    EXPECT_EQ(again.classes, outline.classes);
    EXPECT_EQ(again.class_names, outline.class_names);
    EXPECT_EQ(again.outputs, 3);
    EXPECT_EQ(again.count, 0);
  }
  EXPECT_FALSE(has_outline({{"epoch", "3"}}));
}

TEST(Outline, ThatCannotBeIsAnError) {
  const std::string good = outline_metadata(table()).at("outline");
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const std::size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << good;
    bad.replace(at, from.size(), to);
    expect_error([&] { read_outline({{"outline", bad}}, "m.safetensors"); }, {"m.safetensors"});
  };
  refused("{", "");
  refused("\"sample\":[2]", "\"sample\":[0]");
  refused("\"sample\":[2]", "\"sample\":[-2]");
  refused("\"sample\":[2]", "\"sample\":[]");
  refused("\"sample\":[2]", "\"sample\":[3]");  // two features are named
  refused("\"sample\":[2]", "\"sample\":[4611686018427387904, 4]");
  refused("\"sample\":[2]", "\"sample\":\"2\"");
  refused("\"float32\"", "\"int32\"");
  refused("\"classes\":2", "\"classes\":-1");
  refused("\"classes\":2", "\"classes\":3");
  expect_error([] { read_outline({}, "m.safetensors"); }, {"m.safetensors"});
}

}  // namespace
}  // namespace adjoint

#include "core/train/files/engine_choices.h"

#include "core/base/files.h"
#include "kernels/engines/matmul.h"
#include "support/backend.h"
#include "support/scratch_folder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Product {
  explicit Product(Context& context)
      : a(context, std::vector<float>(40 * 24, 0.5f)),
        b(context, std::vector<float>(24 * 16, 0.25f)),
        c(context, 40 * 16) {}
  Matmul call() const {
    return {.a = a.tensor({40, 24}), .b = b.tensor({24, 16}), .c = c.tensor({40, 16})};
  }
  DeviceVector<float> a, b, c;
};

using EngineChoicesTest = DeviceTest;

TEST_F(EngineChoicesTest, TuningMeasures) {
  Context context;
  matmul_engines(context).set_tuning(true);
  const Product product(context);
  matmul(context, product.call());
  EXPECT_GT(matmul_engines(context).choices().at(0).milliseconds, 0);
}

// The engine that nobody takes untuned, so that the replay shows.
TEST_F(EngineChoicesTest, AChoiceIsReplayed) {
  const test::ScratchFolder folder;
  Context first;
  matmul_engines(first).force_engine("tile");
  const Product forced(first);
  matmul(first, forced.call());
  save_engine_choices(folder / "engines.json", first);

  Context second;
  ASSERT_TRUE(restore_engine_choices(folder / "engines.json", second));
  const Product replayed(second);
  matmul(second, replayed.call());
  const EngineChoice want = matmul_engines(first).choices().at(0);
  const EngineChoice got = matmul_engines(second).choices().at(0);
  EXPECT_EQ(got.engine, "tile");
  EXPECT_EQ(got.detail, want.detail);
  EXPECT_EQ(got.problem, want.problem);
  EXPECT_EQ(replayed.c.download(), forced.c.download());
}

TEST_F(EngineChoicesTest, ChoicesOfAnotherDeviceAreLeftAlone) {
  const test::ScratchFolder folder;
  write_file_atomically(
      folder / "engines.json",
      std::string_view(R"({"device": "Abacus", "matmul": [{"problem": "float32 40x16x24 nn",
                           "engine": "beads", "detail": "", "milliseconds": 1}]})"));
  Context context;
  EXPECT_FALSE(restore_engine_choices(folder / "engines.json", context));
  const Product product(context);
  matmul(context, product.call());
}

TEST_F(EngineChoicesTest, ChoicesOfAnotherLibraryAreLeftAlone) {
  const test::ScratchFolder folder;
  Context context;
  const Product product(context);
  matmul(context, product.call());
  save_engine_choices(folder / "engines.json", context);
  const Bytes bytes = read_file(folder / "engines.json");
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string library = matmul_engines(context).library();
  const std::size_t at = text.find(library);
  ASSERT_TRUE(!library.empty() && at != std::string::npos) << text;
  EXPECT_TRUE(restore_engine_choices(folder / "engines.json", context));
  text.insert(at + library.size(), "1");
  write_file_atomically(folder / "engines.json", std::string_view(text));
  EXPECT_FALSE(restore_engine_choices(folder / "engines.json", context));
}

TEST_F(EngineChoicesTest, OtherFilesAreRefused) {
  const test::ScratchFolder folder;
  Context context;
  for (const char* text : {"", "{", "[]", R"({"device": "x"})", R"({"device": 1, "matmul": []})",
                           R"({"device": "x", "matmul": [{"problem": "p"}]})"}) {
    write_file_atomically(folder / "engines.json", std::string_view(text));
    EXPECT_THROW(restore_engine_choices(folder / "engines.json", context), Error) << text;
  }
  EXPECT_THROW(restore_engine_choices(folder / "absent.json", context), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

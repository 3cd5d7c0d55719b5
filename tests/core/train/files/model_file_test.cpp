// Models in files: what is padding in memory is not in them.
#include "core/train/files/model_file.h"

#include "core/tensor/transfer.h"
#include "core/train/files/safetensors.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/scratch_folder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using ModelFileTest = DeviceTest;

constexpr std::int64_t kVocabulary = 50257, kWidth = 2;

/// A table of GPT-2's vocabulary, tied to its output head.
struct Model {
  Model(std::uint64_t seed, std::int64_t stored_rows) : context({.seed = seed}), graph(context) {
    const Embedding table({.vocabulary = kVocabulary, .width = kWidth, .stored_rows = stored_rows});
    const Value tokens = graph.input({2}, DType::int32);
    const Value logits = linear(graph.apply(table, {tokens}), table.weight());
    graph.compile({.outputs = {logits}});
  }
  std::vector<float> weight() { return download<float>(context, graph.parameters()[0].master()); }
  Context context;
  Graph graph;
};

TEST_F(ModelFileTest, APaddedVocabularyIsSavedAndLoadedWithoutPadding) {
  const test::ScratchFolder folder;
  Model padded(1, 50304), plain(2, 0), again(3, 50304);
  ASSERT_EQ(padded.graph.parameters()[0].stored_shape(), (Shape{50304, kWidth}));
  save_model(folder / "model.safetensors", take_snapshot(padded.graph));
  const SafetensorsFile file = SafetensorsFile::read(folder / "model.safetensors");
  ASSERT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.tensors()[0].shape, (std::vector<std::int64_t>{kVocabulary, kWidth}));
  for (Model* model : {&plain, &again}) {
    load_model(folder / "model.safetensors", model->graph);
    EXPECT_EQ(model->weight(), padded.weight());
  }
  const Parameter& weight = again.graph.parameters()[0];
  const auto stored = download<float>(again.context, weight.stored(weight.master()));
  for (std::size_t i = kVocabulary * kWidth; i < stored.size(); ++i) EXPECT_EQ(stored[i], 0.0f);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

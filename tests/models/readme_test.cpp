// The model on the first page compiles and runs, and is the one that stands there.
#include <fstream>
#include <sstream>

#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/products/linear.h"
#include "layers/shapes/flatten.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/model.h"
#include "support/source_folder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::vector<float> run_the_example(std::int64_t batch) {
  const std::vector<float> pixels(std::size_t(batch * 28 * 28), 0.5f);
  const std::vector<std::int32_t> labels(std::size_t(batch), 7);
  // README begins
  Context context;
  Graph graph(context);
  Value image = graph.input({batch, 1, 28, 28});
  Value label = graph.input({batch}, DType::int32);
  Value hidden = relu(linear(flatten(image), 512));
  Value logits = linear(dropout(hidden, 0.1), 10);
  Value loss = softmax_cross_entropy(logits, label);
  graph.compile({.losses = {loss}});

  AdamW optimizer(context, graph.slab(), {.learning_rate = 1e-3});
  upload(context, graph.tensor(image), pixels);  // std::vector<float>
  upload(context, graph.tensor(label), labels);  // std::vector<std::int32_t>
  graph.forward();
  graph.backward();
  optimizer.step(graph.tensor(loss));
  // README ends
  return download<float>(context, graph.tensor(loss));
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Lines without leading spaces and empty lines.
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) result.push_back(line.substr(begin));
  }
  return result;
}

TEST(ReadmeTest, TheModelRuns) {
  ADJOINT_REQUIRE_DEVICE();
  const std::vector<float> totals = run_the_example(4);
  ASSERT_EQ(totals.size(), 3u) << "loss, samples that count, predicted right";
  EXPECT_GT(totals[0], 0);
  EXPECT_EQ(totals[1], 4);
}

// The same in float64, where losses, and so their totals, are float64 as well; with two
// micro-steps.
TEST(ReadmeTest, TheModelTrainsInFloat64) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  Graph graph(context);
  const Value image = graph.input({4, 1, 28, 28});
  const Value label = graph.input({4}, DType::int32);
  const Value hidden = relu(linear(flatten(image), 16));
  const Value loss = softmax_cross_entropy(linear(hidden, 10), label);
  graph.compile({.losses = {loss}, .compute_type = DType::float64});
  std::vector<float> pixels(4 * 784);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = float(i * 7 % 11) / 11;
  upload(context, graph.tensor(image), pixels);
  upload(context, graph.tensor(label), std::vector<std::int32_t>{3, 1, 4, 1});
  AdamW optimizer(context, graph.slab(), {}, {.schedule = constant(1e-2)});
  std::vector<double> losses;
  for (int step = 0; step < 20; ++step) {
    graph.set_accumulating(false);
    graph.forward();
    graph.backward();
    optimizer.accumulate(graph.tensor(loss));
    graph.set_accumulating(true);
    graph.forward();
    graph.backward();
    optimizer.step(graph.tensor(loss));
    const auto totals = download<double>(context, graph.tensor(loss));
    losses.push_back(totals[0] / totals[1]);
  }
  EXPECT_LT(losses.back(), 0.5 * losses.front());
  EXPECT_EQ(optimizer.read_metrics().back().valid_count, 8);
}

TEST(ReadmeTest, TheModelIsTheOneOnTheFirstPage) {
  const std::string source = read(source_folder() / "tests/models/readme_test.cpp");
  const std::size_t begin = source.find("// README begins\n"), end = source.find("// README ends");
  ASSERT_NE(begin, std::string::npos);
  const auto code = lines(source.substr(begin + 17, end - begin - 17));
  const std::string readme = read(source_folder() / "README.md");
  const std::size_t first = readme.find("    Context context;");
  const std::size_t last = readme.find("Writing the forward pass");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(lines(readme.substr(first, last - first)), code);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

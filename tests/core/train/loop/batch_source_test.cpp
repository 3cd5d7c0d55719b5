// Training from a source of batches that is not the loader: someone's own.
#include "core/samples/batch_source.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/samples/random.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using BatchSourceTest = DeviceTest;

constexpr std::int64_t kFeatures = 6;

// Rows of features and a number each, in their order, copied to the device batch by batch. Only
// what every source has to have.
class Rows : public BatchSource {
 public:
  Rows(Context& context, const Dataset& data, std::int64_t batch)
      : context_(context),
        data_(data),
        batch_(batch),
        input_(context.memory().allocate(bytes(batch * kFeatures), "rows")),
        target_(context.memory().allocate(bytes(batch), "rows")) {}

  const std::string& name() const override { return data_.name; }
  std::int64_t count() const override { return data_.count; }
  std::int64_t batch() const override { return batch_; }
  void begin_epoch(std::uint64_t, std::int64_t taken) override { taken_ = taken * batch_; }
  std::int64_t next_size() const override { return std::min(batch_, left()); }
  std::int64_t left() const override { return data_.count - taken_; }
  void advance() override {
    copy_to_device(context_.stream(), input_.data(), data_.features.data() + taken_ * kFeatures,
                   bytes(next_size() * kFeatures));
    copy_to_device(context_.stream(), target_.data(), data_.targets.data() + taken_,
                   bytes(next_size()));
  }
  const std::vector<BatchField>& fields() const override { return fields_; }
  void gather(std::span<const BatchTensor> batch) override {
    for (const BatchTensor& each : batch)
      copy_on_device(context_.stream(), each.tensor.data(),
                     each.name == kInputName ? input_.data() : target_.data(), each.tensor.bytes());
  }
  void batch_queued() override { taken_ += next_size(); }
  std::int64_t sample(std::int64_t batch, std::int64_t row) const override {
    return batch * batch_ + row;
  }

 private:
  static std::size_t bytes(std::int64_t numbers) {
    return static_cast<std::size_t>(numbers) * sizeof(float);
  }

  Context& context_;
  Dataset data_;
  std::vector<BatchField> fields_ = batch_fields(data_);
  std::int64_t batch_;
  Buffer input_, target_;
  std::int64_t taken_ = 0;
};

Dataset plane(std::int64_t count) {
  Dataset data{
      .name = "plane", .count = count, .type = DType::float32, .sample = {kFeatures}, .outputs = 1};
  SampleRandom random(1, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    float sum = 0;
    for (std::int64_t j = 0; j < kFeatures; ++j) {
      data.features.push_back(static_cast<float>(random.uniform(-1, 1)));
      sum += data.features.back() * static_cast<float>(j);
    }
    data.targets.push_back(sum);
  }
  return data;
}

struct Trained {
  Snapshot model;
  double loss;
};

// The last batch of an epoch is smaller than the others.
Trained train(const std::function<std::unique_ptr<BatchSource>(Context&)>& make) {
  const Recipe recipe = parse_recipe(
      "[model]\nlayers = [{type = \"linear\", out = 1}]\n[loss]\ntype = \"mse\"\n[optim]\nlr = "
      "0.05\n[train]\nbatch = 16\nepochs = 8\n",
      "plane.toml");
  Context context({.seed = 1});
  const auto samples = make(context), judged = make(context);
  Model model = build_model(context, recipe, {.sample = {kFeatures}, .classes = 0, .outputs = 1});
  const std::int64_t steps = total_updates(recipe, samples->count());
  const auto optimizer = build_optimizer(context, recipe, *model.graph, steps);
  Evaluator evaluator(model, *judged);
  Trainer trainer(model, *optimizer, *samples, &evaluator, {.steps = steps});
  EXPECT_TRUE(trainer.run());
  restore_snapshot(*model.graph, trainer.best());
  return {trainer.best(), evaluator.run().loss};
}

TEST_F(BatchSourceTest, OnesOwnTrainsAsTheLoaderDoes) {
  const Dataset data = plane(200);
  const Trained own =
      train([&](Context& context) { return std::make_unique<Rows>(context, data, 16); });
  const Trained loaded = train([&](Context& context) {
    return std::make_unique<Loader>(context, std::make_shared<Dataset>(data),
                                    LoaderOptions{.batch = 16, .shuffle = false});
  });
  EXPECT_TRUE(same_bits(own.model, loaded.model));
  EXPECT_EQ(own.loss, loaded.loss);
  EXPECT_LT(own.loss, 0.5) << "of targets whose mean square is 18";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

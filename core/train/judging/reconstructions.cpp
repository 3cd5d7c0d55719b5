#include "core/train/judging/reconstructions.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/train/judging/evaluator.h"
#include "core/train/judging/floats.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// In pixels of the picture.
constexpr std::int64_t kGap = 6;
constexpr std::int64_t kSmallestSide = 84;
constexpr std::uint8_t kPaper = 232;

std::uint8_t pixel_of(float value, const PixelStatistics& pixels) {
  const double unit = double(value) * pixels.deviation + pixels.mean;
  // What is no number is drawn black.
  return unit > 0 ? static_cast<std::uint8_t>(std::lround(255 * std::min(unit, 1.0))) : 0;
}

std::vector<float> first_floats(Context& context, const Tensor& tensor, std::int64_t count) {
  return download_floats(context, Tensor(tensor.data(), tensor.dtype(), {count}));
}

}  // namespace

bool can_be_drawn(const Dataset& dataset) {
  return dataset.type == DType::uint8 && dataset.sample.rank() == 3 &&
         (dataset.sample[0] == 1 || dataset.sample[0] == 3);
}

Image reconstruction_picture(const Shape& sample, const PixelStatistics& pixels,
                             std::span<const float> inputs, std::span<const float> outputs) {
  const std::int64_t size = sample.count();
  ADJOINT_CHECK(sample.rank() == 3 && size > 0 && inputs.size() == outputs.size() &&
                    !inputs.empty() && std::ssize(inputs) % size == 0,
                "reconstructions: expected as many inputs as outputs of images ", sample, ", got ",
                inputs.size(), " and ", outputs.size(), " numbers");
  const std::int64_t count = std::ssize(inputs) / size, height = sample[1], width = sample[2];
  const std::int64_t times = std::max<std::int64_t>(1, (kSmallestSide + height - 1) / height);
  Image picture{.channels = sample[0],
                .height = 2 * height * times + 3 * kGap,
                .width = count * (width * times + kGap) + kGap};
  picture.pixels.assign(static_cast<std::size_t>(picture.channels * picture.height * picture.width),
                        kPaper);
  for (int line = 0; line < 2; ++line)
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t c = 0; c < sample[0]; ++c)
        for (std::int64_t y = 0; y < height * times; ++y)
          for (std::int64_t x = 0; x < width * times; ++x) {
            const std::int64_t from =
                ((i * sample[0] + c) * height + y / times) * width + x / times;
            const std::int64_t row = kGap + line * (height * times + kGap) + y;
            const std::int64_t column = kGap + i * (width * times + kGap) + x;
            const float value = (line == 0 ? inputs : outputs)[std::size_t(from)];
            picture.pixels[std::size_t((c * picture.height + row) * picture.width + column)] =
                pixel_of(value, pixels);
          }
  return picture;
}

void draw_reconstructions(const std::filesystem::path& path, Model& model, BatchSource& source,
                          const Shape& sample, const PixelStatistics& pixels) {
  Graph& graph = *model.graph;
  Context& context = graph.context();
  const ScopedTraining evaluating(context, false);
  source.begin_epoch(0);
  const std::int64_t size = source.next_size();
  source.advance();
  graph.set_batch(size);
  gather_batch(source, model);
  const std::int64_t count = std::min(size, kReconstructionsShown) * sample.count();
  // Now: the graph is free to write over its input.
  const std::vector<float> inputs = first_floats(context, graph.tensor(model.input), count);
  graph.forward();
  source.batch_queued();
  const std::vector<float> outputs = first_floats(context, graph.tensor(model.prediction), count);
  write_png(path, reconstruction_picture(sample, pixels, inputs, outputs));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// A picture of what an autoencoder makes of images: inputs above, what was made of each below it.
#pragma once

#include <filesystem>
#include <span>

#include "core/base/png.h"
#include "core/samples/batch_source.h"
#include "core/samples/statistics.h"
#include "core/train/recipe/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// At most so many samples are drawn.
inline constexpr std::int64_t kReconstructionsShown = 10;

/// Whether samples of this kind can be drawn: images of one or three channels.
bool can_be_drawn(const Dataset& dataset);

/// `inputs` and `outputs` are [count, sample] as the model sees them; values beyond a pixel's are
/// cut off. Small images are drawn larger, each pixel a square.
Image reconstruction_picture(const Shape& sample, const PixelStatistics& pixels,
                             std::span<const float> inputs, std::span<const float> outputs);

/// Draws the first samples of the source, which must not shuffle. Waits.
void draw_reconstructions(const std::filesystem::path& path, Model& model, BatchSource& source,
                          const Shape& sample, const PixelStatistics& pixels);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// PNG files (ISO/IEC 15948) as bytes of gray or colour, by libpng: palettes, 1 to 16 bits,
// transparency, interlaced or not. The numbers are those that Pillow, OpenCV and torchvision give,
// so that a model sees the same pictures wherever it is used: each step works on the numbers of the
// file, whatever it says of gamma or colour space.
//
//   1, 2, 4 bits   v -> v * 255 / (2^bits - 1)
//   16 bits        v -> round(v / 257)
//   transparency   c -> round((alpha c + (255 - alpha) background) / 255); a colour of tRNS has
//                  alpha 0
//   gray           (19595 R + 38470 G + 7471 B + 32768) >> 16, the luma of ITU-R BT.601: 0.299,
//                  0.587, 0.114
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/files.h"

namespace adjoint {

struct Image {
  std::int64_t channels = 1;  ///< 1: gray; 3: red, green, blue
  std::int64_t height = 0;
  std::int64_t width = 0;
  /// [channels, height, width], as data sets hold images.
  std::vector<std::uint8_t> pixels = {};
};

struct PngOptions {
  /// 1 or 3.
  std::int64_t channels = 1;
  /// What shows where the picture is transparent.
  std::uint8_t background = 0;
  /// A file of more is refused before memory is taken for it.
  std::int64_t most_pixels = std::int64_t{1} << 26;
};

/// Throws Error, naming the file, for anything that is not a whole PNG file, and for more pixels
/// than the options allow.
Image read_png(const std::filesystem::path& path, const PngOptions& options = {});
/// The same from memory; `name` stands in error messages.
Image parse_png(std::span<const std::byte> file, std::string_view name,
                const PngOptions& options = {});

/// Writes the file all or not at all; throws Error where it cannot be written.
void write_png(const std::filesystem::path& path, const Image& image);

/// The image in the middle of `height` times `width` pixels, black around it: as large as fits with
/// its proportions kept. Every pixel is the mean of the image under a triangle as wide as a pixel,
/// the image's or the result's, whichever is wider: linear interpolation where the image grows, a
/// mean over all it covers where it shrinks. An image of that size stays as it is.
Image fit_image(const Image& image, std::int64_t height, std::int64_t width);

/// Dark on light becomes light on dark.
void invert(Image& image);

}  // namespace adjoint

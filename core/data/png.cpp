#include "core/data/png.h"

#include <png.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

constexpr std::size_t kSignature = 8;
constexpr std::uint32_t kEnd = 0x49454e44;  // "IEND"

// libpng's state, freed however the function ends.
struct PngImage : png_image {
  PngImage() : png_image{} { version = PNG_IMAGE_VERSION; }
  ~PngImage() { png_image_free(this); }
  PngImage(const PngImage&) = delete;
  PngImage& operator=(const PngImage&) = delete;

  bool failed() const { return PNG_IMAGE_FAILED(*this); }
};

void check_channels(std::int64_t channels) {
  ADJOINT_CHECK(channels == 1 || channels == 3, "png: expected 1 or 3 channels, got ", channels);
}

std::uint32_t format_of(std::int64_t channels) {
  return channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
}

std::uint32_t number_at(std::span<const std::byte> file, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    number = number << 8 | std::to_integer<std::uint32_t>(file[at + i]);
  return number;
}

// Chunks are length, type, data and checksum (ISO/IEC 15948, 5.3), and the last is IEND. libpng
// takes the memory for a chunk's data by its length before it finds that the file has less.
bool chunks_are_whole(std::span<const std::byte> file) {
  constexpr std::size_t kAround = 12;
  for (std::size_t at = kSignature; at + kAround <= file.size();) {
    const std::size_t length = number_at(file, at);
    if (length > file.size() - at - kAround) return false;
    if (number_at(file, at + 4) == kEnd) return true;
    at += length + kAround;
  }
  return false;
}

// ---- resizing

// How much each source pixel adds to one pixel of the result, along one axis.
struct Taps {
  std::int64_t first = 0;
  std::vector<double> weights;  // of first, first + 1, ...; their sum is 1
};

std::vector<Taps> taps_for(std::int64_t from, std::int64_t to) {
  const double scale = double(from) / double(to), reach = std::max(scale, 1.0);
  std::vector<Taps> all;
  for (std::int64_t o = 0; o < to; ++o) {
    const double centre = (double(o) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, std::llround(std::floor(centre - reach)));
    const auto end = std::min<std::int64_t>(from, std::llround(std::ceil(centre + reach)));
    Taps taps{.first = first, .weights = {}};
    double sum = 0;
    for (std::int64_t i = first; i < end; ++i) {
      const double distance = std::abs(double(i) + 0.5 - centre);
      taps.weights.push_back(std::max(0.0, 1 - distance / reach));
      sum += taps.weights.back();
    }
    for (double& weight : taps.weights) weight /= sum;
    all.push_back(std::move(taps));
  }
  return all;
}

// [outer, from, inner] -> [outer, to, inner]
std::vector<double> resample(const std::vector<double>& x, std::int64_t outer, std::int64_t from,
                             std::int64_t to, std::int64_t inner) {
  const std::vector<Taps> taps = taps_for(from, to);
  std::vector<double> y(static_cast<std::size_t>(outer * to * inner));
  for (std::int64_t block = 0; block < outer; ++block)
    for (std::int64_t o = 0; o < to; ++o) {
      const Taps& of = taps[std::size_t(o)];
      double* const out = y.data() + (block * to + o) * inner;
      for (std::size_t k = 0; k < of.weights.size(); ++k) {
        const double* const in = x.data() + (block * from + of.first + std::int64_t(k)) * inner;
        for (std::int64_t i = 0; i < inner; ++i) out[i] += of.weights[k] * in[i];
      }
    }
  return y;
}

}  // namespace

Image parse_png(std::span<const std::byte> file, std::string_view name, const PngOptions& options) {
  check_channels(options.channels);
  const auto* const bytes = reinterpret_cast<png_const_bytep>(file.data());
  ADJOINT_CHECK(file.size() >= kSignature && png_sig_cmp(bytes, 0, kSignature) == 0, name,
                ": not a PNG file; expected one that begins with the signature of PNG");
  ADJOINT_CHECK(chunks_are_whole(file), name,
                ": not a whole PNG file: it ends before its last chunk does");
  PngImage png;
  ADJOINT_CHECK(png_image_begin_read_from_memory(&png, file.data(), file.size()) && !png.failed(),
                name, ": not a whole PNG file: ", png.message);
  ADJOINT_CHECK(std::int64_t{png.width} * png.height <= options.most_pixels, name, ": ", png.width,
                " x ", png.height, " pixels; expected at most ", options.most_pixels,
                " in all, make it smaller");
  png.format = format_of(options.channels);
  Image image{.channels = options.channels, .height = png.height, .width = png.width};
  std::vector<std::uint8_t> interleaved(PNG_IMAGE_SIZE(png));
  const png_color background{options.background, options.background, options.background};
  ADJOINT_CHECK(
      png_image_finish_read(&png, &background, interleaved.data(), 0, nullptr) && !png.failed(),
      name, ": not a whole PNG file: ", png.message);
  if (options.channels == 1) {
    image.pixels = std::move(interleaved);
    return image;
  }
  image.pixels.resize(interleaved.size());
  const std::size_t plane = interleaved.size() / 3;
  for (std::size_t i = 0; i < interleaved.size(); ++i)
    image.pixels[i % 3 * plane + i / 3] = interleaved[i];
  return image;
}

Image read_png(const std::filesystem::path& path, const PngOptions& options) {
  return parse_png(read_file(path), path.string(), options);
}

void write_png(const std::filesystem::path& path, const Image& image) {
  check_channels(image.channels);
  const auto plane = static_cast<std::size_t>(image.height * image.width);
  const auto channels = static_cast<std::size_t>(image.channels);
  ADJOINT_CHECK(plane > 0 && image.pixels.size() == channels * plane, "png: ", path.string(),
                ": expected ", image.channels, " x ", image.height, " x ", image.width,
                " pixels and at least one, got ", image.pixels.size());
  std::vector<std::uint8_t> interleaved(image.pixels.size());
  for (std::size_t i = 0; i < interleaved.size(); ++i)
    interleaved[i] = image.pixels[i % channels * plane + i / channels];
  PngImage png;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = format_of(image.channels);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  Bytes file(size);
  ADJOINT_CHECK(
      png_image_write_to_memory(&png, file.data(), &size, 0, interleaved.data(), 0, nullptr),
      "png: ", path.string(), ": ", png.message);
  write_file_atomically(path, std::span<const std::byte>(file).first(size));
}

Image fit_image(const Image& image, std::int64_t height, std::int64_t width) {
  ADJOINT_CHECK(image.height > 0 && image.width > 0 && height > 0 && width > 0,
                "fit_image: expected pixels, got ", image.height, " x ", image.width, " to ",
                height, " x ", width);
  if (image.height == height && image.width == width) return image;
  const double factor =
      std::min(double(height) / double(image.height), double(width) / double(image.width));
  const auto scaled = [&](std::int64_t from, std::int64_t most) {
    return std::clamp<std::int64_t>(std::llround(double(from) * factor), 1, most);
  };
  const std::int64_t rows = scaled(image.height, height), columns = scaled(image.width, width);
  std::vector<double> x(image.pixels.begin(), image.pixels.end());
  x = resample(x, image.channels, image.height, rows, image.width);
  x = resample(x, image.channels * rows, image.width, columns, 1);
  Image result{.channels = image.channels, .height = height, .width = width};
  result.pixels.resize(static_cast<std::size_t>(image.channels * height * width));
  const std::int64_t top = (height - rows) / 2, left = (width - columns) / 2;
  for (std::int64_t i = 0; i < std::ssize(x); ++i) {
    const std::int64_t channel = i / (rows * columns), row = i / columns % rows;
    const std::int64_t place = (channel * height + top + row) * width + left + i % columns;
    result.pixels[std::size_t(place)] =
        static_cast<std::uint8_t>(std::lround(std::clamp(x[std::size_t(i)], 0.0, 255.0)));
  }
  return result;
}

void invert(Image& image) {
  for (std::uint8_t& pixel : image.pixels) pixel = std::uint8_t(255 - pixel);
}

}  // namespace adjoint

#include "core/base/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csetjmp>
#include <cstring>

#include "core/base/error.h"

namespace adjoint {
namespace {

constexpr std::size_t kSignature = 8;
constexpr std::uint32_t kEnd = 0x49454e44;  // "IEND"

void check_channels(std::int64_t channels) {
  ADJOINT_CHECK(channels == 1 || channels == 3, "png: expected 1 or 3 channels, got ", channels);
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

// ---- reading

struct PngPixels {
  std::int64_t width = 0, height = 0;
  std::size_t channels = 0;  // gray; gray, alpha; red, green, blue; these and alpha
};

// libpng's state over a file in memory. Its errors jump back to where a function of this class
// called setjmp: they hold nothing that has a destructor. Each is true where it went well.
class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> file) : rest_(file) {
    png_ =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, this, fail, [](png_structp, const char*) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  const char* reason() const { return reason_.data(); }

  bool read_header() {
    if (info_ == nullptr) return false;
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, read);
    // Neither is anything but pixels wanted, nor the memory that hostile texts and profiles take.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller has a limit
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes, fewer bits than 8, and tRNS into a channel of alpha
    png_set_scale_16(png_);
    png_set_interlace_handling(png_);
    return true;
  }

  // Takes memory for a row.
  bool start_rows() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_update_info(png_, info_);
    return true;
  }

  PngPixels pixels() const {
    return {png_get_image_width(png_, info_), png_get_image_height(png_, info_),
            png_get_channels(png_, info_)};
  }

  std::vector<std::uint8_t> room_for_rows() const {
    return std::vector<std::uint8_t>(png_get_rowbytes(png_, info_) *
                                     png_get_image_height(png_, info_));
  }

  bool read_rows(std::span<std::uint8_t> to) {
    const std::size_t row_bytes = png_get_rowbytes(png_, info_);
    rows_.clear();
    for (std::size_t at = 0; at < to.size(); at += row_bytes) rows_.push_back(to.data() + at);
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows_.data());
    png_read_end(png_, nullptr);
    return true;
  }

 private:
  static void fail(png_structp png, const char* message) {
    auto& reason = static_cast<PngReader*>(png_get_error_ptr(png))->reason_;
    std::strncpy(reason.data(), message, reason.size() - 1);
    png_longjmp(png, 1);
  }

  static void read(png_structp png, png_bytep to, std::size_t count) {
    auto& rest = static_cast<PngReader*>(png_get_io_ptr(png))->rest_;
    if (count > rest.size()) png_error(png, "it ends too early");
    std::memcpy(to, rest.data(), count);
    rest = rest.subspan(count);
  }

  std::span<const std::byte> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::vector<png_bytep> rows_;
  std::array<char, 100> reason_{};
};

std::uint8_t over(int value, int alpha, int background) {
  return static_cast<std::uint8_t>((value * alpha + background * (255 - alpha) + 127) / 255);
}

std::uint8_t luma(const std::array<std::uint8_t, 3>& rgb) {
  return static_cast<std::uint8_t>((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
}

// As png.h says, from interleaved bytes.
Image image_of(std::span<const std::uint8_t> rows, const PngPixels& from,
               const PngOptions& options) {
  Image image{.channels = options.channels, .height = from.height, .width = from.width};
  const auto plane = static_cast<std::size_t>(from.height * from.width);
  image.pixels.resize(static_cast<std::size_t>(options.channels) * plane);
  const bool color = from.channels >= 3, clear = from.channels % 2 == 0;
  for (std::size_t i = 0; i < plane; ++i) {
    const auto pixel = rows.subspan(i * from.channels, from.channels);
    std::array<std::uint8_t, 3> rgb;
    for (std::size_t c = 0; c < 3; ++c) {
      rgb[c] = pixel[color ? c : 0];
      if (clear) rgb[c] = over(rgb[c], pixel.back(), options.background);
    }
    if (options.channels == 1)
      image.pixels[i] = color ? luma(rgb) : rgb[0];
    else
      for (std::size_t c = 0; c < 3; ++c) image.pixels[c * plane + i] = rgb[c];
  }
  return image;
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
  PngReader reader(file);
  ADJOINT_CHECK(reader.read_header(), name, ": not a whole PNG file: ", reader.reason());
  const PngPixels pixels = reader.pixels();
  ADJOINT_CHECK(pixels.width * pixels.height <= options.most_pixels, name, ": ", pixels.width,
                " x ", pixels.height, " pixels; expected at most ", options.most_pixels,
                " in all, make it smaller");
  ADJOINT_CHECK(reader.start_rows(), name, ": not a whole PNG file: ", reader.reason());
  std::vector<std::uint8_t> rows = reader.room_for_rows();
  ADJOINT_CHECK(reader.read_rows(rows), name, ": not a whole PNG file: ", reader.reason());
  return image_of(rows, reader.pixels(), options);
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
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
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

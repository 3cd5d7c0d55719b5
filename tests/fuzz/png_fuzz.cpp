// PNG as it is; with every chunk's checksum mended, which would stop mutations before the chunk is
// read; and pixels behind a header of any kind, in the smallest sound file that holds them.
#include "core/base/png.h"

#include <zlib.h>

#include <algorithm>

#include "fuzz/fuzz.h"

namespace adjoint::fuzz {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 18;
constexpr std::size_t kSignature = 8;
constexpr std::size_t kHeaderData = 13;

std::uint32_t number_at(Input bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    number = number << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return number;
}

void put_number(std::span<std::byte> to, std::uint32_t number) {
  for (std::size_t i = 0; i < 4; ++i) to[i] = std::byte(number >> (24 - 8 * i) & 0xff);
}

std::uint32_t checksum(Input bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// Chunks are length, type, data and the checksum of type and data (ISO/IEC 15948, 5.3).
Bytes with_checksums(Input input) {
  Bytes file(input.begin(), input.end());
  for (std::size_t at = kSignature; at + 12 <= file.size();) {
    const std::size_t length = number_at(file, at);
    if (length > file.size() - at - 12) break;
    const std::span<std::byte> chunk(file.data() + at + 4, length + 8);
    put_number(chunk.last(4), checksum(chunk.first(length + 4)));
    at += length + 12;
  }
  return file;
}

void append_chunk(Bytes& file, std::string_view type, Input data) {
  const std::size_t at = file.size();
  file.resize(at + 4);
  put_number(std::span(file).subspan(at), static_cast<std::uint32_t>(data.size()));
  const auto name = as_bytes(type);
  file.insert(file.end(), name.begin(), name.end());
  file.insert(file.end(), data.begin(), data.end());
  file.resize(file.size() + 4);  // with_checksums
}

// The input's first bytes as the header's data, the others packed, or those of a palette first.
Bytes with_pixels(Input input) {
  Input rest = input.subspan(kHeaderData);
  Bytes file;
  const auto signature = as_bytes("\x89PNG\r\n\x1a\n");
  file.insert(file.end(), signature.begin(), signature.end());
  append_chunk(file, "IHDR", input.first(kHeaderData));
  if (input[9] == std::byte{3}) {
    const Input palette = rest.first(std::min<std::size_t>(rest.size() / 2, 768) / 3 * 3);
    append_chunk(file, "PLTE", palette);
    rest = rest.subspan(palette.size());
  }
  uLongf size = compressBound(static_cast<uLong>(rest.size()));
  Bytes packed(size);
  compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
            reinterpret_cast<const Bytef*>(rest.data()), static_cast<uLong>(rest.size()), 1);
  packed.resize(size);
  append_chunk(file, "IDAT", packed);
  append_chunk(file, "IEND", {});
  return with_checksums(file);
}

void hold_against_its_promises(const Image& image) {
  demand(image.height > 0 && image.width > 0 && image.height * image.width <= kMostPixels,
         "no pixels, or more than allowed");
  demand(std::ssize(image.pixels) == image.channels * image.height * image.width,
         "not as many pixels as height and width say");
  const Image fitted = fit_image(image, 5, 7);
  demand(std::ssize(fitted.pixels) == image.channels * 5 * 7, "an image that does not fit");
  demand(*std::ranges::max_element(fitted.pixels) <= *std::ranges::max_element(image.pixels),
         "brighter for being made to fit");
}

// One file as gray and as colour, on black and on white: all are read or none, at one size.
bool read(Input file) {
  const auto parse = [&](std::int64_t channels, std::uint8_t background) {
    return accepted([&] {
      return parse_png(
          file, kName,
          {.channels = channels, .background = background, .most_pixels = kMostPixels});
    });
  };
  const auto gray = parse(1, 0), color = parse(3, 255);
  demand(gray.has_value() == color.has_value(), "gray and colour are not accepted alike");
  if (!gray) return false;
  demand(gray->height == color->height && gray->width == color->width,
         "gray and colour differ in size");
  demand(parse(1, 0)->pixels == gray->pixels, "read twice, read differently");
  hold_against_its_promises(*gray);
  hold_against_its_promises(*color);
  return true;
}

}  // namespace

void fuzz_png(Input input) {
  const bool sound = read(input);
  const Bytes mended = with_checksums(input);
  demand(read(mended) || !sound, "refused for checksums that are right");
  if (input.size() >= kHeaderData) read(with_pixels(input));
}

}  // namespace adjoint::fuzz

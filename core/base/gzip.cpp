// The gzip half of files.h, over zlib. zlib counts in 32 bits, so input and output go in pieces.
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "core/base/error.h"
#include "core/base/files.h"

namespace adjoint {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18;

/// zlib's stream over a buffer in memory, member by member.
class GzipReader {
 public:
  GzipReader(std::span<const std::byte> compressed, std::string_view name)
      : rest_(compressed), name_(name) {
    ADJOINT_CHECK(is_gzip(compressed), name,
                  ": not a gzip file; it must begin with bytes 1f 8b 08");
    // 16 asks for the gzip format with its checksum; a raw zlib stream is an error.
    ADJOINT_CHECK(inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK, name, ": zlib cannot start");
  }
  ~GzipReader() { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Fills `out` as far as the data go; the number of bytes written, 0 at the end.
  std::size_t read(std::span<std::byte> out) {
    std::size_t filled = 0;
    while (filled < out.size() && !ended_) filled += inflate_once(out.subspan(filled));
    return filled;
  }

 private:
  std::size_t inflate_once(std::span<std::byte> out) {
    const std::size_t room = std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max());
    const std::size_t input = std::min<std::size_t>(rest_.size(), std::numeric_limits<uInt>::max());
    // zlib takes its input as non-const but does not write to it.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest_.data()));
    stream_.avail_in = static_cast<uInt>(input);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    rest_ = rest_.subspan(input - stream_.avail_in);
    const std::size_t written = room - stream_.avail_out;
    if (status == Z_STREAM_END) {
      next_member();
    } else if (status == Z_BUF_ERROR || (status == Z_OK && rest_.empty() && written == 0)) {
      ADJOINT_FAIL(name_, ": the gzip data are truncated; copy or download the file again");
    } else if (status != Z_OK) {
      ADJOINT_FAIL(name_, ": the gzip data are corrupt (", stream_.msg ? stream_.msg : "no detail",
                   "); copy or download the file again");
    }
    return written;
  }

  void next_member() {
    const auto member = std::ranges::find_if(rest_, [](std::byte b) { return b != std::byte{0}; });
    const auto zeros = static_cast<std::size_t>(member - rest_.begin());
    if (zeros == rest_.size() || is_gzip(rest_.subspan(zeros))) rest_ = rest_.subspan(zeros);
    if (rest_.empty()) {
      ended_ = true;
      return;
    }
    ADJOINT_CHECK(is_gzip(rest_), name_, ": ", rest_.size(),
                  " bytes behind the end of the gzip data; expected none");
    ADJOINT_CHECK(inflateReset(&stream_) == Z_OK, name_, ": zlib cannot restart");
  }

  std::span<const std::byte> rest_;
  std::string name_;
  z_stream stream_{};
  bool ended_ = false;
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b} &&
         bytes[2] == std::byte{8};
}

Bytes gunzip_prefix(std::span<const std::byte> compressed, std::size_t count,
                    std::string_view name) {
  GzipReader reader(compressed, name);
  Bytes out(count);
  out.resize(reader.read(out));
  return out;
}

Bytes gunzip(std::span<const std::byte> compressed, std::uint64_t limit, std::string_view name) {
  GzipReader reader(compressed, name);
  // Deflate packs at most 1032 to 1, so the limit alone never decides what is reserved.
  const std::uint64_t most =
      std::min<std::uint64_t>(limit, compressed.size() * std::uint64_t{1032});
  Bytes out;
  out.reserve(most);
  while (true) {
    const std::size_t before = out.size();
    // One byte more than allowed is asked for, to see whether there is one.
    const std::uint64_t room = std::min<std::uint64_t>(limit - before, kPiece - 1) + 1;
    out.resize(before + room);
    const std::size_t got = reader.read(std::span(out).subspan(before));
    out.resize(before + got);
    if (out.size() > limit) {
      // Padding, or more than there should be: told apart without keeping it.
      const std::size_t behind = limit;
      out.resize(behind + kMostPadding + 1);
      out.resize(before + got + reader.read(std::span(out).subspan(before + got)));
      ADJOINT_CHECK(is_padding(std::span(out).subspan(behind)), name, ": unpacks to more than the ",
                    limit, " bytes expected; the file is not what it says it is");
      out.resize(behind);
      return out;
    }
    if (got < room) return out;
  }
}

}  // namespace adjoint

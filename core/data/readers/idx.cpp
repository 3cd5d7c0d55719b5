#include "core/data/readers/idx.h"

#include <algorithm>
#include <bit>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

struct Header {
  IdxType type = IdxType::uint8;
  std::vector<std::int64_t> dims = {};
  std::uint64_t header_size = 0;
  std::uint64_t content_size = 0;
  /// Of the file, header included.
  std::uint64_t total_size() const { return header_size + content_size; }
};

constexpr std::size_t kLargestHeader = 4 + 4 * 255;

IdxType type_of(std::uint8_t code, std::string_view name) {
  switch (static_cast<IdxType>(code)) {
    case IdxType::uint8:
    case IdxType::int8:
    case IdxType::int16:
    case IdxType::int32:
    case IdxType::float32:
    case IdxType::float64:
      return static_cast<IdxType>(code);
  }
  ADJOINT_FAIL(name, ": not an IDX file: unknown element type ", static_cast<int>(code),
               "; expected 8, 9, 11, 12, 13 or 14 in the third byte");
}

std::uint32_t big_endian(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  return value;
}

std::string shape_text(std::span<const std::int64_t> dims) {
  std::vector<std::string> texts;
  for (std::int64_t dim : dims) texts.push_back(std::to_string(dim));
  return join(texts, "x");
}

/// Product of the dimensions and the element size; throws where it does not fit 63 bits.
std::uint64_t content_size(const Header& header, std::string_view name) {
  if (std::ranges::find(header.dims, 0) != header.dims.end()) return 0;
  std::int64_t size = static_cast<std::int64_t>(size_of(header.type));
  for (std::int64_t dim : header.dims) {
    ADJOINT_CHECK(!__builtin_mul_overflow(size, dim, &size), name, ": the IDX header claims ",
                  shape_text(header.dims), " elements, more than any file holds; it is corrupt");
  }
  return static_cast<std::uint64_t>(size);
}

/// `start` holds the first bytes of the file, all of the header where the file has it.
Header parse_header(std::span<const std::byte> start, std::string_view name) {
  ADJOINT_CHECK(start.size() >= 4, name, ": truncated: ", start.size(),
                " bytes, expected an IDX header");
  ADJOINT_CHECK(start[0] == std::byte{0} && start[1] == std::byte{0}, name,
                ": not an IDX file: expected two zero bytes at the start, got ",
                std::to_integer<int>(start[0]), " and ", std::to_integer<int>(start[1]));
  Header header{.type = type_of(std::to_integer<std::uint8_t>(start[2]), name)};
  const std::size_t rank = std::to_integer<std::size_t>(start[3]);
  ADJOINT_CHECK(rank > 0, name, ": the IDX header names no dimensions; expected at least one");
  header.header_size = 4 + 4 * rank;
  ADJOINT_CHECK(start.size() >= header.header_size, name, ": truncated: ", start.size(),
                " bytes, expected an IDX header of ", header.header_size, " for ", rank,
                " dimensions");
  for (std::size_t i = 0; i < rank; ++i) {
    header.dims.push_back(big_endian(start.subspan(4 + 4 * i, 4)));
  }
  header.content_size = content_size(header, name);
  return header;
}

void to_native_order(std::span<std::byte> bytes, std::size_t element) {
  if (element == 1 || std::endian::native == std::endian::big) return;
  for (std::size_t i = 0; i < bytes.size(); i += element) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + element));
  }
}

/// Of the whole file.
void check_size(const Header& header, std::span<const std::byte> file, std::string_view name) {
  const std::uint64_t actual = file.size();
  ADJOINT_CHECK(actual >= header.total_size(), name, ": truncated: ", actual, " bytes, expected ",
                header.total_size(), " for ", shape_text(header.dims), " elements of ",
                adjoint::name(header.type), "; copy or download the file again");
  ADJOINT_CHECK(is_padding(file.subspan(header.total_size())), name, ": ",
                actual - header.total_size(), " bytes too long: expected ", header.total_size(),
                " for ", shape_text(header.dims), " elements of ", adjoint::name(header.type));
}

}  // namespace

std::size_t size_of(IdxType type) {
  switch (type) {
    case IdxType::uint8:
    case IdxType::int8:
      return 1;
    case IdxType::int16:
      return 2;
    case IdxType::int32:
    case IdxType::float32:
      return 4;
    case IdxType::float64:
      return 8;
  }
  return 0;
}

std::string_view name(IdxType type) {
  switch (type) {
    case IdxType::uint8:
      return "uint8";
    case IdxType::int8:
      return "int8";
    case IdxType::int16:
      return "int16";
    case IdxType::int32:
      return "int32";
    case IdxType::float32:
      return "float32";
    case IdxType::float64:
      return "float64";
  }
  return "unknown";
}

IdxArray parse_idx(std::span<const std::byte> file, std::string_view name) {
  Header header;
  Bytes bytes;
  if (is_gzip(file)) {
    header = parse_header(gunzip_prefix(file, kLargestHeader, name), name);
    bytes = gunzip(file, header.total_size(), name);
    check_size(header, bytes, name);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header.header_size));
  } else {
    header = parse_header(file.first(std::min(file.size(), kLargestHeader)), name);
    check_size(header, file, name);
    const auto content = file.subspan(header.header_size, header.content_size);
    bytes.assign(content.begin(), content.end());
  }
  to_native_order(bytes, size_of(header.type));
  return {.type = header.type, .dims = std::move(header.dims), .bytes = std::move(bytes)};
}

IdxArray read_idx(const std::filesystem::path& path) {
  return parse_idx(read_file(path), path.string());
}

}  // namespace adjoint

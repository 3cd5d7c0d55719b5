// IDX files, the format of MNIST: two zero bytes, a type code, the number of dimensions, each
// dimension as a big-endian uint32, then the elements, big-endian, the last dimension running
// fastest (yann.lecun.com/exdb/mnist). Plain or packed with gzip, told apart by content, not by
// name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/base/files.h"

namespace adjoint {

/// The codes of the format.
enum class IdxType : std::uint8_t {
  uint8 = 0x08,
  int8 = 0x09,
  int16 = 0x0b,
  int32 = 0x0c,
  float32 = 0x0d,
  float64 = 0x0e
};

/// Bytes of one element.
std::size_t size_of(IdxType type);
std::string_view name(IdxType type);

struct IdxArray {
  IdxType type = IdxType::uint8;
  /// At least one; a dimension may be zero.
  std::vector<std::int64_t> dims = {};
  /// The elements in the byte order of this machine: product(dims) * size_of(type) bytes.
  Bytes bytes = {};
};

/// Reads the whole file. Throws Error, naming the file, where it is not IDX, truncated, longer by
/// more than padding (core/base/files.h), broken gzip, or claims more than can be. Memory stays
/// within a small multiple of the file's real content: a gzip file is not unpacked beyond what its
/// IDX header announces.
IdxArray read_idx(const std::filesystem::path& path);

/// The same from memory; `name` stands in error messages.
IdxArray parse_idx(std::span<const std::byte> file, std::string_view name);

}  // namespace adjoint

// The safetensors format (huggingface.co/docs/safetensors): the size of the header as 8
// little-endian bytes, the header in JSON with dtype, shape and place of every tensor, then their
// bytes without gaps. Files come from strangers, so the reader believes nothing: what it returns
// lies inside the file, does not overlap and has the size its shape says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "core/tensor/dtype.h"

namespace adjoint {

/// One tensor, row-major, little-endian. The bytes belong to someone else and need not be aligned:
/// copy them with memcpy.
struct SafetensorsEntry {
  std::string name = {};
  /// As the format spells it: F64 F32 F16 BF16 I64 I32 I16 I8 U64 U32 U16 U8 BOOL F8_E4M3 F8_E5M2.
  std::string dtype = {};
  /// Empty for a scalar.
  std::vector<std::int64_t> shape = {};
  std::span<const std::byte> bytes = {};
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// The format's name of a type of ours, and the other way; nothing for types we do not compute
/// with.
std::string_view safetensors_dtype(DType dtype);
std::optional<DType> dtype_from_safetensors(std::string_view dtype);

/// A file in memory. The entries look into it; it can be moved, not copied.
class SafetensorsFile {
 public:
  /// Throws Error, naming the file, for anything the format does not allow: a header beyond the
  /// file or 100 MB, text that is not UTF-8 or not JSON, a key given twice, an unknown dtype, a
  /// size that does not follow from dtype and shape or does not fit 63 bits, overlaps, holes, bytes
  /// behind the last tensor.
  static SafetensorsFile read(const std::filesystem::path& path);
  static SafetensorsFile parse(Bytes file, std::string name);

  SafetensorsFile(SafetensorsFile&&) = default;
  SafetensorsFile& operator=(SafetensorsFile&&) = default;

  /// The path it was read from.
  const std::string& name() const { return name_; }
  /// In the order of their bytes; empty ones at one place by name.
  const std::vector<SafetensorsEntry>& tensors() const { return tensors_; }
  const SafetensorsMetadata& metadata() const { return metadata_; }

  /// nullptr where there is none.
  const SafetensorsEntry* find(std::string_view tensor) const;
  /// Throws Error naming the nearest tensor where there is none.
  const SafetensorsEntry& at(std::string_view tensor) const;

 private:
  SafetensorsFile() = default;

  std::string name_;
  Bytes file_;
  SafetensorsMetadata metadata_;
  std::vector<SafetensorsEntry> tensors_;
};

/// Writes the tensors in the order given, all or nothing (write_file_atomically). The header is
/// padded with spaces so that the tensors begin at a multiple of 8 bytes. Throws Error for a name
/// given twice, the name __metadata__, text that is not UTF-8, an unknown dtype, bytes that do not
/// match the shape, and where the file cannot be written; an existing file is then left as it was.
void write_safetensors(const std::filesystem::path& path, std::span<const SafetensorsEntry> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace adjoint

#include "core/train/files/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

// Not ordered_json: its objects are lists, and a header of n keys takes n^2 comparisons.
using Json = nlohmann::json;

constexpr std::size_t kSizeBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr std::size_t kAlignment = 8;
/// File, tensor, list: nothing in a header lies deeper.
constexpr int kDeepest = 3;
constexpr const char* kMetadata = "__metadata__";

struct DTypeName {
  std::string_view name;
  std::int64_t size;
};
constexpr std::array<DTypeName, 15> kDTypes = {{{"F64", 8},
                                                {"F32", 4},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I64", 8},
                                                {"I32", 4},
                                                {"I16", 2},
                                                {"I8", 1},
                                                {"U64", 8},
                                                {"U32", 4},
                                                {"U16", 2},
                                                {"U8", 1},
                                                {"BOOL", 1},
                                                {"F8_E4M3", 1},
                                                {"F8_E5M2", 1}}};

/// Text of a file for a message: control characters and broken UTF-8 must not reach a terminal.
std::string shown(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 200)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

/// Bytes of a tensor. `who` begins messages.
std::int64_t byte_size(std::string_view dtype, std::span<const std::int64_t> shape,
                       const std::string& who) {
  const auto known = std::ranges::find(kDTypes, dtype, &DTypeName::name);
  ADJOINT_CHECK(known != kDTypes.end(), who, ": unknown dtype '", shown(dtype),
                "'; it may come from a newer version of the format");
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::int64_t size = known->size;
  for (std::int64_t dim : shape) {
    ADJOINT_CHECK(dim > 0 && !__builtin_mul_overflow(size, dim, &size), who,
                  ": the shape has a negative dimension or more elements than any file holds");
  }
  return size;
}

// ---- reading

/// Throws for a key given twice and for nesting deeper than the format has. A pass of its own:
/// called back while it builds, nlohmann's parser looks through a whole object after every member.
class JsonGuard {
 public:
  explicit JsonGuard(const std::string& file) : file_(file) {}

  bool start_object(std::size_t) { return enter(); }
  bool start_array(std::size_t) { return enter(); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool key(std::string& key) {
    ADJOINT_CHECK(keys_.back().insert(key).second, file_, ": corrupt header: '", shown(key),
                  "' is given twice");
    return true;
  }

  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(std::int64_t) { return true; }
  bool number_unsigned(std::uint64_t) { return true; }
  bool number_float(double, const std::string&) { return true; }
  bool string(std::string&) { return true; }
  bool binary(Json::binary_t&) { return true; }
  /// Left to the parser that follows.
  bool parse_error(std::size_t, const std::string&, const Json::exception&) { return false; }

 private:
  bool enter() {
    keys_.emplace_back();
    ADJOINT_CHECK(std::ssize(keys_) <= kDeepest, file_,
                  ": corrupt header: JSON nested deeper than the format");
    return true;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  const std::string& file_;
  std::vector<std::unordered_set<std::string>> keys_;
};

std::string_view header_text(const Bytes& file, const std::string& name) {
  ADJOINT_CHECK(file.size() >= kSizeBytes, name, ": truncated: ", file.size(),
                " bytes, too few for a safetensors file");
  std::uint64_t size = 0;
  for (std::size_t i = kSizeBytes; i-- > 0;) {
    size = size << 8 | std::to_integer<std::uint64_t>(file[i]);
  }
  ADJOINT_CHECK(size <= kLargestHeader, name, ": not a safetensors file: it claims a header of ",
                size, " bytes, more than the ", kLargestHeader, " allowed");
  ADJOINT_CHECK(size <= file.size() - kSizeBytes, name, ": truncated: a header of ", size,
                " bytes, but only ", file.size() - kSizeBytes, " bytes follow");
  return {reinterpret_cast<const char*>(file.data()) + kSizeBytes, static_cast<std::size_t>(size)};
}

Json parse_header(std::string_view text, const std::string& name) {
  ADJOINT_CHECK(text.starts_with('{'), name,
                ": not a safetensors file: its header must begin with {");
  // The parser takes a zero byte for the end of its input, and would not see what follows.
  ADJOINT_CHECK(text.find('\0') == std::string_view::npos, name,
                ": corrupt header: a zero byte in its text");
  try {
    JsonGuard guard(name);
    Json::sax_parse(text.begin(), text.end(), &guard);
    return Json::parse(text.begin(), text.end());
  } catch (const Json::exception& error) {
    ADJOINT_FAIL(name, ": corrupt header: ", shown(error.what()));
  }
}

SafetensorsMetadata parse_metadata(const Json& json, const std::string& name) {
  ADJOINT_CHECK(json.is_object(), name, ": corrupt header: ", kMetadata, " is not an object");
  SafetensorsMetadata metadata;
  for (const auto& [key, value] : json.items()) {
    ADJOINT_CHECK(value.is_string(), name, ": corrupt header: ", kMetadata, " '", shown(key),
                  "' is not text");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

const Json& member(const Json& json, const char* key, const std::string& who) {
  const auto found = json.find(key);
  ADJOINT_CHECK(found != json.end(), who, ": corrupt header: no ", key);
  return *found;
}

std::vector<std::int64_t> integers(const Json& json, const char* key, const std::string& who) {
  const Json& list = member(json, key, who);
  ADJOINT_CHECK(list.is_array(), who, ": corrupt header: ", key, " is not a list");
  std::vector<std::int64_t> out;
  for (const Json& value : list) {
    ADJOINT_CHECK(value.is_number_unsigned() &&
                      value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max(),
                  who, ": corrupt header: ", key, " holds something that is not a size");
    out.push_back(value.get<std::int64_t>());
  }
  return out;
}

/// A tensor with its place in the bytes behind the header, [begin, end).
struct Placed {
  SafetensorsEntry entry;
  std::int64_t begin;
  std::int64_t end;
};

Placed parse_tensor(const std::string& tensor, const Json& json, const std::string& name) {
  const std::string who = str(name, ": tensor '", shown(tensor), "'");
  ADJOINT_CHECK(json.is_object(), who, ": corrupt header: not an object");
  const Json& dtype = member(json, "dtype", who);
  ADJOINT_CHECK(dtype.is_string(), who, ": corrupt header: dtype is not text");
  Placed placed{.entry = {.name = tensor,
                          .dtype = dtype.get<std::string>(),
                          .shape = integers(json, "shape", who)},
                .begin = 0,
                .end = 0};
  const auto offsets = integers(json, "data_offsets", who);
  ADJOINT_CHECK(offsets.size() == 2 && offsets[0] <= offsets[1], who,
                ": corrupt header: data_offsets is not a begin and an end");
  placed.begin = offsets[0];
  placed.end = offsets[1];
  const std::int64_t size = byte_size(placed.entry.dtype, placed.entry.shape, who);
  ADJOINT_CHECK(placed.end - placed.begin == size, who,
                ": corrupt header: ", placed.end - placed.begin,
                " bytes, but dtype and shape make ", size);
  return placed;
}

/// The tensors must lie one behind the other and fill the file.
void check_places(std::vector<Placed>& tensors, std::int64_t available, const std::string& name) {
  std::ranges::stable_sort(tensors, [](const Placed& a, const Placed& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::int64_t filled = 0;
  for (const Placed& tensor : tensors) {
    const std::string who = str(name, ": tensor '", shown(tensor.entry.name), "'");
    ADJOINT_CHECK(tensor.begin >= filled, who, " overlaps the one before it by ",
                  filled - tensor.begin, " bytes; the file is corrupt");
    ADJOINT_CHECK(tensor.begin == filled, who, " leaves a hole of ", tensor.begin - filled,
                  " bytes before it; the file is corrupt");
    filled = tensor.end;
  }
  ADJOINT_CHECK(filled <= available, name, ": truncated: the tensors take ", filled,
                " bytes, but only ", available, " follow the header");
  ADJOINT_CHECK(filled == available, name, ": ", available - filled,
                " bytes behind the last tensor; the file is corrupt");
}

// ---- writing

/// The header's member for a tensor whose bytes are [begin, end).
std::string member_text(const SafetensorsEntry& tensor, std::int64_t begin, std::int64_t end) {
  return str(Json(tensor.name).dump(), ":{\"dtype\":", Json(tensor.dtype).dump(),
             ",\"shape\":", Json(tensor.shape).dump(), ",\"data_offsets\":[", begin, ",", end,
             "]}");
}

std::string header_of(std::span<const SafetensorsEntry> tensors,
                      const SafetensorsMetadata& metadata, const std::string& file) {
  std::vector<std::string> members;
  std::set<std::string_view> names;
  std::int64_t offset = 0;
  try {
    if (!metadata.empty()) members.push_back(str('"', kMetadata, "\":", Json(metadata).dump()));
    for (const SafetensorsEntry& tensor : tensors) {
      const std::string who = str(file, ": tensor '", shown(tensor.name), "'");
      ADJOINT_CHECK(tensor.name != kMetadata, who, ": the name is reserved; choose another");
      ADJOINT_CHECK(names.insert(tensor.name).second, who, ": the name is given twice");
      const std::int64_t size = byte_size(tensor.dtype, tensor.shape, who);
      ADJOINT_CHECK(std::ssize(tensor.bytes) == size, who, ": ", tensor.bytes.size(),
                    " bytes given, but dtype and shape make ", size);
      members.push_back(member_text(tensor, offset, offset + size));
      offset += size;
    }
  } catch (const Json::exception& error) {
    ADJOINT_FAIL(file, ": a name or metadata is not UTF-8: ", shown(error.what()));
  }
  std::string text = str("{", join(members, ","), "}");
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  ADJOINT_CHECK(text.size() <= kLargestHeader, file, ": the header takes ", text.size(),
                " bytes, more than the ", kLargestHeader, " the format allows");
  return text;
}

}  // namespace

std::string_view safetensors_dtype(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "F32";
    case DType::float64:
      return "F64";
    case DType::bfloat16:
      return "BF16";
    case DType::float16:
      return "F16";
    case DType::int32:
      return "I32";
    case DType::uint8:
      return "U8";
  }
  ADJOINT_FAIL("safetensors: a dtype without a name");
}

std::optional<DType> dtype_from_safetensors(std::string_view dtype) {
  for (const DType ours : {DType::float32, DType::float64, DType::bfloat16, DType::float16,
                           DType::int32, DType::uint8}) {
    if (safetensors_dtype(ours) == dtype) return ours;
  }
  return std::nullopt;
}

SafetensorsFile SafetensorsFile::parse(Bytes file, std::string name) {
  SafetensorsFile out;
  out.name_ = std::move(name);
  out.file_ = std::move(file);
  const std::string_view text = header_text(out.file_, out.name_);
  const Json header = parse_header(text, out.name_);
  std::vector<Placed> tensors;
  for (const auto& [key, value] : header.items()) {
    if (key == kMetadata) {
      out.metadata_ = parse_metadata(value, out.name_);
    } else {
      tensors.push_back(parse_tensor(key, value, out.name_));
    }
  }
  const auto data = std::span<const std::byte>(out.file_).subspan(kSizeBytes + text.size());
  check_places(tensors, std::ssize(data), out.name_);
  for (Placed& tensor : tensors) {
    tensor.entry.bytes = data.subspan(static_cast<std::size_t>(tensor.begin),
                                      static_cast<std::size_t>(tensor.end - tensor.begin));
    out.tensors_.push_back(std::move(tensor.entry));
  }
  return out;
}

SafetensorsFile SafetensorsFile::read(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view tensor) const {
  const auto found = std::ranges::find(tensors_, tensor, &SafetensorsEntry::name);
  return found == tensors_.end() ? nullptr : &*found;
}

const SafetensorsEntry& SafetensorsFile::at(std::string_view tensor) const {
  const SafetensorsEntry* found = find(tensor);
  if (found != nullptr) return *found;
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : tensors_) names.push_back(shown(entry.name));
  ADJOINT_FAIL(name_, ": no tensor '", tensor, "'", did_you_mean(tensor, names));
}

void write_safetensors(const std::filesystem::path& path, std::span<const SafetensorsEntry> tensors,
                       const SafetensorsMetadata& metadata) {
  const std::string header = header_of(tensors, metadata, path.string());
  std::array<std::byte, kSizeBytes> size{};
  for (std::size_t i = 0; i < size.size(); ++i) {
    size[i] = static_cast<std::byte>(header.size() >> (8 * i) & 0xff);
  }
  write_file_atomically(path, [&](FileWriter& writer) {
    writer.write(size);
    writer.write(header);
    for (const SafetensorsEntry& tensor : tensors) writer.write(tensor.bytes);
  });
}

}  // namespace adjoint

#include "core/data/readers/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/device/half.h"
#include "core/samples/remainder.h"

namespace adjoint {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  NpyKind kind = NpyKind::floating;
  std::size_t size = 0;
  bool big_endian = false;
  bool fortran_order = false;
  std::vector<std::int64_t> dims = {};
  std::size_t header_size = 0;
  std::uint64_t content_size = 0;
};

/// The header's dictionary: a literal of Python with three entries, of which only this much is
/// understood.
class Dictionary {
 public:
  Dictionary(std::string_view text, std::string_view file) : rest_(text), file_(file) {}

  void parse(Header& header) {
    expect('{');
    bool seen[3] = {};
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      const int which = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : 3;
      ADJOINT_CHECK(which < 3 && !seen[which], file_, ": corrupt NPY header: the key '",
                    printable(key), "' is ", which < 3 ? "given twice" : "none of the format's");
      seen[which] = true;
      if (which == 0) parse_type(header);
      if (which == 1) header.fortran_order = parse_flag();
      if (which == 2) header.dims = parse_shape();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    ADJOINT_CHECK(rest_.empty(), file_, ": corrupt NPY header: text behind the dictionary");
    ADJOINT_CHECK(seen[0] && seen[1] && seen[2], file_,
                  ": corrupt NPY header: expected descr, fortran_order and shape");
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_blanks();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    ADJOINT_CHECK(take(c), file_, ": corrupt NPY header: expected '", c, "' before '",
                  printable(rest_.substr(0, 12)), "'");
  }

  std::string_view quoted() {
    skip_blanks();
    // Python 2 marks what is text with a u.
    if (rest_.starts_with("u'") || rest_.starts_with("u\"")) rest_.remove_prefix(1);
    ADJOINT_CHECK(!rest_.empty() && (rest_[0] == '\'' || rest_[0] == '"'), file_,
                  ": corrupt NPY header: expected text in quotes before '",
                  printable(rest_.substr(0, 12)), "'");
    const std::size_t end = rest_.find(rest_[0], 1);
    ADJOINT_CHECK(end != std::string_view::npos, file_,
                  ": corrupt NPY header: a quote that is never closed");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  void parse_type(Header& header) {
    skip_blanks();
    ADJOINT_CHECK(!rest_.starts_with('['), file_,
                  ": structured arrays cannot be read; save a plain array of numbers");
    const std::string_view type = quoted();
    const auto fail = [&] {
      ADJOINT_FAIL(file_, ": arrays of type '", printable(type),
                   "' cannot be read; expected booleans, whole or floating-point numbers of at "
                   "most 8 bytes",
                   type.find('V') == std::string_view::npos
                       ? ""
                       : ", or bfloat16, which is '<V2'; save it with .astype(numpy.float32)");
    };
    if (type.size() != 3 || std::string_view("<>|=").find(type[0]) == std::string_view::npos)
      fail();
    header.size = static_cast<std::size_t>(type[2] - '0');
    const bool one = header.size == 1;
    const bool power = header.size == 2 || header.size == 4 || header.size == 8;
    switch (type[1]) {
      case 'b':
        header.kind = NpyKind::boolean;
        if (!one) fail();
        break;
      case 'i':
        header.kind = NpyKind::signed_integer;
        if (!one && !power) fail();
        break;
      case 'u':
        header.kind = NpyKind::unsigned_integer;
        if (!one && !power) fail();
        break;
      case 'f':
        header.kind = NpyKind::floating;
        if (!power) fail();
        break;
      case 'V':
        // NumPy knows no bfloat16; ml_dtypes, JAX's, writes it as bytes without a meaning. Those
        // that have none are '|V2'.
        header.kind = NpyKind::bfloat;
        if (type != "<V2") fail();
        break;
      default:
        fail();
    }
    // '|' says that the order does not matter, which is so for single bytes only.
    if (type[0] == '|' && !one) fail();
    header.big_endian = type[0] == '>';
  }

  bool parse_flag() {
    skip_blanks();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    ADJOINT_FAIL(file_, ": corrupt NPY header: fortran_order is neither True nor False");
  }

  std::vector<std::int64_t> parse_shape() {
    expect('(');
    std::vector<std::int64_t> dims;
    while (!take(')')) {
      skip_blanks();
      std::int64_t dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      ADJOINT_CHECK(error == std::errc() && dim >= 0, file_,
                    ": corrupt NPY header: expected a dimension before '",
                    printable(rest_.substr(0, 24)), "'");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // a long of Python 2
      dims.push_back(dim);
      ADJOINT_CHECK(dims.size() <= 64, file_, ": corrupt NPY header: more than 64 dimensions");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return dims;
  }

  std::string_view rest_;
  std::string_view file_;
};

std::string shape_text(std::span<const std::int64_t> dims) {
  std::vector<std::string> texts;
  for (const std::int64_t dim : dims) texts.push_back(std::to_string(dim));
  return str("[", join(texts, ", "), "]");
}

/// Bytes of the elements; throws where these do not fit 62 bits, were an extent of 0 a 1.
std::uint64_t content_size(const Header& header, std::string_view name) {
  std::int64_t size = static_cast<std::int64_t>(header.size);
  for (const std::int64_t dim : header.dims)
    ADJOINT_CHECK(
        !__builtin_mul_overflow(size, dim == 0 ? 1 : dim, &size) && size < (std::int64_t{1} << 62),
        name, ": the NPY header claims a shape of ", shape_text(header.dims),
        ", more than any file holds; it is corrupt");
  const bool empty = std::ranges::find(header.dims, 0) != header.dims.end();
  return empty ? 0 : static_cast<std::uint64_t>(size);
}

/// `start` holds the first bytes of the file, all of the header where the file has it.
Header parse_header(std::span<const std::byte> start, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  ADJOINT_CHECK(text.substr(0, kMagic.size()) == kMagic.substr(0, text.size()), name,
                ": not an NPY file: it must begin with \\x93NUMPY");
  ADJOINT_CHECK(start.size() >= 8, name, ": truncated: ", start.size(),
                " bytes, expected an NPY header");
  const int version = std::to_integer<int>(start[6]);
  ADJOINT_CHECK(version >= 1 && version <= 3, name, ": NPY version ", version,
                " is unknown; expected 1, 2 or 3");
  const std::size_t prefix = version == 1 ? 10 : 12;
  ADJOINT_CHECK(start.size() >= prefix, name, ": truncated: ", start.size(),
                " bytes, expected an NPY header");
  std::size_t length = 0;
  for (std::size_t i = prefix; i-- > 8;)
    length = length << 8 | std::to_integer<std::size_t>(start[i]);
  ADJOINT_CHECK(prefix + length <= detail::kLargestNpyHeader, name,
                ": the NPY header claims to be ", length, " bytes long, expected at most ",
                detail::kLargestNpyHeader - prefix, "; the file is corrupt");
  ADJOINT_CHECK(start.size() >= prefix + length, name, ": truncated: ", start.size(),
                " bytes, expected an NPY header of ", prefix + length);
  Header header{.header_size = prefix + length};
  Dictionary(text.substr(prefix, length), name).parse(header);
  header.content_size = content_size(header, name);
  return header;
}

void to_native_order(std::span<std::byte> bytes, std::size_t element, bool big_endian) {
  if (element == 1 || big_endian == (std::endian::native == std::endian::big)) return;
  for (std::size_t i = 0; i < bytes.size(); i += element)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + element));
}

/// The elements of `from`, in which the first dimension runs fastest, with the last one fastest.
Bytes transposed(std::span<const std::byte> from, std::span<const std::int64_t> dims,
                 std::size_t element) {
  std::vector<std::size_t> strides, at(dims.size());
  std::size_t stride = element;
  for (const std::int64_t dim : dims) {
    strides.push_back(stride);
    stride *= static_cast<std::size_t>(dim);
  }
  Bytes to(from.size());
  std::size_t offset = 0;
  for (std::size_t i = 0; i < to.size(); i += element) {
    std::memcpy(to.data() + i, from.data() + offset, element);
    // One further, the last dimension first.
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      offset += strides[axis];
      if (++at[axis] < static_cast<std::size_t>(dims[axis])) break;
      offset -= strides[axis] * at[axis];
      at[axis] = 0;
    }
  }
  return to;
}

template <class T>
T element(const NpyArray& array, std::int64_t i) {
  T value;
  std::memcpy(&value, array.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

/// Calls function(i, value) for each element, as the type it has.
template <class Function>
void for_each_element(const NpyArray& array, std::string_view name, const Function& function) {
  const auto each = [&]<class T>(T) {
    for (std::int64_t i = 0; i < array.count(); ++i) function(i, element<T>(array, i));
  };
  if (array.kind == NpyKind::boolean) {
    for (std::int64_t i = 0; i < array.count(); ++i) {
      const auto value = element<std::uint8_t>(array, i);
      ADJOINT_CHECK(value <= 1, name, ": element ", i, " is a boolean of value ", int(value),
                    "; the file is corrupt");
      function(i, value);
    }
  } else if (array.kind == NpyKind::bfloat) {
    for (std::int64_t i = 0; i < array.count(); ++i)
      function(i, half_bits::bfloat16_to_float(element<std::uint16_t>(array, i)));
  } else if (array.kind == NpyKind::floating) {
    if (array.size == 2) {
      for (std::int64_t i = 0; i < array.count(); ++i)
        function(i, half_bits::float16_to_float(element<std::uint16_t>(array, i)));
    } else {
      array.size == 4 ? each(float{}) : each(double{});
    }
  } else if (array.kind == NpyKind::signed_integer) {
    if (array.size == 1) each(std::int8_t{});
    if (array.size == 2) each(std::int16_t{});
    if (array.size == 4) each(std::int32_t{});
    if (array.size == 8) each(std::int64_t{});
  } else {
    if (array.size == 1) each(std::uint8_t{});
    if (array.size == 2) each(std::uint16_t{});
    if (array.size == 4) each(std::uint32_t{});
    if (array.size == 8) each(std::uint64_t{});
  }
}

/// "row 3, column 7" of element i.
std::string place(const NpyArray& array, std::int64_t i) {
  const std::int64_t columns = array.dims.empty() ? 1 : array.count() / array.dims[0];
  return str("row ", i / columns, ", column ", i % columns);
}

}  // namespace

std::int64_t NpyArray::count() const {
  return static_cast<std::int64_t>(bytes.size() / std::max<std::size_t>(size, 1));
}

std::string NpyArray::describe() const {
  const char* const kinds[] = {"bool", "int", "uint", "float", "bfloat"};
  const std::string bits = kind == NpyKind::boolean ? "" : std::to_string(8 * size);
  return str(kinds[static_cast<int>(kind)], bits, " ", shape_text(dims));
}

detail::NpySize detail::npy_size(std::span<const std::byte> start, std::string_view name) {
  const Header header = parse_header(start, name);
  return {header.header_size, header.header_size + header.content_size};
}

NpyArray parse_npy(std::span<const std::byte> file, std::string_view name) {
  const Header header =
      parse_header(file.first(std::min(file.size(), detail::kLargestNpyHeader)), name);
  const std::uint64_t total = header.header_size + header.content_size;
  ADJOINT_CHECK(file.size() >= total, name, ": truncated: ", file.size(), " bytes, expected ",
                total, " for a shape of ", shape_text(header.dims), "; copy the file again");
  ADJOINT_CHECK(is_padding(file.subspan(total)), name, ": ", file.size() - total,
                " bytes too long: expected ", total, " for a shape of ", shape_text(header.dims));
  NpyArray array{.kind = header.kind, .size = header.size, .dims = header.dims};
  const auto content = file.subspan(header.header_size, header.content_size);
  if (header.fortran_order && header.dims.size() > 1)
    array.bytes = transposed(content, header.dims, header.size);
  else
    array.bytes.assign(content.begin(), content.end());
  to_native_order(array.bytes, header.size, header.big_endian);
  return array;
}

NpyArray read_npy(const std::filesystem::path& path) {
  return parse_npy(read_file(path), path.string());
}

// Where the array's name begins in "FILE.npz:ARRAY", or npos.
static std::size_t place_of_array(const std::string& reference) {
  const std::size_t end = lower(reference).rfind(".npz:");
  return end == std::string::npos ? end : end + 5;
}

bool names_archive(const std::string& reference) {
  return place_of_array(reference) != std::string::npos || lower(reference).ends_with(".npz");
}

NpyArray read_array(const std::filesystem::path& folder, const std::string& reference) {
  const std::size_t name = place_of_array(reference);
  if (name != std::string::npos) {
    const std::filesystem::path path = folder / reference.substr(0, name - 1);
    return parse_npz(read_file(path), path.string(), reference.substr(name));
  }
  ADJOINT_CHECK(!names_archive(reference), reference,
                ": an NPZ file holds several arrays; name one: ", reference, ":x");
  return read_npy(folder / reference);
}

std::vector<float> to_floats(const NpyArray& array, std::string_view name, bool allow_nan,
                             std::vector<double>* remainders) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(array.count()));
  for_each_element(array, name, [&](std::int64_t i, auto value) {
    const auto number = static_cast<float>(value);
    ADJOINT_CHECK(std::isfinite(number) || (allow_nan && std::isnan(number)), name, ": ",
                  place(array, i), " is ", value, "; expected a finite number of float32's range");
    if (remainders == nullptr)
      values.push_back(number);
    else
      append_number(value, values, *remainders);
  });
  return values;
}

std::vector<std::int32_t> to_integers(const NpyArray& array, std::string_view name) {
  ADJOINT_CHECK(array.kind != NpyKind::floating && array.kind != NpyKind::bfloat, name,
                ": expected whole numbers, got ", array.describe());
  std::vector<std::int32_t> values(static_cast<std::size_t>(array.count()));
  for_each_element(array, name, [&](std::int64_t i, auto value) {
    if constexpr (!std::is_floating_point_v<decltype(value)>) {
      ADJOINT_CHECK(std::in_range<std::int32_t>(value), name, ": ", place(array, i), " is ",
                    std::int64_t(value), "; expected a whole number of 32 bits");
      // Through 64 bits: signed char is a small number here, not a letter.
      values[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(std::int64_t(value));
    }
  });
  return values;
}

std::string array_beside(const std::string& reference, const std::string& array) {
  const std::size_t name = place_of_array(reference);
  ADJOINT_CHECK(name != std::string::npos, reference, ": expected an array of an archive, ",
                "\"FILE.npz:ARRAY\", which has '", array, "' too");
  return reference.substr(0, name) + array;
}

}  // namespace adjoint

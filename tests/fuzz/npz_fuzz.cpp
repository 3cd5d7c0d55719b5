// NPZ as it is, and any bytes as the array of a sound zip, which must read as they do without one:
// the zip's checksum would stop mutations before NPY is read.
#include <zlib.h>

#include "core/data/readers/npy.h"
#include "fuzz/fuzz.h"

namespace adjoint::fuzz {
namespace {

/// A zip that holds `content`, stored, under a name (PKWARE's APPNOTE.TXT, 4.3).
class StoredZip {
 public:
  StoredZip(std::string_view entry, Input content) {
    number(0x04034b50, 4);
    describe(entry, content);
    text(entry);
    bytes_.insert(bytes_.end(), content.begin(), content.end());
    const std::size_t directory = bytes_.size();
    number(0x02014b50, 4);
    number(20, 2);  // the version that wrote it
    describe(entry, content);
    number(0, 14);  // no comment, first disk, no attributes, the entry lies at the start
    text(entry);
    const std::size_t end = bytes_.size();
    number(0x06054b50, 4);
    number(0, 4);            // one disk
    number(0x0001'0001, 4);  // one entry, there and in all
    number(end - directory, 4);
    number(directory, 4);
    number(0, 2);
  }

  const Bytes& bytes() const { return bytes_; }

 private:
  void number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_.push_back(static_cast<std::byte>(i < 8 ? value >> (8 * i) & 0xff : 0));
  }
  void text(std::string_view text) {
    const auto bytes = as_bytes(text);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  /// What a local header and the directory say alike: version, flags, method, date, sum and sizes.
  void describe(std::string_view entry, Input content) {
    number(20, 2);
    number(0, 4);
    number(0x0021'0000, 4);  // midnight, 1 January 1980
    number(crc32(0, reinterpret_cast<const Bytef*>(content.data()), uInt(content.size())), 4);
    number(content.size(), 4);
    number(content.size(), 4);
    number(entry.size(), 2);
    number(0, 2);
  }

  Bytes bytes_;
};

}  // namespace

void fuzz_npz(Input input) {
  accepted([&] { return parse_npz(input, kName, "x"); });
  const StoredZip zip("x.npy", input);
  const auto plain = accepted([&] { return parse_npy(input, kName); });
  const auto array = accepted([&] { return parse_npz(zip.bytes(), kName, "x"); });
  demand(plain.has_value() == array.has_value(), "zipped and plain are not accepted alike");
  if (!plain) return;
  demand(plain->describe() == array->describe() && plain->bytes == array->bytes,
         "zipped and plain read differently");
}

}  // namespace adjoint::fuzz

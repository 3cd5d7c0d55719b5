// parse_npz of npy.h, over libzip, which checks the sums of what it unpacks. What an entry claims
// is compared with what its NPY header claims, and with what deflate can make of its bytes, before
// memory is taken.
#include <zip.h>

#include <algorithm>
#include <memory>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/data/readers/npy.h"

namespace adjoint {
namespace {

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Zip = std::unique_ptr<zip_t, CloseZip>;
using ZipEntry = std::unique_ptr<zip_file_t, CloseEntry>;

class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  zip_error_t* get() { return &error_; }
  std::string text() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_;
};

Zip open_zip(std::span<const std::byte> file, std::string_view name) {
  // To libzip an empty file is a zip of nothing.
  ADJOINT_CHECK(!file.empty(), name, ": not an NPZ file: it is empty");
  ZipError error;
  // Not copied, not freed: the bytes outlive the zip.
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, error.get());
  ADJOINT_CHECK(source != nullptr, name, ": ", error.text());
  // ZIP_CHECKCONS would refuse what `zip -fd` writes: local headers that know half of the sizes,
  // the rest in data descriptors. The directory knows them all.
  Zip zip(zip_open_from_source(source, ZIP_RDONLY, error.get()));
  if (zip == nullptr) {
    zip_source_free(source);
    ADJOINT_FAIL(name, ": not an NPZ file, or a broken one: ", error.text());
  }
  return zip;
}

std::vector<std::string> array_names(zip_t* zip) {
  std::vector<std::string> names;
  const zip_int64_t entries = std::min<zip_int64_t>(zip_get_num_entries(zip, 0), 20);
  for (zip_int64_t i = 0; i < entries; ++i) {
    const char* entry = zip_get_name(zip, static_cast<zip_uint64_t>(i), 0);
    if (entry == nullptr) continue;
    std::string text = printable(entry);
    if (text.ends_with(".npy")) text.resize(text.size() - 4);
    names.push_back(text);
  }
  return names;
}

/// Reads up to `count` bytes behind those that `out` has.
void read_more(zip_file_t* entry, std::size_t count, Bytes& out, const std::string& who) {
  std::size_t filled = out.size();
  out.resize(filled + count);
  while (filled < out.size()) {
    // Libraries of 32 bits count to 2 GiB in one call.
    const std::size_t piece = std::min<std::size_t>(out.size() - filled, std::size_t{1} << 30);
    const zip_int64_t got = zip_fread(entry, out.data() + filled, piece);
    ADJOINT_CHECK(got >= 0, who, ": it cannot be unpacked: ", zip_file_strerror(entry),
                  "; copy or download the file again");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  out.resize(filled);
}

void check_claims(const zip_stat_t& stat, std::size_t file_size, const std::string& who) {
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  ADJOINT_CHECK((stat.valid & kNeeded) == kNeeded, who, ": the zip does not say its size");
  ADJOINT_CHECK(stat.encryption_method == ZIP_EM_NONE, who, ": it is encrypted");
  ADJOINT_CHECK(stat.comp_method == ZIP_CM_STORE || stat.comp_method == ZIP_CM_DEFLATE, who,
                ": packed by method ", stat.comp_method,
                "; expected it stored or deflated, as numpy.savez and savez_compressed do");
  ADJOINT_CHECK(stat.comp_size <= file_size, who, ": the zip claims ", stat.comp_size,
                " packed bytes in a file of ", file_size, "; it is corrupt");
  // Deflate packs at most 1032 to 1.
  ADJOINT_CHECK(stat.size / 1032 <= stat.comp_size, who, ": the zip claims ", stat.size,
                " bytes packed into ", stat.comp_size, ", which cannot be; it is corrupt");
}

}  // namespace

NpyArray parse_npz(std::span<const std::byte> file, std::string_view name,
                   const std::string& array) {
  const Zip zip = open_zip(file, name);
  const zip_int64_t index = zip_name_locate(zip.get(), (array + ".npy").c_str(), 0);
  ADJOINT_CHECK(index >= 0, name, ": it has no array '", array, "'",
                did_you_mean(array, array_names(zip.get())));
  const std::string who = str(name, ", array '", array, "'");
  zip_stat_t stat;
  zip_stat_init(&stat);
  ADJOINT_CHECK(zip_stat_index(zip.get(), static_cast<zip_uint64_t>(index), 0, &stat) == 0, who,
                ": ", zip_strerror(zip.get()));
  check_claims(stat, file.size(), who);
  const ZipEntry entry(zip_fopen_index(zip.get(), static_cast<zip_uint64_t>(index), 0));
  ADJOINT_CHECK(entry != nullptr, who, ": ", zip_strerror(zip.get()));
  Bytes bytes;
  read_more(entry.get(), std::min<std::uint64_t>(stat.size, detail::kLargestNpyHeader), bytes, who);
  const detail::NpySize size = detail::npy_size(bytes, who);
  ADJOINT_CHECK(size.total <= stat.size && stat.size - size.total <= kMostPadding, who, ": ",
                stat.size, " bytes, but its NPY header makes ", size.total,
                "; it is truncated or corrupt");
  bytes.reserve(stat.size + 1);
  // One byte more than there are: reading to the end is what has the sum checked.
  read_more(entry.get(), stat.size - bytes.size() + 1, bytes, who);
  ADJOINT_CHECK(bytes.size() == stat.size, who, ": it unpacks to other than the ", stat.size,
                " bytes that the zip claims; copy or download the file again");
  return parse_npy(bytes, who);
}

}  // namespace adjoint

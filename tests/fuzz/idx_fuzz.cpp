// IDX as it is, and the same packed: gzip's checksum would stop nearly all mutations before the
// reader that unpacks sees an IDX header.
#include "core/data/readers/idx.h"

#include "fuzz/fuzz.h"
#include "support/gzip.h"

namespace adjoint::fuzz {

void fuzz_idx(Input input) {
  const auto read = [](Input file) { return accepted([&] { return parse_idx(file, kName); }); };
  const auto array = read(input);
  if (array) {
    std::size_t bytes = size_of(array->type);
    for (const std::int64_t dim : array->dims) bytes *= static_cast<std::size_t>(dim);
    demand(array->bytes.size() == bytes, "the elements are not as many as the dimensions say");
  }
  if (is_gzip(input)) return;
  const auto packed = read(test::gzip(input));
  demand(packed.has_value() == array.has_value(), "packed and plain are not accepted alike");
  if (!array) return;
  demand(
      packed->type == array->type && packed->dims == array->dims && packed->bytes == array->bytes,
      "packed and plain read differently");
}

}  // namespace adjoint::fuzz

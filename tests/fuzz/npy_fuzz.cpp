// NPY, what becomes of its elements, and a data set of it.
#include "core/data/readers/npy.h"

#include <cmath>

#include "core/data/readers/tables.h"
#include "core/samples/dataset.h"
#include "fuzz/fuzz.h"

namespace adjoint::fuzz {
namespace {

void convert(const NpyArray& array, bool allow_nan) {
  const auto floats = accepted([&] { return to_floats(array, kName, allow_nan); });
  if (!floats) return;
  demand(std::ssize(*floats) == array.count(), "as many floats as elements");
  for (const float value : *floats)
    demand(std::isfinite(value) || (allow_nan && std::isnan(value)), "a float that is not finite");
}

void make_dataset(const NpyArray& array, const ArrayOptions& options) {
  accepted([&] { return array_dataset(kName, array, nullptr, options); });
  accepted([&] { return array_dataset(kName, array, &array, options); });
}

}  // namespace

void fuzz_npy(Input input) {
  const auto array = accepted([&] { return parse_npy(input, kName); });
  if (!array) return;
  std::size_t bytes = array->size;
  for (const std::int64_t dim : array->dims) bytes *= static_cast<std::size_t>(dim);
  demand(array->bytes.size() == bytes, "the elements are not as many as the dimensions say");
  demand(!array->describe().empty(), "a description");
  convert(*array, false);
  convert(*array, true);
  accepted([&] { return to_integers(*array, kName); });
  make_dataset(*array, {.labels = true});
  make_dataset(*array, {.labels = true, .ignored_label = -1});
  make_dataset(*array, {.labels = false, .drop_missing = true});
}

}  // namespace adjoint::fuzz

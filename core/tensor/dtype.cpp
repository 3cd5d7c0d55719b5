#include "core/tensor/dtype.h"

#include <array>

#include "core/base/error.h"

namespace adjoint {
namespace {

struct Entry {
  std::string_view name;
  std::size_t size;
  bool floating;
};

// In the order of the enumeration.
constexpr std::array<Entry, 6> kEntries{{{"float32", 4, true},
                                         {"float64", 8, true},
                                         {"bfloat16", 2, true},
                                         {"float16", 2, true},
                                         {"int32", 4, false},
                                         {"uint8", 1, false}}};

const Entry& entry(DType dtype) { return kEntries.at(static_cast<std::size_t>(dtype)); }

}  // namespace

std::size_t size_of(DType dtype) { return entry(dtype).size; }
std::string_view name(DType dtype) { return entry(dtype).name; }
bool is_floating(DType dtype) { return entry(dtype).floating; }

DType dtype_from_name(std::string_view wanted) {
  for (std::size_t i = 0; i < kEntries.size(); ++i)
    if (kEntries[i].name == wanted) return static_cast<DType>(i);
  ADJOINT_FAIL("unknown element type '", wanted,
               "': expected float32, float64, bfloat16, float16, int32 or uint8");
}

DType accumulation_type(DType dtype) {
  ADJOINT_CHECK(is_floating(dtype), "accumulation type: expected a floating type, got ",
                name(dtype));
  return dtype == DType::float64 ? DType::float64 : DType::float32;
}

}  // namespace adjoint

// What the backends are compared by: cases that each runs by itself, from inputs drawn on the host.
// cases.cpp is compiled once per backend; parity_test.cpp sees them all.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace adjoint::parity {

struct Result {
  std::string name;  ///< "y0", "linear1.weight gradient"
  std::vector<double> values;
  /// Relative norm that another backend's values may be away.
  double tolerance = 0;
};

/// One case of a backend: the same names in the same order on all.
struct Case {
  std::string name;
  std::vector<Result> (*run)(const std::string& name);
};
/// GoogleTest would print the bytes of a case, addresses among them.
inline void PrintTo(const Case& parity_case, std::ostream* out) { *out << parity_case.name; }

}  // namespace adjoint::parity

// A generated regression, so that learning from tables needs no files: a smooth function of several
// variables (README.md has measurements).
#pragma once

#include <cstdint>

#include "core/samples/dataset.h"

namespace adjoint {

/// Regression: Friedman's first function (Friedman 1991, "Multivariate Adaptive Regression
/// Splines", section 4.3),
///
///   y = 10 sin(pi x0 x1) + 20 (x2 - 1/2)^2 + 10 x3 + 5 x4 + e,
///
/// of ten features, uniform in [0, 1), of which five tell nothing, and noise e of deviation 1: no
/// model can do better than a mean squared error of 1 of a variance of 24.8. Otherwise like
/// make_tabular.
Datasets make_regression(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed);

}  // namespace adjoint

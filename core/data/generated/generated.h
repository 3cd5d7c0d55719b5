// Generated tables, so that learning from tables needs no files either: a classification that a
// linear model cannot do and a smooth function of several variables (README.md has measurements).
#pragma once

#include <cstdint>

#include "core/samples/dataset.h"

namespace adjoint {

/// Classification: 16 features, 4 classes, each class five clusters of points that lie among those
/// of the others, at corners of a cube of six dimensions; the features are noisy mixtures of these
/// six, of uneven scale. What is where is drawn from `seed`. Training and test samples are parts of
/// one sequence that never meet; a larger training set begins with the smaller one. The same bits
/// on every machine. Throws Error where a count is below 1 or above 2^32.
Datasets make_tabular(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed);

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

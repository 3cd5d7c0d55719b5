// A generated classification, so that learning from tables needs no files: one that a linear model
// cannot do (README.md has measurements).
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

}  // namespace adjoint

// Vectors made orthonormal: what orthogonal initial values are made of (core/tensor/initializer.h).
#pragma once

#include <cstdint>
#include <span>

namespace adjoint {

/// Replaces `vectors`, [count, size] with count <= size, linearly independent, by what Gram and
/// Schmidt make of them in that order, so that each keeps a positive share of what it was: of
/// normal draws these are evenly distributed (Mezzadri 2007, arXiv:math-ph/0609050). Each vector is
/// cleared of those before it twice, after which they are orthogonal to the last digits (Giraud et
/// al. 2005). A vector of zeros becomes the first axis.
void orthonormalise(std::span<double> vectors, std::int64_t count, std::int64_t size);

}  // namespace adjoint

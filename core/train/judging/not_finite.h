// Where numbers that are not finite came from: looked for only once they were met.
#pragma once

#include <cstdint>
#include <string>

#include "core/samples/batch_source.h"
#include "core/train/recipe/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// "not a number" or "infinite", of a loss that is one of them.
const char* kind_of_loss(double loss);

/// The feature or target of these samples that is farthest from what the model's type holds, named
/// with its sample, and what to do, in a sentence; empty where all of them fit. Bytes always do, so
/// that pictures are not looked at. Waits, and goes through the whole epoch `epoch` of the source,
/// which is at its end then.
std::string unfit_number(const Model& model, BatchSource& source, std::uint64_t epoch);

/// Why the loss of these samples is not finite, likewise: an unfit number; a parameter or running
/// state that is none; or else numbers that grew too large on the way.
std::string why_not_finite(const Model& model, BatchSource& source, std::uint64_t epoch);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

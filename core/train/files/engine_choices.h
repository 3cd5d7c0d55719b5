// Which engine multiplies which matrices, kept in a file: tuned once by timing, replayed in later
// runs, so that a run that goes on computes the same bits.
#pragma once

#include <filesystem>

#include "core/device/context.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Writes the choices that the context has made so far, in JSON, all or nothing. Throws Error where
/// the file cannot be written.
void save_engine_choices(const std::filesystem::path& path, Context& context);

/// Makes the context take the choices of the file instead of its own. False, and nothing is taken,
/// if they were made on another device or with another version of its library. Throws Error for a
/// file that save_engine_choices() did not write; a choice that this build does not know is
/// reported when its problem is met.
bool restore_engine_choices(const std::filesystem::path& path, Context& context);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Parameter groups: which parameters decay and how fast they learn. Groups say it by name or rank;
// what comes out is the table of pieces that the update kernel goes by, so that any number of
// groups is still one launch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph/parameter.h"
#include "core/update/optimizer_options.h"
#include "kernels/slab_update.h"

namespace adjoint {

/// Whether the name matches a pattern in which * stands for any text and ? for any one character.
bool matches_glob(std::string_view name, std::string_view pattern);

}  // namespace adjoint

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The first group that the parameter belongs to; null where there is none.
const ParameterGroup* group_of(const ParameterRange& parameter,
                               const std::vector<ParameterGroup>& groups);

struct SlabPieces {
  std::vector<SlabPiece> pieces;
  std::vector<PieceRange> parameters;  ///< empty where pieces cross parameters
};

/// Cuts the slab so that all of a piece has the same settings: those of the first group that its
/// parameter belongs to, else `weight_decay` and the learning rate as it is. Pieces cross
/// parameters of equal settings unless by_parameter. Throws Error, beginning with `name`, listing
/// the parameters, for a group that no parameter is left for, and for settings out of range.
SlabPieces cut_slab(const std::string& name, const ParameterSlab& slab,
                    const std::vector<ParameterGroup>& groups, double weight_decay,
                    bool by_parameter);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

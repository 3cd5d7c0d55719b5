// Notices: what a program does that is allowed and yet, as good as always, a mistake: a loss that
// is given other numbers than it is made for, as a softmax where logits should be. Such a model
// trains, badly, and nothing else would say why.
#pragma once

#include <string>
#include <vector>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What is known of every value, by id: what layers say of their outputs (Layer::output_range).
/// Containers are to be inlined before.
std::vector<ValueRange> value_ranges(const Program& program);

/// What is wrong with numbers of range `found`, made by `maker`, for `reader`, which expects others
/// (Layer::expects), and what to do; empty where nothing is, or where nothing is known.
std::string notice(const std::string& reader, const ValueRange& expected, const std::string& maker,
                   const ValueRange& found);

/// All of a program's, by the names of its nodes, in their order.
std::vector<std::string> find_notices(const Program& program);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

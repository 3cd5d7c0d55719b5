#include "core/update/parameter_groups.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/text.h"
#include "kernels/slab.h"

namespace adjoint {

bool matches_glob(std::string_view name, std::string_view pattern) {
  // After a mismatch the last star takes one character more.
  std::size_t n = 0, p = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++n;
      ++p;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace adjoint

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Settings {
  double rate_scale, weight_decay;
  bool operator==(const Settings&) const = default;
};

std::string group_text(const ParameterGroup& group) {
  std::string text = str("match = \"", group.match, "\"");
  if (group.rank) text += str(", rank = ", *group.rank);
  return text;
}

void check_group(const std::string& name, const ParameterGroup& group) {
  ADJOINT_CHECK(std::isfinite(group.lr_scale) && group.lr_scale >= 0, name, ": group ",
                group_text(group), ": expected a finite lr_scale of 0 or more, got ",
                group.lr_scale);
  ADJOINT_CHECK(
      !group.weight_decay || (std::isfinite(*group.weight_decay) && *group.weight_decay >= 0), name,
      ": group ", group_text(group), ": expected a finite weight_decay of 0 or more, got ",
      group.weight_decay.value_or(0));
}

/// The group of each parameter, or -1. Throws Error for groups without a parameter.
std::vector<int> assign(const std::string& name, const std::vector<ParameterRange>& parameters,
                        const std::vector<ParameterGroup>& groups) {
  std::vector<int> assigned;
  for (const ParameterRange& parameter : parameters) {
    const ParameterGroup* group = group_of(parameter, groups);
    assigned.push_back(group == nullptr ? -1 : int(group - groups.data()));
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (std::ranges::find(assigned, int(i)) != assigned.end()) continue;
    std::vector<std::string> names;
    names.reserve(parameters.size());
    for (const ParameterRange& parameter : parameters)
      names.push_back(str(parameter.name, " (rank ", parameter.shape.rank(), ")"));
    ADJOINT_FAIL(name, ": group ", group_text(groups[i]),
                 " is of no parameter, or only of those that an earlier group took; parameters: ",
                 join(names, ", "));
  }
  return assigned;
}

void append(SlabPieces& cut, std::int64_t begin, std::int64_t end, int parameter,
            const Settings& settings) {
  for (; begin < end; begin += kSlabPiece) {
    const auto length = std::int32_t(std::min<std::int64_t>(kSlabPiece, end - begin));
    cut.pieces.push_back({begin, length, parameter, settings.rate_scale, settings.weight_decay});
  }
}

}  // namespace

const ParameterGroup* group_of(const ParameterRange& parameter,
                               const std::vector<ParameterGroup>& groups) {
  const auto found = std::ranges::find_if(groups, [&](const ParameterGroup& group) {
    return matches_glob(parameter.name, group.match) &&
           (!group.rank || *group.rank == std::int64_t(parameter.shape.rank()));
  });
  return found == groups.end() ? nullptr : &*found;
}

SlabPieces cut_slab(const std::string& name, const ParameterSlab& slab,
                    const std::vector<ParameterGroup>& groups, double weight_decay,
                    bool by_parameter) {
  for (const ParameterGroup& group : groups) check_group(name, group);
  std::vector<ParameterRange> parameters = slab.parameters;
  const std::int64_t count = slab.master.count();
  if (parameters.empty()) parameters.push_back({"parameters", slab.master.shape(), 0});
  const std::vector<int> groups_of = assign(name, parameters, groups);
  const auto settings = [&](std::size_t i) {
    if (groups_of[i] < 0) return Settings{1, weight_decay};
    const ParameterGroup& group = groups[std::size_t(groups_of[i])];
    return Settings{group.lr_scale, group.weight_decay.value_or(weight_decay)};
  };
  SlabPieces cut;
  for (std::size_t i = 0; i < parameters.size();) {
    std::size_t next = i + 1;
    while (!by_parameter && next < parameters.size() && settings(next) == settings(i)) ++next;
    const std::int64_t begin = parameters[i].offset;
    const std::int64_t end = by_parameter               ? begin + parameters[i].count()
                             : next < parameters.size() ? parameters[next].offset
                                                        : count;
    const auto first = std::int32_t(cut.pieces.size());
    append(cut, begin, end, int(i), settings(i));
    if (by_parameter) cut.parameters.push_back({first, std::int32_t(cut.pieces.size()) - first});
    i = next;
  }
  return cut;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#include "core/graph/gradient_ranges.h"

#include <algorithm>
#include <unordered_map>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct Bucket {
  GradientRange range;
  int moment = 0;  // before which its hook belongs
};

// For each parameter that is trained, the moment after its last contribution. What losses left in
// forward is told at the turn.
std::unordered_map<std::string, int> final_moments(const std::vector<Declarations>& declarations,
                                                   const Differentiation& differentiation) {
  const CallList& calls = differentiation.calls;
  std::unordered_map<std::string, int> final;
  for (std::size_t i = 0; i < declarations.size(); ++i) {
    if (!differentiation.runs_backward[i]) continue;
    for (const Parameter& parameter : declarations[i].parameters) {
      int& moment = final[parameter.name()];
      moment = std::max(moment, calls.backward(static_cast<NodeId>(i)) + 1);
    }
  }
  return final;
}

}  // namespace

std::vector<GradientRange> hook_gradients(const std::vector<Declarations>& declarations,
                                          const std::vector<ParameterRange>& parameters,
                                          std::int64_t count, std::int64_t bucket,
                                          Differentiation& differentiation) {
  const auto final = final_moments(declarations, differentiation);
  const int turn = static_cast<int>(differentiation.calls.turn());
  std::vector<Bucket> buckets;
  Bucket open{.range = {.begin = count, .end = count}, .moment = turn};
  for (auto each = parameters.rbegin(); each != parameters.rend(); ++each) {
    open.range.begin = each->offset;
    if (const auto found = final.find(each->name); found != final.end())
      open.moment = std::max(open.moment, found->second);
    const bool full = open.range.end - open.range.begin >= bucket;
    if (!full && each + 1 != parameters.rend()) continue;
    buckets.push_back(open);
    open = {.range = {.begin = each->offset, .end = each->offset}, .moment = turn};
  }
  std::ranges::stable_sort(buckets, {}, &Bucket::moment);
  std::vector<GradientRange> ranges;
  ranges.reserve(buckets.size());
  for (const Bucket& each : buckets) ranges.push_back(each.range);
  // From the end, so that no moment moves before its turn comes.
  for (std::size_t i = buckets.size(); i-- > 0;)
    differentiation.calls.insert(buckets[i].moment,
                                 {{.pass = Pass::hook, .range = static_cast<int>(i)}});
  return ranges;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

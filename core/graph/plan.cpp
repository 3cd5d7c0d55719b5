#include "core/graph/plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kNever = -1;

// Builds the regions of a plan. Values first, then gradients, whose aliases need the reads of both.
class Assignment {
 public:
  Assignment(const Program& program, const std::vector<Declarations>& declarations,
             const Differentiation& differentiation, const PlanOptions& options)
      : program_(program),
        declarations_(declarations),
        differentiation_(differentiation),
        options_(options),
        time_(differentiation.calls) {
    plan_.value_region.assign(program.values.size(), -1);
    plan_.gradient_region.assign(program.values.size(), -1);
  }

  MemoryPlan run() {
    find_last_uses();
    assign_values();
    assign_gradients();
    assign_slots();
    plan_.arena_bytes = place_regions(plan_.regions, options_.reuse);
    plan_.live_bytes = most_alive();
    return std::move(plan_);
  }

 private:
  const ValueInfo& value(ValueId id) const { return program_.values[std::size_t(id)]; }
  int& value_region(ValueId id) { return plan_.value_region[std::size_t(id)]; }
  int& gradient_region(ValueId id) { return plan_.gradient_region[std::size_t(id)]; }
  Region& region(int index) { return plan_.regions[std::size_t(index)]; }

  int new_region(const std::string& name, std::size_t bytes, int first, int last) {
    plan_.regions.push_back({name, bytes, first, last, 0});
    return static_cast<int>(plan_.regions.size()) - 1;
  }

  void extend(int index, int first, int last) {
    region(index).first = std::min(region(index).first, first);
    region(index).last = std::max(region(index).last, last);
  }

  // ---- values

  void find_last_uses() {
    last_use_.assign(program_.values.size(), kNever);
    const auto use = [&](ValueId id, int moment) {
      int& last = last_use_[std::size_t(id)];
      last = std::max(last, moment);
    };
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const Node& node = program_.nodes[i];
      const Traits traits = node.layer->traits();
      const bool backward = differentiation_.runs_backward[i];
      for (ValueId input : node.inputs) {
        use(input, time_.forward(id));
        if (backward && traits.backward_reads_x) use(input, time_.backward(id));
      }
      for (ValueId output : node.outputs) {
        use(output, time_.forward(id));
        if (backward && traits.backward_reads_y) use(output, time_.backward(id));
      }
    }
    for (ValueId kept : options_.kept) use(kept, time_.after());
    // Inputs are written by the caller before the step, at any time.
    for (ValueId input : program_.inputs) use(input, time_.after());
  }

  void give_value(ValueId id, int region) {
    value_region(id) = region;
    region_last_use_.resize(plan_.regions.size(), kNever);
    int& last = region_last_use_[std::size_t(region)];
    last = std::max(last, last_use_[std::size_t(id)]);
  }

  void assign_values() {
    for (ValueId input : program_.inputs)
      give_value(input, new_region(value(input).name, value(input).type.bytes(), 0, time_.after()));
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const Node& node = program_.nodes[i];
      for (std::size_t k = 0; k < node.outputs.size(); ++k) {
        const ValueId output = node.outputs[k];
        const int last = last_use_[std::size_t(output)];
        if (k == 0 && takes_place_of_input(id)) {
          give_value(output, value_region(node.inputs[0]));
          extend(value_region(output), time_.forward(id), last);
        } else {
          give_value(output, new_region(value(output).name, value(output).type.bytes(),
                                        time_.forward(id), last));
        }
      }
    }
  }

  // Whether y[0] of the node lies where x[0] does.
  bool takes_place_of_input(NodeId id) {
    const Node& node = program_.nodes[std::size_t(id)];
    const Traits traits = node.layer->traits();
    if (traits.view) return true;
    if (!options_.reuse || !traits.forward_in_place || node.inputs.empty()) return false;
    const ValueId x = node.inputs[0];
    if (value(x).type.bytes() != value(node.outputs[0]).type.bytes()) return false;
    // Nobody may need any value of the region after this node has written over it, nor may this
    // node's own backward, nor its other inputs.
    if (std::ranges::count_if(node.inputs, [&](ValueId other) {
          return value_region(other) == value_region(x);
        }) != 1)
      return false;
    return region_last_use_[std::size_t(value_region(x))] <= time_.forward(id);
  }

  // ---- gradients

  // The moment at which a value's gradient is read: by its producer's backward, or by the caller.
  int gradient_read(ValueId id) const {
    const NodeId producer = value(id).producer;
    int read = kNever;
    if (producer >= 0 && differentiation_.runs_backward[std::size_t(producer)])
      read = time_.backward(producer);
    const bool kept = std::ranges::find(options_.kept, id) != options_.kept.end();
    return value(id).wants_gradient || kept ? time_.after() : read;
  }

  void assign_gradients() {
    for (ValueId seed : differentiation_.seeds)
      give_gradient(seed, new_region(value(seed).name + " gradient", value(seed).type.bytes(), 0,
                                     std::max(gradient_read(seed), 0)));
    // First contributions, in order of time, so that a node's dy has its region before its dx.
    struct First {
      Contribution contribution;
      ValueId id;
    };
    std::vector<First> firsts;
    for (std::size_t v = 0; v < program_.values.size(); ++v)
      if (differentiation_.has_gradient[v] && plan_.gradient_region[v] < 0)
        firsts.push_back({differentiation_.contributions[v].front(), static_cast<ValueId>(v)});
    std::ranges::stable_sort(firsts, {}, [&](const First& first) {
      return std::pair(differentiation_.moment(first.contribution), first.contribution.input);
    });
    for (const First& first : firsts) {
      const int last = std::max(gradient_read(first.id), written_last(first.id));
      const ValueId other = shared_with(first.contribution, first.id);
      if (other >= 0) {
        give_gradient(first.id, gradient_region(other));
        extend(gradient_region(other), differentiation_.moment(first.contribution), last);
      } else {
        give_gradient(first.id,
                      new_region(value(first.id).name + " gradient", value(first.id).type.bytes(),
                                 differentiation_.moment(first.contribution), last));
      }
    }
  }

  // The value whose gradient's region the gradient of `x`, first written by `contribution`, may lie
  // in; -1 if it needs one of its own.
  ValueId shared_with(const Contribution& contribution, ValueId x) {
    const Node& node = program_.nodes[std::size_t(contribution.node)];
    const Traits traits = node.layer->traits();
    if (traits.gradient_in_forward || value(x).wants_gradient) return -1;
    if (std::ranges::count(node.inputs, x) != 1)
      return -1;  // add(x, x) reads dy again after writing dx
    const ValueId y = node.outputs[0];
    const bool kept = std::ranges::find(options_.kept, y) != options_.kept.end();
    const auto fits = [&](ValueId other) {
      return differentiation_.has_gradient[std::size_t(other)] && gradient_region(other) >= 0 &&
             value(other).type.bytes() == value(x).type.bytes();
    };
    if ((traits.view || traits.gradients_pass_through) && !kept && fits(y) && may_join(x, y))
      return y;
    if (traits.backward_in_place && options_.reuse && contribution.input == 0 && !kept && fits(y) &&
        is_settled(y, differentiation_.moment(contribution)))
      return y;
    // Equal only where this node overwrites both: what a seed, or an earlier contribution, left in
    // the first gradient is not the second's.
    const ValueId first = node.inputs[0];
    const bool equal =
        traits.gradients_equal && contribution.input > 0 &&
        differentiation_.mode(program_, contribution.node, 0) == GradientMode::overwrite;
    if (equal && fits(first) && !value(first).wants_gradient && may_join(x, first)) return first;
    return -1;
  }

  // The values whose gradients share a region.
  const std::vector<ValueId>& members(int region) { return sharing_[region]; }

  void give_gradient(ValueId id, int region) {
    gradient_region(id) = region;
    sharing_[region].push_back(id);
  }

  // The moment of the last contribution to a gradient.
  int written_last(ValueId id) const {
    return differentiation_.moment(differentiation_.contributions[std::size_t(id)].back());
  }

  // Whether nobody needs what lies in the region of y's gradient after this moment.
  bool is_settled(ValueId y, int moment) {
    return std::ranges::all_of(members(gradient_region(y)),
                               [&](ValueId other) { return settled(other) <= moment; });
  }

  // Whether the gradient of `x`, equal to that of `other` when it is made, may stay in its region.
  bool may_join(ValueId x, ValueId other) {
    return std::ranges::all_of(members(gradient_region(other)),
                               [&](ValueId member) { return may_share(x, member); });
  }

  // The last moment at which a value's gradient is read or written.
  int settled(ValueId id) const {
    const auto& all = differentiation_.contributions[std::size_t(id)];
    return std::max(gradient_read(id), all.empty() ? kNever : written_last(id));
  }

  // Two gradients that start equal may share memory if neither is added to while the other is still
  // needed.
  bool may_share(ValueId a, ValueId b) const { return untouched_by(a, b) && untouched_by(b, a); }

  // Whether no addition to `writer` comes while `reader` is still needed. A first contribution is
  // no addition: it is what made the region's values equal, or came before; a seed has been given
  // before all of them.
  bool untouched_by(ValueId reader, ValueId writer) const {
    const auto& writes = differentiation_.contributions[std::size_t(writer)];
    const auto& made = differentiation_.contributions[std::size_t(reader)];
    const int shared_from = made.empty() ? 0 : differentiation_.moment(made.front());
    const bool seeded =
        std::ranges::find(differentiation_.seeds, writer) != differentiation_.seeds.end();
    for (std::size_t k = seeded ? 0 : 1; k < writes.size(); ++k) {
      const int moment = differentiation_.moment(writes[k]);
      if (moment > shared_from && moment <= settled(reader)) return false;
    }
    return true;
  }

  // ---- slots

  void assign_slots() {
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const int backward =
          differentiation_.runs_backward[i] ? time_.backward(id) : time_.forward(id);
      for (const Slot& slot : declarations_[i].saved) place(slot, time_.forward(id), backward);
      for (const auto& [slot, phase] : declarations_[i].scratch) {
        const int moment = phase == Phase::forward ? time_.forward(id) : backward;
        place(slot, moment, moment);
      }
    }
  }

  void place(const Slot& slot, int first, int last) {
    plan_.slots.push_back({slot, new_region(slot.name(), slot.type().bytes(), first, last)});
  }

  std::size_t most_alive() const {
    // What begins at each moment, less what has ended before it.
    std::vector<std::int64_t> change(std::size_t(time_.after()) + 2);
    for (const Region& region : plan_.regions) {
      if (region.last < region.first) continue;
      const auto bytes = static_cast<std::int64_t>(region_bytes(region.bytes));
      change[std::size_t(region.first)] += bytes;
      change[std::size_t(region.last) + 1] -= bytes;
    }
    std::int64_t alive = 0, most = 0;
    for (const std::int64_t bytes : change) most = std::max(most, alive += bytes);
    return static_cast<std::size_t>(most);
  }

  const Program& program_;
  const std::vector<Declarations>& declarations_;
  const Differentiation& differentiation_;
  const PlanOptions& options_;
  const CallList& time_;
  std::vector<int> last_use_;         // of each value
  std::vector<int> region_last_use_;  // of the values that lie in each region
  std::unordered_map<int, std::vector<ValueId>> sharing_;
  MemoryPlan plan_;
};

}  // namespace

std::size_t place_regions(std::vector<Region>& regions, bool reuse) {
  std::vector<std::size_t> order(regions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return regions[i].bytes; });
  std::vector<std::size_t> placed;  // by offset
  std::size_t total = 0;
  for (std::size_t i : order) {
    Region& region = regions[i];
    const auto meets = [&](const Region& other) {
      return !reuse || (region.first <= other.last && other.first <= region.last);
    };
    std::size_t offset = 0;
    for (std::size_t j : placed) {
      const Region& other = regions[j];
      if (!meets(other)) continue;
      if (offset + region_bytes(region.bytes) <= other.offset) break;
      offset = std::max(offset, other.offset + region_bytes(other.bytes));
    }
    region.offset = offset;
    total = std::max(total, offset + region_bytes(region.bytes));
    placed.insert(std::ranges::upper_bound(placed, offset, {},
                                           [&](std::size_t j) { return regions[j].offset; }),
                  i);
  }
  return total;
}

MemoryPlan plan_memory(const Program& program, const std::vector<Declarations>& declarations,
                       const Differentiation& differentiation, const PlanOptions& options) {
  return Assignment(program, declarations, differentiation, options).run();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

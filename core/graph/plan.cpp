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

using Lives = std::vector<Lifetime>;

// Lives of what is there as long as one or the other.
Lives united(const Lives& a, const Lives& b) {
  Lives all;
  std::ranges::merge(a, b, std::back_inserter(all), {}, &Lifetime::first, &Lifetime::first);
  Lives result;
  for (const Lifetime& life : all) {
    if (!result.empty() && life.first <= result.back().last)
      result.back().last = std::max(result.back().last, life.last);
    else
      result.push_back(life);
  }
  return result;
}

// Whether y, living so, may be written over what lives so: where they meet, it is in the moment in
// which the one is read the last time and the other is made.
bool follows(const Lives& y, const Lives& x) {
  return std::ranges::all_of(x, [&](const Lifetime& before) {
    return std::ranges::all_of(y, [&](const Lifetime& life) {
      return life.first >= before.last || life.last < before.first;
    });
  });
}

bool alive_together(const Region& a, const Region& b) {
  if (a.first > b.last || b.first > a.last) return false;
  if (a.lives.empty() && b.lives.empty()) return true;
  const Lives of_a = lives_of(a), of_b = lives_of(b);
  return std::ranges::any_of(of_a, [&](const Lifetime& x) {
    return std::ranges::any_of(
        of_b, [&](const Lifetime& y) { return x.first <= y.last && y.first <= x.last; });
  });
}

// Builds the regions of a plan. Values first, then gradients, whose aliases need the reads of both.
class Assignment {
 public:
  Assignment(const Program& program, const std::vector<Declarations>& declarations,
             const Differentiation& differentiation, const PlanOptions& options)
      : program_(program),
        declarations_(declarations),
        differentiation_(differentiation),
        options_(options),
        time_(differentiation.calls),
        kept_(program.values.size()) {
    for (ValueId value : options.kept) kept_[std::size_t(value)] = true;
    plan_.value_region.assign(program.values.size(), -1);
    plan_.gradient_region.assign(program.values.size(), -1);
  }

  MemoryPlan run() {
    find_lives();
    assign_values();
    assign_gradients();
    assign_slots();
    assign_states();
    plan_.arena_bytes = place_regions(plan_.regions, options_.reuse);
    plan_.live_bytes = most_alive();
    return std::move(plan_);
  }

 private:
  const ValueInfo& value(ValueId id) const { return program_.values[std::size_t(id)]; }
  int& value_region(ValueId id) { return plan_.value_region[std::size_t(id)]; }
  int& gradient_region(ValueId id) { return plan_.gradient_region[std::size_t(id)]; }
  Region& region(int index) { return plan_.regions[std::size_t(index)]; }

  int new_region(const std::string& name, std::size_t bytes, const Lives& lives) {
    plan_.regions.push_back({.name = name, .bytes = bytes});
    set_lives(plan_.regions.back(), lives);
    return static_cast<int>(plan_.regions.size()) - 1;
  }
  int new_region(const std::string& name, std::size_t bytes, int first, int last) {
    return new_region(name, bytes, {{first, last}});
  }

  static void set_lives(Region& region, const Lives& lives) {
    region.first = lives.front().first;
    region.last = lives.back().last;
    region.lives = lives.size() > 1 ? lives : Lives();
  }

  void extend(int index, int first, int last) {
    region(index).first = std::min(region(index).first, first);
    region(index).last = std::max(region(index).last, last);
  }

  // ---- values

  // A value lives from the call that makes it to the last one that reads it; anew, where it is
  // recomputed. What reads a view reads what it is a view of.
  void find_lives() {
    lives_.resize(program_.values.size());
    seen_.resize(program_.values.size());
    for (std::size_t v = 0; v < seen_.size(); ++v) seen_[v] = static_cast<ValueId>(v);
    for (const Node& node : program_.nodes)
      if (node.layer->traits().view)
        seen_[std::size_t(node.outputs[0])] = seen_[std::size_t(node.inputs[0])];
    // Inputs are written by the caller before the step, at any time.
    for (ValueId input : program_.inputs) lives_[std::size_t(input)] = {{0, time_.after()}};
    for (int moment = 0; moment < time_.after(); ++moment) {
      const Call& call = time_.calls()[std::size_t(moment)];
      if (call.node < 0) continue;
      const Node& node = program_.nodes[std::size_t(call.node)];
      const Traits traits = node.layer->traits();
      const bool backward = call.pass == Pass::backward;
      if (!backward || traits.backward_reads_x)
        for (ValueId input : node.inputs) use(input, moment);
      for (ValueId output : node.outputs) {
        if (!backward) make(output, moment);
        if (!backward || traits.backward_reads_y) use(output, moment);
      }
    }
    for (ValueId kept : options_.kept) use(kept, time_.after());
  }

  void make(ValueId id, int moment) {
    Lives& lives = lives_[std::size_t(id)];
    if (lives.empty() || !kept_[std::size_t(id)]) lives.push_back({moment, moment});
  }

  void use(ValueId id, int moment) {
    for (ValueId each : {id, seen_[std::size_t(id)]})
      if (Lives& lives = lives_[std::size_t(each)]; !lives.empty())
        lives.back().last = std::max(lives.back().last, moment);
  }

  const Lives& lives(ValueId id) const { return lives_[std::size_t(id)]; }

  void assign_values() {
    for (ValueId input : program_.inputs)
      value_region(input) = new_region(value(input).name, value(input).type.bytes(), lives(input));
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const Node& node = program_.nodes[i];
      for (std::size_t k = 0; k < node.outputs.size(); ++k) {
        const ValueId output = node.outputs[k];
        if (k == 0 && takes_place_of_input(id)) {
          value_region(output) = value_region(node.inputs[0]);
          Region& shared = region(value_region(output));
          set_lives(shared, united(lives_of(shared), lives(output)));
        } else {
          value_region(output) =
              new_region(value(output).name, value(output).type.bytes(), lives(output));
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
    return follows(lives(node.outputs[0]), lives_of(region(value_region(x))));
  }

  // ---- gradients

  // The moment at which a value's gradient is read: by its producer's backward, or by the caller.
  int gradient_read(ValueId id) const {
    const NodeId producer = value(id).producer;
    int read = kNever;
    if (producer >= 0 && differentiation_.runs_backward[std::size_t(producer)])
      read = time_.backward(producer);
    return value(id).wants_gradient || kept_[std::size_t(id)] ? time_.after() : read;
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
    const bool kept = kept_[std::size_t(y)];
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

  // Forward scratch is needed in every run forward; what is saved, from the last of them to
  // backward, and in those before, whose results nobody reads.
  void assign_slots() {
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const int forward = time_.forward(id), again = time_.recompute(id);
      const int backward = differentiation_.runs_backward[i] ? time_.backward(id) : forward;
      Lives runs{{forward, forward}};
      if (again >= 0) runs.push_back({again, again});
      Lives saved = runs;
      saved.back().last = std::max(saved.back().last, backward);
      for (const Slot& slot : declarations_[i].saved) place(slot, saved);
      for (const auto& [slot, phase] : declarations_[i].scratch)
        place(slot, phase == Phase::forward ? runs : Lives{{backward, backward}});
    }
  }

  void place(const Slot& slot, const Lives& lives) {
    plan_.slots.push_back({slot, new_region(slot.name(), slot.type().bytes(), lives)});
  }

  void assign_states() {
    for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
      const auto id = static_cast<NodeId>(i);
      const int again = time_.recompute(id);
      if (again < 0) continue;
      for (const Declarations::State& state : declarations_[i].states)
        plan_.states.push_back({id, state.slot,
                                new_region(state.slot.name() + " before", state.slot.type().bytes(),
                                           time_.forward(id), again)});
    }
  }

  std::size_t most_alive() const {
    // What begins at each moment, less what has ended before it.
    std::vector<std::int64_t> change(std::size_t(time_.after()) + 2);
    for (const Region& region : plan_.regions) {
      const auto bytes = static_cast<std::int64_t>(region_bytes(region.bytes));
      for (const Lifetime& life : lives_of(region)) {
        if (life.last < life.first) continue;
        change[std::size_t(life.first)] += bytes;
        change[std::size_t(life.last) + 1] -= bytes;
      }
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
  std::vector<bool> kept_;     // whether the caller may read the value at any time
  std::vector<Lives> lives_;   // of each value
  std::vector<ValueId> seen_;  // through a view, by each value; itself where it is none
  std::unordered_map<int, std::vector<ValueId>> sharing_;
  MemoryPlan plan_;
};

}  // namespace

std::vector<Lifetime> lives_of(const Region& region) {
  return region.lives.empty() ? Lives{{region.first, region.last}} : region.lives;
}

std::size_t place_regions(std::vector<Region>& regions, bool reuse) {
  std::vector<std::size_t> order(regions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return regions[i].bytes; });
  std::vector<std::size_t> placed;  // by offset
  std::size_t total = 0;
  for (std::size_t i : order) {
    Region& region = regions[i];
    const auto meets = [&](const Region& other) { return !reuse || alive_together(region, other); };
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

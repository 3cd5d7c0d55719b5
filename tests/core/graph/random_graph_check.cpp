// One random graph in two forms, as it was recorded and with everything that compile() may do to
// it: named, started and trained alike, and right by central differences.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/graph/random_graph.h"
#include "core/tensor/transfer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Equal in float64 but for the order of sums.
constexpr double kTolerance = 1e-12;

using Results = std::vector<RandomGraph::Result>;

double largest(const std::vector<double>& values) {
  double most = 0;
  for (double value : values)
    if (!(std::abs(value) <= most)) most = std::abs(value);  // NaN stays
  return most;
}

// The same for forms that do the same sums in the same order.
std::string differ_by_a_bit(const Results& plain, const Results& again) {
  if (plain.size() != again.size()) return "another number of results";
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const std::vector<double>&want = plain[i].values, &got = again[i].values;
    if (want.size() != got.size() ||
        std::memcmp(want.data(), got.data(), want.size() * sizeof(double)) != 0)
      return str(plain[i].name, " has other bits where it is recomputed");
  }
  return "";
}

// Why the results differ; empty where they do not. Small tensors beside large ones are what is left
// of cancelled terms, and keep fewer digits.
std::string differ(const Results& plain, const Results& full) {
  if (plain.size() != full.size()) return "another number of results";
  double most = 0;
  for (const RandomGraph::Result& result : plain) most = std::max(most, largest(result.values));
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const std::vector<double>&want = plain[i].values, &got = full[i].values;
    if (plain[i].name != full[i].name || want.size() != got.size())
      return str(plain[i].name, " became ", full[i].name);
    const double allowed = kTolerance * std::max(largest(want), 0.1 * most);
    for (std::size_t k = 0; k < want.size(); ++k)
      if (!(std::abs(want[k] - got[k]) <= allowed))
        return str(plain[i].name, "[", k, "]: ", want[k], " as recorded, ", got[k], " rewritten");
  }
  return "";
}

std::string differ_at_start(RandomGraph& plain, RandomGraph& full) {
  const auto &a = plain.graph().parameters(), &b = full.graph().parameters();
  if (a.size() != b.size()) return "another number of parameters";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].name() != b[i].name()) return str(a[i].name(), " became ", b[i].name());
    if (download<double>(plain.context(), a[i].master()) !=
        download<double>(full.context(), b[i].master()))
      return str(a[i].name(), " starts from other values");
  }
  const auto &s = plain.graph().states(), &t = full.graph().states();
  if (s.size() != t.size()) return "another number of running states";
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i].name() != t[i].name()) return str(s[i].name(), " became ", t[i].name());
  return "";
}

// Multiply-adds are the same however they are joined; what is recomputed comes on top.
std::string differ_in_operations(RandomGraph& plain, RandomGraph& full) {
  const Graph &a = plain.graph(), &b = full.graph();
  std::int64_t again = 0;
  for (const Call& call : b.differentiation().calls.calls()) {
    if (call.pass != Pass::recompute) continue;
    const Node& node = b.program().nodes[std::size_t(call.node)];
    again += node.layer->multiply_adds(b.program().types(node.inputs));
  }
  if (a.forward_multiply_adds() != b.forward_multiply_adds())
    return str("forward ", a.forward_multiply_adds(), " multiply-adds as recorded, ",
               b.forward_multiply_adds(), " rewritten");
  if (a.backward_multiply_adds() != b.backward_multiply_adds() - again)
    return str("backward ", a.backward_multiply_adds(), " multiply-adds as recorded, ",
               b.backward_multiply_adds() - again, " rewritten");
  return "";
}

// A few steps in both forms: other inputs, smaller batches, added gradients, evaluations between.
template <class Differ>
std::string train(RandomGraph& plain, RandomGraph& full, Dice dice, const Differ& differ) {
  const std::int64_t batch = plain.graph().max_batch();
  std::string done;
  for (int step = 0; step < 4; ++step) {
    const std::int64_t now =
        step > 0 && dice.chance(30) ? 2 + dice.pick(std::size_t(batch - 1)) : batch;
    const bool adds = step > 0 && dice.chance(25), looks = dice.chance(25);
    const std::uint64_t number = std::uint64_t(1 + dice.pick(1000));
    done += str(step == 0 ? "" : ", then ", "batch ", now, adds ? " adding" : "");
    for (RandomGraph* form : {&plain, &full}) {
      form->graph().set_batch(now);
      form->graph().set_accumulating(adds);
      form->write_inputs(number);
      if (looks) {
        const ScopedTraining evaluation(form->context(), false);
        form->graph().forward();
      }
      form->step();
    }
    std::string fault = differ(plain.results(), full.results());
    if (fault.empty()) fault = full.hook_fault();
    if (!fault.empty()) return str(fault, " (", done, ")");
  }
  return "";
}

// Central differences of one element.
class Quotient {
 public:
  Quotient(RandomGraph& form, const Tensor& tensor, std::size_t element)
      : form_(form),
        tensor_(tensor),
        values_(download<double>(form.context(), tensor)),
        element_(element),
        center_(values_[element]) {}

  struct Slopes {
    double left = 0, right = 0;
    double central() const { return (left + right) / 2; }
  };
  Slopes slopes(double step) {
    const double h = step * std::max(1.0, std::abs(center_));
    const double above = at(center_ + h), below = at(center_ - h), middle = at(center_);
    return {(middle - below) / h, (above - middle) / h};
  }

 private:
  double at(double value) {
    values_[element_] = value;
    upload(form_.context(), tensor_, values_);
    return form_.objective().value;
  }

  RandomGraph& form_;
  Tensor tensor_;
  std::vector<double> values_;
  std::size_t element_;
  double center_;
};

// A few elements of every tensor against central differences.
std::string differentiate(RandomGraph& form, Dice dice, int& differences) {
  form.write_inputs(7);
  form.step();
  const auto tensors = form.differentiables();  // before another forward takes their memory
  const double magnitude = form.objective().magnitude;
  for (const RandomGraph::Differentiable& tensor : tensors) {
    const double scale = std::max({1e-3 * largest(tensor.gradient), 1e-4 * magnitude, 1e-6});
    for (int tries = 0; tries < 3; ++tries) {
      const auto i = std::size_t(dice.pick(tensor.gradient.size()));
      const double analytic = tensor.gradient[i];
      Quotient quotient(form, tensor.values, i);
      const Quotient::Slopes slopes = quotient.slopes(1e-5);
      const double numeric = slopes.central();
      const double size = std::max({std::abs(analytic), std::abs(numeric), scale});
      if (std::abs(slopes.right - slopes.left) > 1e-2 * size) continue;  // a kink, or too bent
      ++differences;
      // At a kink the gradient is one of the slopes, or lies between.
      const double error = std::abs(analytic - numeric);
      if (error <= 1e-4 * size + std::abs(slopes.right - slopes.left)) continue;
      // A quotient that still changes with its step says nothing yet.
      const double finer = quotient.slopes(1e-5 / 8).central();
      const double settled = 0.1 * std::min(error, std::max(std::abs(finer), std::abs(numeric)));
      if (!(std::abs(finer - numeric) > settled))
        return str(tensor.name, " gradient[", i, "]: ", analytic, ", by central differences ",
                   numeric);
    }
  }
  return "";
}

// Whether it compiles; what it says where it does not.
std::string refusal(RandomGraph& form) {
  try {
    form.compile();
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

// Recorded as it is, with some of it recomputed: the same bits.
std::string recompute(std::uint64_t seed, int most_nodes, RandomGraphReport& report) {
  RandomGraph kept(seed, {.rewrite = false, .most_nodes = most_nodes}),
      again(seed, {.rewrite = false, .recompute = true, .most_nodes = most_nodes});
  kept.compile();
  again.compile();
  for (const Call& call : again.graph().differentiation().calls.calls())
    report.recomputed += call.pass == Pass::recompute ? 1 : 0;
  return train(kept, again, Dice(seed + 3), differ_by_a_bit);
}

RandomGraphReport check(std::uint64_t seed, int most_nodes) {
  RandomGraph plain(seed, {.rewrite = false, .reuse_memory = false, .most_nodes = most_nodes});
  RandomGraph full(seed, {.recompute = true, .hooks = true, .most_nodes = most_nodes});
  RandomGraphReport report{.description = plain.description()};
  const std::string refused = refusal(plain), also = refusal(full);
  if (!refused.empty() || !also.empty()) {
    report.refused = true;
    if (refused.empty() != also.empty())
      report.fault = str("compiles in one form only: ", refused, also);
    return report;
  }
  report.rewrites = int(full.graph().program().rewrites.size());
  report.fault = differ_at_start(plain, full);
  if (report.fault.empty()) report.fault = differ_in_operations(plain, full);
  if (report.fault.empty()) report.fault = train(plain, full, Dice(seed + 1), differ);
  if (report.fault.empty() && full.has_ranges()) report.fault = recompute(seed, most_nodes, report);
  if (!report.fault.empty()) return report;
  RandomGraph fresh(seed, {.recompute = true, .most_nodes = most_nodes});
  fresh.compile();
  report.fault = differentiate(fresh, Dice(seed + 2), report.differences);
  return report;
}

}  // namespace

RandomGraphReport check_random_graph(std::uint64_t seed) {
  RandomGraphReport report = check(seed, 25);
  if (report.fault.empty()) return report;
  for (int nodes = 1; nodes < 25; ++nodes)
    if (RandomGraphReport smaller = check(seed, nodes); !smaller.fault.empty()) return smaller;
  return report;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// Random graphs: what a rewrite, an alias or a shared layer may change is nothing. A graph is drawn
// from a seed, trained for a few steps as it was recorded, again with all rewrites and memory
// reuse, and again with ranges of it recomputed; they are compared with each other, the last bit
// for bit, and with central differences, in float64.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Draws whole numbers the same way with every standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  /// One of 0 to count - 1.
  int pick(std::size_t count) { return static_cast<int>(engine_() % count); }
  bool chance(int percent) { return pick(100) < percent; }
  template <class T>
  const T& of(const std::vector<T>& choices) {
    return choices[std::size_t(pick(choices.size()))];
  }
  std::vector<double> normal(std::int64_t count);

 private:
  std::mt19937_64 engine_;
};

/// A graph as the seed draws it: 3 to 25 applications of layers (at most `most_nodes`), among them
/// fan-out, views, shared and frozen layers, losses in the middle; then what is minimised, seeded
/// and read.
class RandomGraph {
 public:
  struct Options {
    bool rewrite = true;
    bool reuse_memory = true;
    bool recompute = false;  ///< ranges, as the seed draws them
    bool hooks = false;      ///< on gradients, which copy what they are told
    int most_nodes = 25;
  };
  RandomGraph(std::uint64_t seed, const Options& options);

  /// The layers and ends, a line each, to be built again by hand.
  const std::string& description() const { return description_; }
  Context& context() { return context_; }
  Graph& graph() { return graph_; }
  const std::vector<Value>& inputs() const { return inputs_; }
  bool has_ranges() const { return !ranges_.empty(); }

  /// Makes the graph ready to run. Throws Error where what was drawn may not be.
  void compile();
  /// Fills inputs, and the gradients of seeds, from the number given, for the present batch.
  void write_inputs(std::uint64_t number);
  void write_seeds();
  /// Forward and backward.
  void step();

  /// One tensor to compare.
  struct Result {
    std::string name;
    std::vector<double> values;
  };
  /// All that a step leaves for its caller: losses, outputs, running state, gradients.
  std::vector<Result> results();
  /// What was wrong with the gradients that hooks were told, in the last step; empty where they
  /// were final, and all there are.
  std::string hook_fault();
  /// What the gradients are of: the sum of losses, and of seeded values times their seeds, by one
  /// forward pass.
  struct Objective {
    double value = 0;
    double magnitude = 0;  ///< the sum of absolute terms, which says how many digits are left
  };
  Objective objective();

  /// A tensor whose elements may be changed, with its gradient.
  struct Differentiable {
    std::string name;
    Tensor values;
    std::vector<double> gradient;
  };
  std::vector<Differentiable> differentiables();

 private:
  friend class GraphArtist;

  Context context_{{.seed = 11}};
  Graph graph_;
  Options options_;
  std::string description_;
  std::vector<Value> inputs_, losses_, seeds_, outputs_;
  std::vector<Recompute> ranges_;
  Buffer told_;                        ///< what hooks copied
  std::vector<std::int32_t> classes_;  ///< of int32 inputs: one more than their largest value
  std::vector<std::vector<double>> seed_values_;
};

/// What was wrong with one graph: empty, or the reasons.
struct RandomGraphReport {
  std::string fault;
  int recomputed = 0;       ///< calls that ran forward twice
  bool refused = false;     ///< what was drawn may not be compiled
  int rewrites = 0;         ///< made in the rewritten form
  int differences = 0;      ///< elements held against central differences
  std::string description;  ///< of the smallest prefix that shows the fault
};

/// Draws, runs and compares the graph of this seed. A fault is reported for the fewest nodes that
/// still show one.
RandomGraphReport check_random_graph(std::uint64_t seed);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// A small model under test: a graph whose inputs are drawn when it is compiled.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "core/tensor/transfer.h"
#include "support/floats.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class TestModel {
 public:
  explicit TestModel(std::uint64_t seed = 3) : graph(context), random_(seed) {}

  /// A float32 input, drawn from a normal distribution.
  Value input(const Shape& shape, bool wants_gradient = false) {
    inputs_.push_back(graph.input(shape, DType::float32, {.wants_gradient = wants_gradient}));
    return inputs_.back();
  }
  /// Labels, drawn uniformly from the classes.
  Value labels(const Shape& shape, std::int32_t classes) {
    labels_.emplace_back(graph.input(shape, DType::int32), classes);
    return labels_.back().first;
  }
  void compile(const CompileOptions& options) {
    graph.compile(options);
    std::normal_distribution<float> normal;
    for (const Value& value : inputs_) {
      std::vector<float> values(std::size_t(value.shape().count()));
      for (float& number : values) number = normal(random_);
      upload(context, graph.tensor(value), values);
    }
    for (const auto& [value, classes] : labels_) {
      std::vector<std::int32_t> values(std::size_t(value.shape().count()));
      for (std::int32_t& label : values) label = std::int32_t(random_() % std::uint64_t(classes));
      upload(context, graph.tensor(value), values);
    }
  }
  void step() {
    graph.forward();
    graph.backward();
  }
  std::vector<float> read(const Value& value) {
    return download<float>(context, graph.tensor(value));
  }
  std::vector<float> gradient(const Value& value) {
    return download<float>(context, graph.gradient(value));
  }
  /// Parameter gradients by parameter name.
  std::map<std::string, std::vector<float>> gradients() {
    std::map<std::string, std::vector<float>> result;
    for (const Parameter& parameter : graph.parameters())
      if (parameter.trainable())
        result[parameter.name()] = read_floats(context, parameter.gradient());
    return result;
  }
  std::vector<std::string> kinds() const {
    std::vector<std::string> kinds;
    for (const Node& node : graph.program().nodes) kinds.push_back(node.layer->kind());
    return kinds;
  }

  Context context{{.seed = 17}};
  Graph graph;

 private:
  std::mt19937_64 random_;
  std::vector<Value> inputs_;
  std::vector<std::pair<Value, std::int32_t>> labels_;
};

/// Expects equal lengths and elements that differ by at most `tolerance` times the largest; NaN
/// never passes.
inline void expect_near(const std::vector<float>& actual, const std::vector<float>& expected,
                        double tolerance, const std::string& what = "") {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double largest = 1e-6;
  for (float value : expected) largest = std::max(largest, std::abs(double(value)));
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(double(actual[i]) - double(expected[i])), tolerance * largest)
        << what << "[" << i << "]: " << actual[i] << " instead of " << expected[i];
}

/// The same for gradients by name.
inline void expect_near(const std::map<std::string, std::vector<float>>& actual,
                        const std::map<std::string, std::vector<float>>& expected,
                        double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, values] : expected) {
    ASSERT_TRUE(actual.contains(name)) << name;
    expect_near(actual.at(name), values, tolerance, name);
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

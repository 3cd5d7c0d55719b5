// Every registered layer against PyTorch: values and gradients of each case, in all floating types
// (tests/fixtures/make.py wrote the files, in float64). A layer is here by being registered.
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "core/graph/registry.h"
#include "core/tensor/transfer.h"
#include "core/train/files/safetensors.h"
#include "support/backend.h"
#include "support/layer_graph.h"
#include "support/reference.h"
#include "support/source_folder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace {

// Layers that nothing can be held against, with the reason.
const std::set<std::string> kWithoutFixture = {
    "dropout",       // draws random numbers of its own
    "linear_chain",  // made of layers that are here; linear_chain_test.cpp holds it against them
};

// Layers with inputs so near a kink that they lie on its other side once they are rounded to 16
// bits.
const std::set<std::string> kKinks = {"hard_swish", "hard_tanh", "relu6"};

std::string kind_of(const LayerCase& layer_case) {
  return layer_case.name.substr(0, layer_case.name.find('/'));
}

class Fixture {
 public:
  explicit Fixture(const LayerCase& layer_case)
      : case_(layer_case.name),
        file_(SafetensorsFile::read(source_folder() / "tests/fixtures/layers" /
                                    (kind_of(layer_case) + ".safetensors"))) {}

  bool has(const std::string& tensor) const { return file_.find(key(tensor)) != nullptr; }

  Shape shape(const std::string& tensor) const { return Shape(file_.at(key(tensor)).shape); }

  template <class T>
  std::vector<T> values(const std::string& tensor) const {
    const SafetensorsEntry& entry = file_.at(key(tensor));
    const bool integers = entry.dtype == "I32";
    EXPECT_EQ(integers, (std::is_same_v<T, std::int32_t>)) << key(tensor);
    if (integers) return elements<std::int32_t, T>(entry.bytes);
    return elements<double, T>(entry.bytes);
  }

 private:
  std::string key(const std::string& tensor) const { return case_ + ":" + tensor; }

  template <class Stored, class T>
  static std::vector<T> elements(std::span<const std::byte> bytes) {
    std::vector<Stored> stored(bytes.size() / sizeof(Stored));
    std::memcpy(stored.data(), bytes.data(), bytes.size());
    std::vector<T> values;
    for (const Stored value : stored)
      if constexpr (sizeof(T) == 2)
        values.push_back(T(float(value)));
      else
        values.push_back(T(value));
    return values;
  }

  std::string case_;
  SafetensorsFile file_;
};

// A case computing in T, fed from its fixture and held against it.
template <class T>
class Comparison {
 public:
  explicit Comparison(const LayerCase& layer_case)
      : layer_case_(layer_case),
        fixture_(layer_case),
        model_(layer_case, kDTypeOf<T>, /*reuse_memory=*/false) {}

  void run(double tolerance) {
    Graph& graph = model_.graph;
    for (std::size_t i = 0; i < model_.inputs.size(); ++i) {
      const std::string name = str("x", i);
      const Value& input = model_.inputs[i];
      ASSERT_EQ(fixture_.shape(name), input.shape()) << name;
      if (is_floating(input.type().dtype))
        give<T>(graph.tensor(input), name);
      else
        give<std::int32_t>(graph.tensor(input), name);
    }
    const std::vector<Parameter>& parameters = graph.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      give<Master>(parameters[i].master(), str("parameter", i));
    graph.refresh_parameters();
    ASSERT_FALSE(fixture_.has(str("parameter", parameters.size())));
    for (std::size_t i = 0; !model_.loss && i < model_.outputs.size(); ++i)
      give<T>(graph.gradient(model_.outputs[i]), str("dy", i));
    graph.forward();
    graph.backward();
    for (std::size_t i = 0; i < model_.outputs.size(); ++i)
      expect(graph.tensor(model_.outputs[i]), str("y", i), tolerance);
    const bool crossed = sizeof(T) == 2 && kKinks.contains(kind_of(layer_case_));
    for (std::size_t i = 0; i < model_.inputs.size() && !crossed; ++i)
      if (is_floating(model_.inputs[i].type().dtype))
        expect(graph.gradient(model_.inputs[i]), str("dx", i), tolerance);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      expect(parameters[i].gradient(), str("gradient", i), tolerance);
  }

 private:
  using Master = std::conditional_t<sizeof(T) == 2, float, T>;

  template <class Element>
  void give(const Tensor& tensor, const std::string& name) {
    upload(model_.context, tensor, fixture_.template values<Element>(name));
  }

  void expect(const Tensor& tensor, const std::string& name, double tolerance) {
    EXPECT_EQ(tensor.shape(), fixture_.shape(name)) << name;
    // Totals of losses are float32 where the rest has 16 bits.
    const std::vector<double> got = tensor.dtype() == kDTypeOf<T>
                                        ? to_double(download<T>(model_.context, tensor))
                                        : to_double(download<Master>(model_.context, tensor));
    EXPECT_LE(relative_error(got, fixture_.template values<double>(name)), tolerance) << name;
  }

  LayerCase layer_case_;
  Fixture fixture_;
  LayerGraph model_;
};

class Fixtures : public testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }
};

TEST_P(Fixtures, AgreeInFloat64) { Comparison<double>(GetParam()).run(1e-9); }
TEST_P(Fixtures, AgreeInFloat32) { Comparison<float>(GetParam()).run(1e-5); }
// What they start from is rounded as well, so the tolerance is a few units in the last place.
TEST_P(Fixtures, AgreeInBfloat16) {
  if (takes_16_bits(GetParam())) Comparison<bfloat16>(GetParam()).run(2e-2);
}
TEST_P(Fixtures, AgreeInFloat16) {
  if (takes_16_bits(GetParam())) Comparison<float16>(GetParam()).run(2.5e-3);
}

std::vector<LayerCase> cases_with_fixture() {
  std::vector<LayerCase> cases = registered_cases();
  std::erase_if(cases, [](const LayerCase& layer_case) {
    return kWithoutFixture.contains(kind_of(layer_case));
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Layers, Fixtures, testing::ValuesIn(cases_with_fixture()), case_test_name);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

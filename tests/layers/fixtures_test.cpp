// Every registered layer against PyTorch: values and gradients of each case, in float64 and float32
// (tests/fixtures/make.py wrote the files). A layer is here by being registered.
#include <gtest/gtest.h>

#include <cctype>
#include <cstring>
#include <filesystem>
#include <set>

#include "core/device/transfer.h"
#include "core/graph/registry.h"
#include "core/train/safetensors.h"
#include "support/backend.h"
#include "support/reference.h"

namespace adjoint::inline ADJOINT_BACKEND {

// GoogleTest would print the bytes of a case, addresses among them.
void PrintTo(const LayerCase& layer_case, std::ostream* out) { *out << layer_case.name; }

namespace {

// Layers that nothing can be held against, with the reason.
const std::set<std::string> kWithoutFixture = {
    "dropout",  // draws random numbers of its own
};

std::string kind_of(const LayerCase& layer_case) {
  return layer_case.name.substr(0, layer_case.name.find('/'));
}

class Fixture {
 public:
  explicit Fixture(const LayerCase& layer_case)
      : case_(layer_case.name),
        file_(SafetensorsFile::read(std::filesystem::path(ADJOINT_SOURCE_DIR) / "tests/fixtures" /
                                    "layers" / (kind_of(layer_case) + ".safetensors"))) {}

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
    return {stored.begin(), stored.end()};
  }

  std::string case_;
  SafetensorsFile file_;
};

// The case in a graph of its own, computing in T, fed from the fixture and held against it.
template <class T>
class Comparison {
 public:
  explicit Comparison(const LayerCase& layer_case) : fixture_(layer_case), graph_(context_) {
    for (const CheckInput& input : layer_case.inputs) {
      const bool floating = is_floating(input.type.dtype);
      inputs_.push_back(graph_.input(input.type.shape, floating ? kDTypeOf<T> : input.type.dtype,
                                     {.wants_gradient = floating}));
    }
    const std::shared_ptr<Layer> layer = layer_case.make();
    loss_ = layer->traits().gradient_in_forward;
    outputs_ = graph_.apply(layer, inputs_);
    CompileOptions options{
        .outputs = outputs_, .compute_type = kDTypeOf<T>, .rewrite = false, .reuse_memory = false};
    (loss_ ? options.losses : options.seeds) = outputs_;
    graph_.compile(options);
  }

  void run(double tolerance) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const std::string name = str("x", i);
      ASSERT_EQ(fixture_.shape(name), inputs_[i].shape()) << name;
      if (is_floating(inputs_[i].type().dtype))
        upload(context_, graph_.tensor(inputs_[i]), fixture_.template values<T>(name));
      else
        upload(context_, graph_.tensor(inputs_[i]), fixture_.template values<std::int32_t>(name));
    }
    const std::vector<Parameter>& parameters = graph_.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      upload(context_, parameters[i].master(), fixture_.template values<T>(str("parameter", i)));
    ASSERT_FALSE(fixture_.has(str("parameter", parameters.size())));
    for (std::size_t i = 0; !loss_ && i < outputs_.size(); ++i)
      upload(context_, graph_.gradient(outputs_[i]), fixture_.template values<T>(str("dy", i)));
    graph_.forward();
    graph_.backward();
    for (std::size_t i = 0; i < outputs_.size(); ++i)
      expect(graph_.tensor(outputs_[i]), str("y", i), tolerance);
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (is_floating(inputs_[i].type().dtype))
        expect(graph_.gradient(inputs_[i]), str("dx", i), tolerance);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      expect(parameters[i].gradient().tensor, str("gradient", i), tolerance);
  }

 private:
  void expect(const Tensor& tensor, const std::string& name, double tolerance) {
    EXPECT_EQ(tensor.shape(), fixture_.shape(name)) << name;
    const std::vector<double> got = to_double(download<T>(context_, tensor));
    EXPECT_LE(relative_error(got, fixture_.template values<double>(name)), tolerance) << name;
  }

  Fixture fixture_;
  Context context_;
  Graph graph_;
  bool loss_ = false;
  std::vector<Value> inputs_, outputs_;
};

class Fixtures : public testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }
};

TEST_P(Fixtures, AgreeInFloat64) { Comparison<double>(GetParam()).run(1e-9); }
TEST_P(Fixtures, AgreeInFloat32) { Comparison<float>(GetParam()).run(1e-5); }

std::vector<LayerCase> all_cases() {
  std::vector<LayerCase> cases;
  for (const LayerEntry& entry : registered_layers())
    if (!kWithoutFixture.contains(entry.kind))
      cases.insert(cases.end(), entry.cases.begin(), entry.cases.end());
  return cases;
}

std::string test_name(const testing::TestParamInfo<LayerCase>& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Layers, Fixtures, testing::ValuesIn(all_cases()), test_name);

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND

#include "core/graph/random_graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>

#include "core/graph/sequential.h"
#include "core/tensor/transfer.h"
#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/activations/prelu.h"
#include "layers/activations/softmax.h"
#include "layers/arithmetic/add.h"
#include "layers/arithmetic/axis_sum.h"
#include "layers/arithmetic/mul.h"
#include "layers/losses/regression_losses.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/losses/total_loss.h"
#include "layers/norms/batch_norm.h"
#include "layers/norms/layer_norm.h"
#include "layers/norms/rms_norm.h"
#include "layers/products/bilinear.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "layers/shapes/concat.h"
#include "layers/shapes/flatten.h"
#include "layers/shapes/permute.h"
#include "layers/shapes/reshape.h"
#include "layers/shapes/split.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

std::vector<double> Dice::normal(std::int64_t count) {
  // Sums of uniform numbers: near enough, and the same everywhere.
  std::vector<double> values(std::size_t(count), -2.0);
  for (double& value : values)
    for (int i = 0; i < 4; ++i) value += double(engine_() >> 11) * 0x1p-53;
  for (double& value : values) value *= 1.7;
  return values;
}

/// Draws the layers and the ends of one graph. What it draws depends on the seed alone, so that two
/// forms of a graph are the same recording.
class GraphArtist {
 public:
  GraphArtist(RandomGraph& made, std::uint64_t seed) : made_(made), dice_(seed), ends_(~seed) {}

  void draw() {
    const int nodes = 3 + dice_.pick(23);
    type_ = dice_.chance(80) ? DType::float64 : DType::float32;
    batch_ = 2 + dice_.pick(4);
    const int inputs = 1 + dice_.pick(3);
    for (int i = 0; i < inputs; ++i) input({batch_, dice_.of(kWidths)});
    while (applied_ < std::min(nodes, made_.options_.most_nodes)) apply_one();
    draw_ends();
    draw_ranges();
  }

 private:
  struct Drawn {
    Value value;
    std::string name;
    bool totals = false;  // of a loss, or made of such alone
    bool read = false;
    bool made = false;  // by a layer
  };
  struct Shared {
    std::shared_ptr<Layer> layer;
    std::string name;
    Shape takes;
  };
  using Wanted = std::function<bool(const Drawn&)>;
  static inline const std::vector<std::int64_t> kWidths{3, 4, 6};

  // ---- values

  int input(Shape shape) {  // no reference: the graph moves its values when it gets one more
    const bool wants = dice_.chance(60);
    const Value value = made_.graph_.input(shape, type_, {.wants_gradient = wants});
    made_.inputs_.push_back(value);
    made_.classes_.push_back(0);
    return keep(value, str("input", shape, wants ? " with gradient" : ""), false);
  }

  Value labels(const Shape& shape, std::int32_t classes) {
    const Value value = made_.graph_.input(shape, DType::int32);
    made_.inputs_.push_back(value);
    made_.classes_.push_back(classes);
    return value;
  }

  int keep(const Value& value, const std::string& how, bool totals, bool made = false) {
    drawn_.push_back({value, str("v", drawn_.size()), totals, false, made});
    made_.description_ += str(drawn_.back().name, " = ", how, "\n");
    return int(drawn_.size()) - 1;
  }

  // Recent ones rather than others, so that graphs are deep; -1 where there is none.
  int choose(const Wanted& wanted) {
    std::vector<int> fitting;
    for (std::size_t i = 0; i < drawn_.size(); ++i)
      if (wanted(drawn_[i])) fitting.push_back(int(i));
    if (fitting.empty()) return -1;
    const std::size_t recent =
        dice_.chance(60) ? std::min<std::size_t>(3, fitting.size()) : fitting.size();
    return fitting[fitting.size() - recent + std::size_t(dice_.pick(recent))];
  }
  int choose_plain(int least_rank = 2) {
    return choose(
        [=](const Drawn& d) { return !d.totals && d.value.shape().rank() >= least_rank; });
  }
  int choose_like(int other) {
    const Shape shape = drawn_[std::size_t(other)].value.shape();
    const bool totals = drawn_[std::size_t(other)].totals;
    return choose([=](const Drawn& d) { return d.totals == totals && d.value.shape() == shape; });
  }

  const Value& read(int index) {
    drawn_[std::size_t(index)].read = true;
    return drawn_[std::size_t(index)].value;
  }
  const std::string& name(int index) const { return drawn_[std::size_t(index)].name; }
  bool totals(int index) const { return drawn_[std::size_t(index)].totals; }

  // ---- layers: each returns false where nothing drawn so far fits it

  std::string user_name() {
    return dice_.chance(15) ? dice_.of(std::vector<std::string>{"head", "block", "stem"}) : "";
  }

  bool apply_layer(const std::shared_ptr<Layer>& layer, const std::vector<int>& inputs,
                   const std::string& what, bool totals = false) {
    std::vector<Value> x;
    std::string names;
    for (int index : inputs) {
      x.push_back(read(index));
      names += str(names.empty() ? "" : ", ", name(index));
    }
    const std::vector<Value> y = made_.graph_.apply(layer, x, user_name());
    for (std::size_t k = 0; k < y.size(); ++k)
      keep(y[k], str(what, "(", names, ")", y.size() > 1 ? str("[", k, "]") : ""), totals, true);
    ++applied_;
    return true;
  }

  template <class ConcreteLayer>
  bool apply(ConcreteLayer layer, const std::vector<int>& inputs, bool totals = false) {
    auto shared = std::make_shared<ConcreteLayer>(std::move(layer));
    const std::string what = shared->describe();
    return apply_layer(std::move(shared), inputs, what, totals);
  }

  /// Applies what can be applied again: sometimes the very layer that took such an input before.
  template <class ConcreteLayer>
  bool apply_shareable(ConcreteLayer layer, int x) {
    const Shape takes = drawn_[std::size_t(x)].value.shape();
    auto fresh = std::make_shared<ConcreteLayer>(std::move(layer));
    if (dice_.chance(35)) {
      std::vector<Shared> fitting;
      for (const Shared& shared : shared_)
        if (shared.takes == takes) fitting.push_back(shared);
      if (!fitting.empty()) {
        const Shared again = dice_.of(fitting);
        return apply_layer(again.layer, {x}, again.name);
      }
    }
    shared_.push_back({fresh, str(fresh->describe(), " #", shared_.size()), takes});
    return apply_layer(fresh, {x}, shared_.back().name);
  }

  bool pointwise() {
    const int x = choose([&](const Drawn& d) { return !d.totals || dice_.chance(10); });
    if (x < 0) return false;
    const bool t = totals(x);
    switch (dice_.pick(8)) {
      case 0:
        return record(x, relu(read(x)), "relu", t);
      case 1:
        return record(x, gelu(read(x)), "gelu", t);
      case 2:
        return record(x, gelu_exact(read(x)), "gelu_exact", t);
      case 3:
        return record(x, sigmoid(read(x)), "sigmoid", t);
      case 4:
        return record(x, silu(read(x)), "silu", t);
      case 5:
        return record(x, softplus(read(x)), "softplus", t);
      case 6:
        return record(x, elu(read(x)), "elu", t);
      default:
        return record(x, tanh(read(x)), "tanh", t);
    }
  }

  bool record(int x, const Value& y, const std::string& what, bool totals) {
    keep(y, str(what, "(", name(x), ")"), totals, true);
    ++applied_;
    return true;
  }

  Linear new_linear(std::int64_t out) {
    Linear layer(LinearOptions{.out = out, .bias = !dice_.chance(15)});
    Parameter weight = layer.weight(), bias = layer.bias();
    if (dice_.chance(12)) weight.set_trainable(false);
    if (dice_.chance(12) && layer.options().bias) bias.set_trainable(false);
    return layer;
  }

  bool linear_layer() {
    const int x = choose_plain();
    return x >= 0 && apply_shareable(new_linear(dice_.of(kWidths)), x);
  }

  // What the rewrite of chains looks for, with whatever may stand in its way.
  bool linear_chain() {
    int x = choose_plain();
    if (x < 0) return false;
    for (int links = 2 + dice_.pick(2); links > 0; --links) {
      apply_shareable(new_linear(dice_.of(kWidths)), x);
      x = int(drawn_.size()) - 1;
      if (links == 1) break;
      record(x, dice_.chance(50) ? relu(read(x)) : gelu(read(x)), "activation", false);
      x = int(drawn_.size()) - 1;
    }
    return true;
  }

  bool block() {  // a container, which may be applied again
    const int x = choose_plain();
    return x >= 0 &&
           apply_shareable(Sequential(new_linear(4), ReLU(), new_linear(dice_.of(kWidths))), x);
  }

  bool norm() {
    const int x = choose_plain();
    if (x < 0) return false;
    switch (dice_.pick(6)) {
      case 0:
        return apply_shareable(RMSNorm(), x);
      case 1:
        return apply_shareable(BatchNorm(), x);
      case 2:
        return apply_shareable(PReLU(dice_.chance(50)), x);
      default:
        return apply_shareable(LayerNorm(), x);
    }
  }

  bool add_or_multiply() {
    const int a = choose([&](const Drawn& d) { return !d.totals || dice_.chance(5); });
    if (a < 0) return false;
    const int b = choose_like(a);
    return dice_.chance(75) ? apply(Add(), {a, b}, totals(a)) : apply(Mul(), {a, b}, totals(a));
  }

  bool add_and_norm() {
    const int a = choose_plain();
    if (a < 0) return false;
    apply(Add(), {a, choose_like(a)});
    return apply_shareable(LayerNorm(), int(drawn_.size()) - 1);
  }

  bool view() {
    const int x = choose_plain();
    if (x < 0) return false;
    const Shape shape = drawn_[std::size_t(x)].value.shape();
    if (shape.rank() == 3) return apply(Flatten(), {x});
    const std::int64_t width = shape[1];
    if (width % 2 != 0) return apply(Flatten(), {x});
    return apply(Reshape({2, width / 2}), {x});
  }

  bool reorder() {
    const int x = choose_plain(3);
    return x >= 0 && apply(Permute({0, 2, 1}), {x});
  }

  bool reduce() {
    const int x = choose_plain(3);
    return x >= 0 && apply(AxisSum(dice_.chance(50) ? AxisSum::Form::sum : AxisSum::Form::mean,
                                   1 + dice_.pick(2)),
                           {x});
  }

  bool soft() {
    const int x = choose_plain();
    return x >= 0 &&
           record(x, dice_.chance(50) ? softmax(read(x)) : log_softmax(read(x)), "softmax", false);
  }

  bool drop() {
    const int x = choose_plain();
    return x >= 0 && apply(Dropout(0.3f), {x});
  }

  bool join() {
    const int a = choose_plain();
    if (a < 0) return false;
    const int b = choose_like(a);
    return drawn_[std::size_t(a)].value.shape()[1] <= 6 && apply(Concat(1), {a, b});
  }

  bool part() {
    const int x = choose([](const Drawn& d) {
      return !d.totals && d.value.shape().rank() >= 2 && d.value.shape()[1] >= 4;
    });
    if (x < 0) return false;
    const std::int64_t width = drawn_[std::size_t(x)].value.shape()[1];
    if (dice_.chance(60)) return apply(Split(1, {width - 3, 3}), {x});
    return apply(Slice(1, 0, 3), {x});
  }

  bool product() {
    const Wanted matrix = [](const Drawn& d) { return !d.totals && d.value.shape().rank() == 2; };
    const int a = choose(matrix), b = choose(matrix);
    return a >= 0 && b >= 0 && apply(Bilinear(3), {a, b});
  }

  bool look_up() {
    if (type_ != DType::float32) return false;  // what an embedding makes, as recorded
    const std::int64_t width = dice_.of(kWidths);
    const Value words = labels({batch_}, 5);
    keep(embedding(words, 5, width), str("embedding(5, ", width, ")"), false, true);
    ++applied_;
    return true;
  }

  bool regression_loss() {
    const int x = choose_plain(1);
    if (x < 0) return false;
    const int t = dice_.chance(50) ? choose_like(x) : input(drawn_[std::size_t(x)].value.shape());
    const bool each = dice_.chance(30);
    const Reduction reduction = each               ? Reduction::none
                                : dice_.chance(80) ? Reduction::mean
                                                   : Reduction::sum;
    const Value loss = dice_.chance(60) ? mse(read(x), read(t), reduction)
                                        : huber(read(x), read(t), {.reduction = reduction});
    keep(loss, str("regression loss(", name(x), ", ", name(t), ", reduction ", int(reduction), ")"),
         !each, true);
    ++applied_;
    return true;
  }

  bool class_loss() {
    // 2048 classes make the rewrite of linear and cross-entropy; few graphs can afford them.
    const bool large = dice_.chance(8);
    int x = choose_plain();
    if (x < 0) return false;
    if (large) {
      apply_shareable(new_linear(2048), x);
      x = int(drawn_.size()) - 1;
    }
    const Shape shape = drawn_[std::size_t(x)].value.shape();
    std::vector<std::int64_t> rows{shape[0]};
    if (shape.rank() == 3) rows.push_back(shape[1]);
    const Value target = labels(Shape(rows), std::int32_t(shape[-1]));
    const bool each = !large && dice_.chance(25);
    const Value loss =
        softmax_cross_entropy(read(x), target,
                              {.label_smoothing = dice_.chance(30) ? 0.1 : 0.0,
                               .reduction = each ? Reduction::none : Reduction::mean});
    keep(loss, str("softmax_cross_entropy(", name(x), each ? ", none)" : ")"), !each, true);
    ++applied_;
    return true;
  }

  bool losses_together() {
    const int a = choose([](const Drawn& d) { return d.totals; });
    if (a < 0) return false;
    const int b = choose_like(a);  // sums with sums
    if (a == b) return false;
    keep(total_loss({{read(a), 1.0f}, {read(b), 0.5f}}),
         str("total_loss(", name(a), ", 0.5 ", name(b), ")"), true, true);
    ++applied_;
    return true;
  }

  void apply_one() {
    struct Choice {
      int weight;
      bool (GraphArtist::*apply)();
    };
    using A = GraphArtist;
    static const std::vector<Choice> kChoices{{20, &A::pointwise},
                                              {10, &A::linear_layer},
                                              {8, &A::linear_chain},
                                              {4, &A::block},
                                              {10, &A::norm},
                                              {12, &A::add_or_multiply},
                                              {10, &A::add_and_norm},
                                              {8, &A::view},
                                              {5, &A::reorder},
                                              {3, &A::reduce},
                                              {4, &A::soft},
                                              {5, &A::drop},
                                              {4, &A::join},
                                              {6, &A::part},
                                              {2, &A::product},
                                              {3, &A::look_up},
                                              {6, &A::regression_loss},
                                              {5, &A::class_loss},
                                              {3, &A::losses_together}};
    int all = 0;
    for (const Choice& choice : kChoices) all += choice.weight;
    int at = dice_.pick(std::size_t(all));
    for (const Choice& choice : kChoices) {
      at -= choice.weight;
      if (at >= 0) continue;
      (this->*choice.apply)();
      return;
    }
  }

  // ---- ends

  void end(const char* what, std::vector<Value>& values, const Drawn& drawn) {
    values.push_back(drawn.value);
    made_.description_ += str(what, " ", drawn.name, "\n");
  }

  void draw_ends() {
    for (const Drawn& drawn : drawn_) {
      if (!drawn.made) continue;
      // Mostly what nobody reads; sometimes what others read as well.
      const int likely = drawn.read ? 8 : 75;
      if (ends_.chance(likely))
        ends_.chance(60) ? end("loss", made_.losses_, drawn) : end("seed", made_.seeds_, drawn);
      else if (ends_.chance(20))
        end("output", made_.outputs_, drawn);
    }
    if (made_.losses_.empty() && made_.seeds_.empty())
      for (auto drawn = drawn_.rbegin(); drawn != drawn_.rend(); ++drawn)
        if (drawn->made) return end("loss", made_.losses_, *drawn);
  }

  // Up to three ranges that do not meet, each a few layers long.
  void draw_ranges() {
    for (int tries = ends_.chance(50) ? 6 : 0; tries > 0 && made_.ranges_.size() < 3; --tries) {
      const std::size_t from = std::size_t(ends_.pick(drawn_.size()));
      const std::size_t to = from + 1 + std::size_t(ends_.pick(8));
      if (to >= drawn_.size()) continue;
      made_.ranges_.push_back({drawn_[from].value, drawn_[to].value});
      if (!ranges_fit()) {
        made_.ranges_.pop_back();
        continue;
      }
      made_.description_ += str("recompute ", drawn_[from].name, " to ", drawn_[to].name, "\n");
    }
  }

  bool ranges_fit() const {
    Program program = made_.graph_.program();
    std::vector<RangeEnds> ends;
    for (const Recompute& range : made_.ranges_) ends.push_back({range.from.id(), range.to.id()});
    try {
      mark_ranges(program, ends);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  RandomGraph& made_;
  Dice dice_, ends_;
  DType type_ = DType::float64;
  std::int64_t batch_ = 1;
  int applied_ = 0;
  std::vector<Drawn> drawn_;
  std::vector<Shared> shared_;
};

RandomGraph::RandomGraph(std::uint64_t seed, const Options& options)
    : graph_(context_), options_(options) {
  GraphArtist(*this, seed).draw();
}

void RandomGraph::compile() {
  const auto copy = [this](const FinalGradient& ready) {
    auto* const to = static_cast<double*>(told_.data()) + ready.range.begin;
    copy_on_device(ready.stream, to, ready.values.data(), ready.values.bytes());
  };
  // How many ranges there are, and on which stream they are told, follows from the graph.
  Dice dice(description_.size());
  const std::size_t bucket = dice.of(std::vector<std::size_t>{0, 700, 3000});
  graph_.compile({.losses = losses_,
                  .outputs = outputs_,
                  .seeds = seeds_,
                  .compute_type = DType::float64,
                  .recompute = options_.recompute ? ranges_ : std::vector<Recompute>(),
                  .on_gradient = options_.hooks ? GradientHook(copy) : GradientHook(),
                  .gradient_bucket_bytes = bucket,
                  .side_stream = dice.chance(50),
                  .rewrite = options_.rewrite,
                  .unused_parameters = UnusedParameters::allow,  // branches end anywhere
                  .reuse_memory = options_.reuse_memory});
  const std::size_t bytes = options_.hooks ? graph_.slab().gradient.bytes() : 0;
  told_ = context_.memory().allocate(bytes, "told");
}

void RandomGraph::write_inputs(std::uint64_t number) {
  Dice dice(number);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Tensor tensor = graph_.tensor(inputs_[i]);
    if (classes_[i] > 0) {
      std::vector<std::int32_t> values(std::size_t(tensor.count()));
      for (std::int32_t& value : values) value = dice.pick(std::size_t(classes_[i]));
      upload(context_, tensor, values);
      continue;
    }
    const std::vector<double> values = dice.normal(tensor.count());
    if (tensor.dtype() == DType::float64)
      upload(context_, tensor, values);
    else
      upload(context_, tensor, std::vector<float>(values.begin(), values.end()));
  }
  seed_values_.clear();
  for (const Value& seed : seeds_) seed_values_.push_back(dice.normal(graph_.tensor(seed).count()));
}

void RandomGraph::write_seeds() {
  for (std::size_t i = 0; i < seeds_.size(); ++i)
    upload(context_, graph_.gradient(seeds_[i]), seed_values_[i]);
}

void RandomGraph::step() {
  write_seeds();  // what was written there for the step before has been added to
  graph_.forward();
  graph_.backward();
}

namespace {

std::vector<double> read_floats(Context& context, const Tensor& tensor) {
  if (tensor.dtype() == DType::float64) return download<double>(context, tensor);
  const std::vector<float> narrow = download<float>(context, tensor);
  return {narrow.begin(), narrow.end()};
}

}  // namespace

std::vector<RandomGraph::Result> RandomGraph::results() {
  std::vector<Result> all;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    all.push_back({name, read_floats(context_, tensor)});
  };
  for (const std::vector<Value>* values : {&losses_, &outputs_, &seeds_})
    for (const Value& value : *values)
      add(graph_.program().values[std::size_t(value.id())].name, graph_.tensor(value));
  for (const Slot& state : graph_.states()) add(state.name(), state.tensor());
  for (const Value& input : inputs_)
    if (graph_.differentiation().has_gradient[std::size_t(input.id())])
      add(graph_.program().values[std::size_t(input.id())].name + " gradient",
          graph_.gradient(input));
  for (const Parameter& parameter : graph_.parameters())
    if (parameter.trainable()) add(parameter.name() + " gradient", parameter.gradient());
  return all;
}

std::string RandomGraph::hook_fault() {
  const Tensor& gradient = graph_.slab().gradient;
  if (told_.bytes() == 0) return "";
  const auto is = download<double>(context_, gradient);
  const auto told =
      download<double>(context_, Tensor(told_.data(), DType::float64, gradient.shape()));
  return std::memcmp(is.data(), told.data(), gradient.bytes()) == 0
             ? ""
             : "a hook was told a gradient that was not final";
}

RandomGraph::Objective RandomGraph::objective() {
  graph_.forward();
  Objective sum;
  const auto add = [&](double term) {
    sum.value += term;
    sum.magnitude += std::abs(term);
  };
  for (const Value& loss : losses_)
    for (double value : read_floats(context_, graph_.tensor(loss))) add(value);
  for (std::size_t i = 0; i < seeds_.size(); ++i) {
    const std::vector<double> values = read_floats(context_, graph_.tensor(seeds_[i]));
    for (std::size_t k = 0; k < values.size(); ++k) add(values[k] * seed_values_[i][k]);
  }
  return sum;
}

std::vector<RandomGraph::Differentiable> RandomGraph::differentiables() {
  std::vector<Differentiable> all;
  for (const Value& input : inputs_) {
    const Tensor values = graph_.tensor(input);
    if (values.dtype() == DType::float64 &&
        graph_.differentiation().has_gradient[std::size_t(input.id())])
      all.push_back({graph_.program().values[std::size_t(input.id())].name, values,
                     download<double>(context_, graph_.gradient(input))});
  }
  for (const Parameter& parameter : graph_.parameters())
    if (parameter.trainable())
      all.push_back(
          {parameter.name(), parameter.master(), download<double>(context_, parameter.gradient())});
  return all;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

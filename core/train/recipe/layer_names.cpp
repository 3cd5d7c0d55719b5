#include "core/train/recipe/layer_names.h"

#include <algorithm>
#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// All names that a layer takes, for a block those of its layers that are made outside of it.
void collect_taken(const LayerRecipe& layer, Names& taken) {
  taken.insert(taken.end(), layer.inputs.begin(), layer.inputs.end());
  Names inner, made{kBlockInput};
  for (const LayerRecipe& part : layer.layers) {
    collect_taken(part, inner);
    made.insert(made.end(), part.outputs.begin(), part.outputs.end());
  }
  std::ranges::copy_if(inner, std::back_inserter(taken),
                       [&](const std::string& name) { return !contains(made, name); });
}

// The layers of a recipe, or of a block of it.
class LayerList {
 public:
  /// `outside`: names that are known before the first layer.
  LayerList(const std::vector<LayerRecipe>& layers, Names outside)
      : layers_(layers), outside_(std::move(outside)) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      for (const std::string& name : layers[i].outputs) {
        ADJOINT_CHECK(!maker_of(name) && !contains(outside_, name), place_of(layers[i].options),
                      ": the name '", name,
                      "' is taken; expected an output that no other value is called");
        makers_.push_back({name, i});
      }
    }
    for (std::size_t i = 0; i < layers.size(); ++i) check_layer(i);
  }

  /// Marks what the value of that name needs; nothing for one of outside.
  void need(const std::string& name) {
    if (const auto maker = maker_of(name)) need(*maker);
  }
  void need_last() { need(layers_.size() - 1); }

  std::vector<LayerRecipe> needed(Names& notices) const {
    std::vector<LayerRecipe> kept;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (needed_.contains(i)) {
        kept.push_back(layers_[i]);
        if (layers_[i].repeat > 0) kept.back().layers = needed_in(i, notices);
      } else {
        notices.push_back(str(place_of(layers_[i].options), ": nothing takes ",
                              layers_[i].outputs.empty()
                                  ? std::string("what it makes")
                                  : str("'", join(layers_[i].outputs, "', '"), "'"),
                              "; the layer is left out"));
      }
    }
    return kept;
  }

  /// All that a loss may take.
  Names names() const {
    Names names = outside_;
    for (const Maker& maker : makers_) names.push_back(maker.name);
    return names;
  }

 private:
  struct Maker {
    std::string name;
    std::size_t layer;
  };

  std::optional<std::size_t> maker_of(const std::string& name) const {
    const auto found = std::ranges::find(makers_, name, &Maker::name);
    if (found == makers_.end()) return std::nullopt;
    return found->layer;
  }

  Names known_before(std::size_t layer) const {
    Names known = outside_;
    for (const Maker& maker : makers_)
      if (maker.layer < layer) known.push_back(maker.name);
    return known;
  }

  // The layers that layer `i` takes something of.
  std::vector<std::size_t> sources(std::size_t i) const {
    Names taken;
    collect_taken(layers_[i], taken);
    std::vector<std::size_t> from;
    for (const std::string& name : taken)
      if (const auto maker = maker_of(name)) from.push_back(*maker);
    if (layers_[i].inputs.empty() && i > 0) from.push_back(i - 1);
    return from;
  }

  bool depends(std::size_t of, std::size_t on) const {
    std::set<std::size_t> seen;
    std::vector<std::size_t> open{of};
    while (!open.empty()) {
      const std::size_t i = open.back();
      open.pop_back();
      if (i == on) return true;
      if (!seen.insert(i).second) continue;
      for (const std::size_t source : sources(i)) open.push_back(source);
    }
    return false;
  }

  void check_layer(std::size_t i) {
    const LayerRecipe& layer = layers_[i];
    const Names known = known_before(i);
    for (const std::string& name : layer.inputs) {
      if (contains(known, name)) continue;
      const std::string place = place_of(layer.options);
      const auto maker = maker_of(name);
      ADJOINT_CHECK(maker, place, ": input '", name, "' names nothing", did_you_mean(name, names()),
                    "; the names there are: ", join(names(), ", "));
      ADJOINT_CHECK(!depends(*maker, i), place, ": input '", name, "' is made by ",
                    *maker == i ? std::string("this layer itself")
                                : layers_[*maker].options.owner() + ", from what this layer makes",
                    ": a cycle");
      ADJOINT_FAIL(place, ": input '", name, "' is made only later, by ",
                   layers_[*maker].options.owner(), "; put that layer before this one");
    }
    if (layer.repeat > 0) LayerList(layer.layers, inside(known));
  }

  static Names inside(Names known) {
    std::erase(known, kBlockInput);
    known.push_back(kBlockInput);
    return known;
  }

  // A block ends with its last layer.
  std::vector<LayerRecipe> needed_in(std::size_t block, Names& notices) const {
    LayerList inner(layers_[block].layers, inside(known_before(block)));
    inner.need_last();
    return inner.needed(notices);
  }

  void need(std::size_t layer) {
    std::vector<std::size_t> open{layer};
    while (!open.empty()) {
      const std::size_t i = open.back();
      open.pop_back();
      if (!needed_.insert(i).second) continue;
      for (const std::size_t source : sources(i)) open.push_back(source);
    }
  }

  const std::vector<LayerRecipe>& layers_;
  Names outside_;
  std::vector<Maker> makers_;
  std::set<std::size_t> needed_;
};

}  // namespace

std::string place_of(const Options& options) {
  const std::string& where = options.where();
  return where.empty() ? options.owner() : str(where, ": ", options.owner());
}

std::vector<LayerRecipe> needed_layers(const Recipe& recipe, std::span<const std::string> data,
                                       Names& notices) {
  if (recipe.layers.empty()) return {};
  LayerList list(recipe.layers, Names(data.begin(), data.end()));
  const auto need = [&](const LossRecipe& loss) {
    if (loss.inputs.empty()) list.need_last();
    for (const std::string& name : loss.inputs) {
      ADJOINT_CHECK(contains(list.names(), name), place_of(loss.options), ": input '", name,
                    "' names nothing", did_you_mean(name, list.names()),
                    "; the names there are: ", join(list.names(), ", "));
      list.need(name);
    }
  };
  for (const LossRecipe& loss : recipe.losses) need(loss);
  return list.needed(notices);
}

}  // namespace adjoint

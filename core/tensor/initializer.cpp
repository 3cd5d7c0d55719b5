#include "core/tensor/initializer.h"

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

struct Named {
  Initializer initializer;
  enum class Scale : std::uint8_t { none, optional, required } scale;
};

const std::map<std::string, Named, std::less<>>& names() {
  using enum Named::Scale;
  static const std::map<std::string, Named, std::less<>> all = {
      {"zeros", {Initializer::constant(0), none}},
      {"ones", {Initializer::constant(1), none}},
      {"constant", {Initializer::constant(0), required}},
      {"uniform", {Initializer::uniform(1), required}},
      {"normal", {Initializer::normal(1), required}},
      {"truncated_normal", {Initializer::truncated_normal(1), required}},
      {"kaiming_uniform", {Initializer::kaiming_uniform(), optional}},
      {"kaiming_normal", {Initializer::kaiming_normal(), optional}},
      {"xavier_uniform", {Initializer::xavier_uniform(), optional}},
      {"xavier_normal", {Initializer::xavier_normal(), optional}},
      {"lecun_uniform", {Initializer::lecun_uniform(), none}},
      {"lecun_normal", {Initializer::lecun_normal(), none}},
      {"orthogonal", {Initializer::orthogonal(), optional}},
  };
  return all;
}

// "0.02" of "normal(0.02)"; nothing where there are no parentheses.
std::optional<float> scale_of(std::string_view text, std::size_t open) {
  if (open == std::string_view::npos) return std::nullopt;
  float scale = 0;
  const char* const begin = text.data() + open + 1;
  const char* const close = text.data() + text.size() - 1;
  const auto [end, error] = std::from_chars(begin, close, scale);
  ADJOINT_CHECK(text.ends_with(')') && begin <= close && error == std::errc() && end == close &&
                    std::isfinite(scale),
                "initializer '", text, "': expected a number in parentheses, as in normal(0.02)");
  return scale;
}

}  // namespace

Initializer Initializer::named(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  const auto found = names().find(name);
  if (found == names().end()) {
    std::vector<std::string> known;
    for (const auto& entry : names()) known.push_back(entry.first);
    ADJOINT_FAIL("there is no initializer '", name, "'", did_you_mean(std::string(name), known));
  }
  Initializer result = found->second.initializer;
  const std::optional<float> scale = scale_of(text, open);
  ADJOINT_CHECK(scale || found->second.scale != Named::Scale::required, "initializer '", name,
                "': expected its scale in parentheses, as in ", name, "(0.02)");
  ADJOINT_CHECK(!scale || found->second.scale != Named::Scale::none, "initializer '", name,
                "': takes no number in parentheses");
  ADJOINT_CHECK(!scale || result.kind == Kind::constant || *scale >= 0, "initializer '", text,
                "': expected a scale of 0 or more");
  if (scale) result.scale = *scale;
  return result;
}

Initializer Initializer::resolved(const Shape& shape) const {
  if (!of_matrix()) return *this;
  ADJOINT_CHECK(
      shape.rank() >= 2 && shape.count() > 0,
      "Initializer: fans and orthogonal need a parameter of two axes or more, [out, in, ...], got ",
      shape);
  if (fan == Fan::none) return *this;
  const double in = double(shape.count() / shape[0]), out = double(shape.count() / shape[1]);
  const double deviation = double(scale) / std::sqrt(fan == Fan::in ? in : (in + out) / 2);
  // A uniform distribution on [-b, b) has variance b^2 / 3.
  const double bound = kind == Kind::uniform ? std::sqrt(3.0) * deviation : deviation;
  return {kind, static_cast<float>(bound)};
}

}  // namespace adjoint

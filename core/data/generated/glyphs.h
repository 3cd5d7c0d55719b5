// The strokes of the built-in digits: control points in a unit square, x to the right, y down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace adjoint {

struct Point {
  double x = 0;
  double y = 0;
};

/// straight: through the points in lines. curve: a Catmull-Rom spline through them. loop: the same,
/// closed.
enum class StrokeKind : std::uint8_t { straight, curve, loop };

struct Stroke {
  StrokeKind kind;
  std::vector<Point> points;
};

using Glyph = std::vector<Stroke>;

/// The styles in which `digit`, 0 to 9, is written; at least two each.
std::span<const Glyph> glyph_styles(int digit);

}  // namespace adjoint

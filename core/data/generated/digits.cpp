// Only + - * / and square roots, which IEEE 754 rounds exactly, and no contraction to fused
// operations (see CMakeLists.txt): with sin, exp or an FMA the last bits, and now and then a pixel,
// would depend on the machine.
#include "core/data/generated/digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <thread>

#include "core/base/error.h"
#include "core/data/generated/draw_rows.h"
#include "core/data/generated/glyphs.h"
#include "core/samples/data_kinds.h"

namespace adjoint {
namespace {

constexpr int kSide = static_cast<int>(kDigitSide);
constexpr int kPiecesPerSpan = 6;

using Canvas = std::array<double, kSide * kSide>;

struct Affine {
  double xx = 1, xy = 0, yx = 0, yy = 1, x = 0, y = 0;
  Point operator()(Point p) const { return {xx * p.x + xy * p.y + x, yx * p.x + yy * p.y + y}; }
};

/// Turn, shear, scale and move about the centre of the image; maps the unit square to pixels.
Affine random_affine(SampleRandom& random) {
  // A rotation by angle a from t = tan(a / 2), without sine or cosine: |a| up to 24 degrees.
  const double t = random.uniform(-0.21, 0.21);
  const double cosine = (1 - t * t) / (1 + t * t);
  const double sine = 2 * t / (1 + t * t);
  const double shear = random.uniform(-0.3, 0.3);
  const double width = random.uniform(11, 20);
  const double height = random.uniform(14, 22);
  const double move_x = random.uniform(-3.5, 3.5);
  const double move_y = random.uniform(-3, 3);
  Affine map{.xx = cosine * width,
             .xy = (cosine * shear - sine) * height,
             .yx = sine * width,
             .yy = (sine * shear + cosine) * height};
  const Point centre = map({0.5, 0.5});
  map.x = kSide / 2.0 + move_x - centre.x;
  map.y = kSide / 2.0 + move_y - centre.y;
  return map;
}

/// The polyline through a stroke's points; splines in kPiecesPerSpan pieces a span.
std::vector<Point> flatten(StrokeKind kind, const std::vector<Point>& points) {
  if (kind == StrokeKind::straight) return points;
  const int count = static_cast<int>(points.size());
  const bool closed = kind == StrokeKind::loop;
  const auto at = [&](int i) {
    return points[static_cast<std::size_t>(closed ? (i + count) % count
                                                  : std::clamp(i, 0, count - 1))];
  };
  std::vector<Point> line;
  for (int i = 0; i < (closed ? count : count - 1); ++i) {
    const Point a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
    const auto spline = [](double a, double b, double c, double d, double t) {
      return b +
             0.5 * t * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * (b - c) + d - a)));
    };
    for (int piece = 0; piece < kPiecesPerSpan; ++piece) {
      const double t = static_cast<double>(piece) / kPiecesPerSpan;
      line.push_back({spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)});
    }
  }
  line.push_back(at(closed ? 0 : count - 1));
  return line;
}

/// Draws the segment a-b with a round pen: each pixel takes the most ink any segment gives it,
/// falling from full to none over one pixel at `radius`.
void draw_segment(Canvas& canvas, Point a, Point b, double radius, double ink) {
  const double reach = radius + 0.5;
  const auto first = [&](double low) { return std::max(0, static_cast<int>(low - reach)); };
  const auto last = [&](double high) {
    return std::min(kSide - 1, static_cast<int>(high + reach));
  };
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double length_squared = dx * dx + dy * dy;
  for (int row = first(std::min(a.y, b.y)); row <= last(std::max(a.y, b.y)); ++row) {
    for (int column = first(std::min(a.x, b.x)); column <= last(std::max(a.x, b.x)); ++column) {
      const double px = column + 0.5 - a.x, py = row + 0.5 - a.y;
      const double along = length_squared > 0 ? (px * dx + py * dy) / length_squared : 0;
      const double t = std::clamp(along, 0.0, 1.0);
      const double ex = px - t * dx, ey = py - t * dy;
      const double cover = std::clamp(reach - std::sqrt(ex * ex + ey * ey), 0.0, 1.0);
      double& pixel =
          canvas[static_cast<std::size_t>(row) * kSide + static_cast<std::size_t>(column)];
      pixel = std::max(pixel, cover * ink);
    }
  }
}

void draw_line(Canvas& canvas, const std::vector<Point>& line, double radius, double ink) {
  for (std::size_t i = 1; i < line.size(); ++i) {
    draw_segment(canvas, line[i - 1], line[i], radius, ink);
  }
}

void draw_glyph(Canvas& canvas, const Glyph& glyph, SampleRandom& random) {
  const Affine map = random_affine(random);
  const double radius = random.uniform(0.6, 1.7);
  const double ink = random.uniform(140, 255);
  for (const Stroke& stroke : glyph) {
    std::vector<Point> points = stroke.points;
    for (Point& point : points) {
      point.x += random.uniform(-0.05, 0.05);
      point.y += random.uniform(-0.05, 0.05);
    }
    std::vector<Point> line = flatten(stroke.kind, points);
    for (Point& point : line) point = map(point);
    draw_line(canvas, line, radius, ink);
  }
}

/// Up to three short, thin, mostly fainter lines anywhere.
void draw_clutter(Canvas& canvas, SampleRandom& random) {
  const std::uint64_t lines = random.below(4);
  for (std::uint64_t i = 0; i < lines; ++i) {
    const Point from{random.uniform(0, kSide), random.uniform(0, kSide)};
    const Point to{from.x + random.uniform(-5, 5), from.y + random.uniform(-5, 5)};
    const double radius = random.uniform(0.3, 0.8);
    draw_segment(canvas, from, to, radius, random.uniform(60, 180));
  }
}

/// Noise of random strength, near to normal as the sum of four uniform numbers, and 8 bits a pixel.
void quantise(const Canvas& canvas, SampleRandom& random, std::span<std::uint8_t> pixels) {
  const double strength = random.uniform(0, 32);
  for (std::size_t i = 0; i < canvas.size(); ++i) {
    double noise = -2;
    for (int term = 0; term < 4; ++term) noise += random.uniform();
    const double value = std::clamp(canvas[i] + strength * noise, 0.0, 255.0);
    // Not negative, so this rounds, and inline.  NOLINTNEXTLINE(bugprone-incorrect-roundings)
    pixels[i] = static_cast<std::uint8_t>(value + 0.5);
  }
}

}  // namespace

std::int32_t draw_digit(std::uint64_t seed, std::uint64_t index,
                        std::span<std::uint8_t, kDigitSide * kDigitSide> pixels) {
  SampleRandom random(seed, index);
  const auto digit = static_cast<std::int32_t>(random.below(10));
  const auto styles = glyph_styles(digit);
  Canvas canvas{};
  draw_clutter(canvas, random);
  draw_glyph(canvas, styles[random.below(styles.size())], random);
  quantise(canvas, random, pixels);
  return digit;
}

Dataset draw_digits(const DigitsOptions& options) {
  ADJOINT_CHECK(options.count >= 0, "digits: expected a count of at least 0, got ", options.count);
  Dataset dataset{.name = "digits",
                  .count = options.count,
                  .sample = {1, kDigitSide, kDigitSide},
                  .classes = 10};
  dataset.images.resize(static_cast<std::size_t>(options.count * dataset.sample_size()));
  dataset.labels.resize(static_cast<std::size_t>(options.count));
  const auto draw_range = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      auto* pixels = dataset.images.data() + i * kSide * kSide;
      dataset.labels[static_cast<std::size_t>(i)] =
          draw_digit(options.seed, options.first + static_cast<std::uint64_t>(i),
                     std::span<std::uint8_t, kDigitSide * kDigitSide>(pixels, kSide * kSide));
    }
  };
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const std::int64_t wanted = options.threads > 0 ? options.threads : cores;
  const std::int64_t threads = std::clamp<std::int64_t>(options.count / 256, 1, wanted);
  {
    std::vector<std::jthread> others;
    for (std::int64_t t = 1; t < threads; ++t) {
      others.emplace_back(draw_range, options.count * t / threads,
                          options.count * (t + 1) / threads);
    }
    draw_range(0, options.count / threads);
  }
  return dataset;
}

Datasets make_digits(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed) {
  for (const std::int64_t count : {train_count, test_count}) {
    ADJOINT_CHECK(count >= 1 && count <= static_cast<std::int64_t>(kTestBegin),
                  "digits: expected a count from 1 to 2^32, got ", count);
  }
  Datasets digits{draw_digits({.count = train_count, .seed = seed}),
                  draw_digits({.count = test_count, .seed = seed, .first = kTestBegin})};
  digits.train.name = "digits train";
  digits.test.name = "digits test";
  return digits;
}

namespace {
const bool kRegistered = register_data_kind(
    drawn_data_kind("digits", DataInput::images, Task::classification, make_digits));
}  // namespace

}  // namespace adjoint

#include "core/train/judging/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// NaN for 0 / 0.
double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? kNothing : double(part) / double(whole);
}

// Over what is a number.
double mean(const std::vector<ClassReport>& classes, double ClassReport::*value) {
  double sum = 0;
  std::int64_t count = 0;
  for (const ClassReport& of : classes) {
    if (std::isnan(of.*value)) continue;
    sum += of.*value;
    ++count;
  }
  return count == 0 ? kNothing : sum / double(count);
}

}  // namespace

ClassificationCounter::ClassificationCounter(Context& context, const MetricsOptions& options)
    : context_(context), options_(options) {
  ADJOINT_CHECK(options.classes >= 1 && options.samples >= 1 && options.top >= 1,
                "metrics: expected classes, samples and a top-k of at least 1, got ",
                options.classes, ", ", options.samples, " and ", options.top);
  const auto classes = static_cast<std::size_t>(options.classes);
  sums_.kept_ranks = std::min(options.top, int(options.classes));
  const bool confusion = classes <= options.most_confusion_bytes / sizeof(MetricCount) / classes;
  const std::size_t ranks = sizeof(SampleCounts) + classes * sizeof(ClassCounts);
  const std::size_t matrix = ranks + std::size_t(sums_.kept_ranks) * sizeof(MetricCount);
  counts_ = context.memory().allocate(
      matrix + (confusion ? classes * classes * sizeof(MetricCount) : 0), "metrics");
  auto* const base = static_cast<std::byte*>(counts_.data());
  sums_.samples = reinterpret_cast<SampleCounts*>(base);
  sums_.classes = reinterpret_cast<ClassCounts*>(base + sizeof(SampleCounts));
  sums_.ranks = reinterpret_cast<MetricCount*>(base + ranks);
  if (confusion) sums_.confusion = reinterpret_cast<MetricCount*>(base + matrix);

  const auto columns = static_cast<std::size_t>(margin_columns(options.classes));
  const auto samples = static_cast<std::size_t>(options.samples);
  const std::size_t bytes_of_sample = columns * sizeof(float) + sizeof(std::int32_t);
  if (classes >= 2 && samples <= options.most_score_bytes / bytes_of_sample) {
    scores_ = context.memory().allocate(samples * bytes_of_sample, "metrics");
    sums_.kept_samples = options.samples;
    sums_.margins = static_cast<float*>(scores_.data());
    sums_.margin_labels = reinterpret_cast<std::int32_t*>(sums_.margins + samples * columns);
  }
  clear();
}

void ClassificationCounter::clear() {
  fill_bytes(context_.stream(), counts_.data(), 0, counts_.bytes());
}

void ClassificationCounter::add(const Tensor& scores, const Tensor& labels) {
  ADJOINT_CHECK(scores.shape()[-1] == options_.classes, "metrics: expected scores of ",
                options_.classes, " classes, got ", scores.type());
  classification_metrics(context_.stream(), scores, labels, options_.ignored_label, sums_);
}

template <class T>
std::vector<T> ClassificationCounter::download(const T* from, std::int64_t count) const {
  std::vector<T> values(static_cast<std::size_t>(count));
  copy_to_host(context_.stream(), values.data(), from, values.size() * sizeof(T));
  context_.stream().synchronize();
  return values;
}

ClassificationReport ClassificationCounter::read() const {
  const SampleCounts all = download(sums_.samples, 1)[0];
  ClassificationReport report{.count = std::int64_t(all.samples),
                              .unordered = std::int64_t(all.unordered),
                              .top = sums_.kept_ranks};
  std::int64_t right = 0, in_top = 0;
  for (const ClassCounts& of : download(sums_.classes, options_.classes)) {
    const auto samples = std::int64_t(of.samples), predicted = std::int64_t(of.predicted);
    right += std::int64_t(of.right);
    report.classes.push_back({.samples = samples,
                              .predicted = predicted,
                              .right = std::int64_t(of.right),
                              .precision = ratio(std::int64_t(of.right), predicted),
                              .recall = ratio(std::int64_t(of.right), samples),
                              .f1 = ratio(2 * std::int64_t(of.right), samples + predicted),
                              .area = kNothing});
  }
  for (const MetricCount rank : download(sums_.ranks, sums_.kept_ranks))
    in_top += std::int64_t(rank);
  report.accuracy = ratio(right, report.count);
  report.top_accuracy = ratio(in_top, report.count);
  report.macro_f1 = mean(report.classes, &ClassReport::f1);
  if (sums_.confusion != nullptr)
    for (const MetricCount count :
         download(sums_.confusion, std::int64_t(options_.classes) * options_.classes))
      report.confusion.push_back(std::int64_t(count));
  report.has_areas = sums_.margins != nullptr;
  report.macro_area = kNothing;
  if (report.has_areas) read_areas(report);
  return report;
}

void ClassificationCounter::read_areas(ClassificationReport& report) const {
  const std::int64_t columns = margin_columns(options_.classes);
  const auto rows = std::min(std::int64_t(download(sums_.samples, 1)[0].rows), sums_.kept_samples);
  const std::vector<float> margins = download<float>(sums_.margins, rows * columns);
  const std::vector<std::int32_t> labels = download<std::int32_t>(sums_.margin_labels, rows);
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::int64_t positive_class = columns == 1 ? 1 : c;
    std::vector<float> scores;
    std::vector<bool> positive;
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int32_t label = labels[std::size_t(i)];
      if (label < 0) continue;
      scores.push_back(margins[std::size_t(i * columns + c)]);
      positive.push_back(label == positive_class);
    }
    report.classes[std::size_t(positive_class)].area = area_under_curve(scores, positive);
  }
  // Of two classes, either against the other is the same question.
  if (columns == 1) report.classes[0].area = report.classes[1].area;
  report.macro_area = mean(report.classes, &ClassReport::area);
}

// Ranks are counted in halves, so that those of ties are whole.
double mean_absolute_error(const RegressionSums& sums, double unit) {
  return unit * sums.absolute / sums.count;
}

double root_mean_squared_error(const RegressionSums& sums, double unit) {
  return unit * std::sqrt(sums.squared / sums.count);
}

double r_squared(const RegressionSums& sums) {
  return sums.spread > 0 ? 1 - sums.squared / sums.spread : kNothing;
}

double area_under_curve(std::span<const float> scores, const std::vector<bool>& positive) {
  ADJOINT_CHECK(scores.size() == positive.size(), "area_under_curve: ", scores.size(),
                " scores, but ", positive.size(), " labels");
  if (std::ranges::any_of(scores, [](float score) { return std::isnan(score); })) return kNothing;
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return scores[i]; });
  std::uint64_t positives = 0, half_wins = 0, negatives = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    std::uint64_t tied[2] = {0, 0};
    for (end = begin; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end)
      ++tied[positive[order[end]]];
    half_wins += tied[1] * (2 * negatives + tied[0]);
    negatives += tied[0];
    positives += tied[1];
  }
  if (positives == 0 || negatives == 0) return kNothing;
  return double(half_wins) / (2.0 * double(positives) * double(negatives));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

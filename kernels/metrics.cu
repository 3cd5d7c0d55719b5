// For each row x of the scores [rows, classes] with label t:
//
//   prediction = the least j with x_j = max x          rank = |{j : x_j > x_t, or x_j = x_t, j <
//   t}| margin_j = log p_j / (1 - p_j) = x_j - log sum_{i != j} exp x_i,  p = softmax(x)
//
// A class's margin orders samples as its probability does, but does not run into 1. With a the
// prediction, m the largest and s = log sum_{i != a} exp x_i, in double:
//
//   margin_a = m - s        margin_j = x_j - m - log(1 + exp(s - m) - exp(x_j - m)) for j != a
//
// of which the second takes at most half of the sum away. Counts are added by atomics on whole
// numbers, whose order changes nothing. A block takes a row; evaluation is rare, so that plain
// reads, row by row from cache, will do.
#include "kernels/metrics.h"

#include <limits>

#include "core/device/kernel.h"
#include "kernels/dispatch.h"
#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::int32_t kNoClass = std::numeric_limits<std::int32_t>::max();

/// What one pass over a row finds.
struct Scan {
  double largest;
  std::int32_t first;      // where it stands
  std::int32_t ahead;      // scores before the label's
  std::int32_t unordered;  // scores that no order has
  std::int32_t unused;
};

struct CombineScans {
  static constexpr bool kSymmetric = true;
  ADJOINT_DEVICE Scan operator()(const Scan& a, const Scan& b) const {
    const bool of_a = a.largest > b.largest || (a.largest == b.largest && a.first < b.first);
    return {of_a ? a.largest : b.largest, of_a ? a.first : b.first, a.ahead + b.ahead,
            a.unordered + b.unordered, 0};
  }
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
ADJOINT_DEVICE double score(const T* row, int j) {
  return double(Accumulate<T>(row[j]));
}

template <class T>
ADJOINT_DEVICE Scan scan_row(Block& block, const T* row, int classes, int label) {
  const Scan none{-kInfinity, kNoClass, 0, 0, 0};
  const double own = score(row, label);
  Scan found = none;
  ADJOINT_BLOCK_FOR(block, j, classes) {
    const double x = score(row, j);
    found.ahead += x > own || (x == own && j < label);
    found.unordered += !(x < kInfinity);
    if (x > found.largest) {
      found.largest = x;
      found.first = j;
    }
  }
  return block.reduce(found, none, CombineScans{});
}

/// Log-odds of all classes of an ordered row whose prediction is `best`.
template <class T>
ADJOINT_DEVICE void row_margins(Block& block, const T* row, int classes, int best, float* margins) {
  if (classes == 2) {
    if (block.thread == 0) margins[0] = float(score(row, 1) - score(row, 0));
    return;
  }
  const double largest = score(row, best);
  double second = -kInfinity;
  ADJOINT_BLOCK_FOR(block, j, classes) {
    const double x = score(row, j);
    second = j != best && x > second ? x : second;
  }
  second = block.max(second);
  double sum = 0;
  ADJOINT_BLOCK_FOR(block, j, classes)
  if (j != best && second > -kInfinity) sum += exp(score(row, j) - second);
  sum = block.sum(sum);
  const double rest = second > -kInfinity ? second + log(sum) : -kInfinity;
  const double whole = 1 + exp(rest - largest);
  ADJOINT_BLOCK_FOR(block, j, classes) {
    const double below = score(row, j) - largest;
    margins[j] = float(j == best ? largest - rest : below - log(whole - exp(below)));
  }
}

template <class T>
struct Operands {
  const T* scores;
  const std::int32_t* labels;
  int classes;
  std::int32_t ignored_label;
  MetricSums sums;
};

/// Where the margins of a row go, or null.
template <class T>
ADJOINT_DEVICE float* place_of(const Operands<T>& in, std::int64_t row, std::int32_t label) {
  const std::int64_t place = std::int64_t(in.sums.samples->rows) + row;
  if (in.sums.margins == nullptr || place >= in.sums.kept_samples) return nullptr;
  if (threadIdx.x == 0) in.sums.margin_labels[place] = label;
  return in.sums.margins + place * (in.classes == 2 ? 1 : in.classes);
}

ADJOINT_DEVICE void count_row(const MetricSums& sums, int classes, int label, const Scan& found) {
  atomicAdd(&sums.samples->samples, 1ull);
  atomicAdd(&sums.classes[label].samples, 1ull);
  if (found.unordered > 0 || found.first == kNoClass) {
    atomicAdd(&sums.samples->unordered, 1ull);
    return;
  }
  atomicAdd(&sums.classes[found.first].predicted, 1ull);
  if (found.first == label) atomicAdd(&sums.classes[label].right, 1ull);
  if (found.ahead < sums.kept_ranks) atomicAdd(&sums.ranks[found.ahead], 1ull);
  if (sums.confusion != nullptr)
    atomicAdd(&sums.confusion[std::int64_t(label) * classes + found.first], 1ull);
}

template <class T>
__global__ void __launch_bounds__(256) classification_metrics_kernel(Operands<T> in) {
  Block block;
  const std::int64_t row = blockIdx.x;
  const int label = in.labels[row];
  if (label < 0 || label >= in.classes || label == in.ignored_label) {
    place_of(in, row, -1);
    return;
  }
  const T* const scores = in.scores + row * in.classes;
  const Scan found = scan_row(block, scores, in.classes, label);
  if (block.thread == 0) count_row(in.sums, in.classes, label, found);
  float* const margins = place_of(in, row, label);
  if (margins == nullptr) return;
  if (found.unordered == 0 && found.first != kNoClass) {
    row_margins(block, scores, in.classes, found.first, margins);
    return;
  }
  const int columns = in.classes == 2 ? 1 : in.classes;
  ADJOINT_BLOCK_FOR(block, j, columns) margins[j] = std::numeric_limits<float>::quiet_NaN();
}

/// A launch of its own: blocks of the first read where the batch begins at any time.
__global__ void count_rows_kernel(SampleCounts* samples, std::int64_t rows) {
  samples->rows += MetricCount(rows);
}

}  // namespace

void classification_metrics(Stream& stream, const Tensor& scores, const Tensor& labels,
                            std::int32_t ignored_label, const MetricSums& sums) {
  constexpr const char* kName = "classification_metrics";
  ADJOINT_CHECK(scores.defined() && scores.shape().rank() == 2, kName,
                ": expected scores [rows, classes]");
  const std::int64_t rows = scores.shape()[0], classes = scores.shape()[1];
  check_operand(kName, "scores", scores, {scores.dtype(), {rows, classes}});
  check_operand(kName, "labels", labels, {DType::int32, {rows}});
  ADJOINT_CHECK(classes >= 1 && classes < kNoClass / 2, kName, ": expected 1 to 2^30 classes, got ",
                classes);
  ADJOINT_CHECK(sums.samples != nullptr && sums.classes != nullptr, kName,
                ": expected counts of samples and of classes");
  ADJOINT_CHECK(sums.kept_ranks >= 0 && sums.kept_ranks <= classes &&
                    (sums.kept_ranks == 0 || sums.ranks != nullptr),
                kName, ": expected at most ", classes, " ranks, got ", sums.kept_ranks);
  ADJOINT_CHECK((sums.margins == nullptr) == (sums.margin_labels == nullptr), kName,
                ": expected margins and their labels together");
  if (rows == 0) return;
  dispatch_floating(scores.dtype(), kName, [&]<class T>() {
    launch<classification_metrics_kernel<T>>(
        stream, {.grid = rows, .block = preferred_block(classes <= 256 ? 32 : 256)},
        Operands<T>{scores.data<T>(), labels.data<std::int32_t>(), int(classes), ignored_label,
                    sums});
  });
  launch<count_rows_kernel>(stream, {.grid = 1, .block = 1}, sums.samples, rows);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

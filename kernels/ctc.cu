// For each sequence of log-probabilities x [time, classes] and target l of L labels, with
// l' = blank, l_1, blank, ..., l_L, blank of S = 2 L + 1 states (Graves et al. 2006, section 4):
//
//   a_0(s) = x_0(l'_s) for s < 2, else -inf
//   a_t(s) = x_t(l'_s) + log(e^a_{t-1}(s) + e^a_{t-1}(s-1) + [skip(s)] e^a_{t-1}(s-2))
//   b_{T-1}(s) = 0 for s >= S - 2, else -inf
//   b_t(s) = log(sum over r = s, s+1 and, where skip(s+2), s+2 of e^(b_{t+1}(r) + x_{t+1}(l'_r)))
//   skip(s) = l'_s is no blank and not l'_{s-2}
//   log p = log(e^a_{T-1}(S-1) + e^a_{T-1}(S-2))            loss = -log p
//   dx_t(c) = -sum over s with l'_s = c of e^(a_t(s) + b_t(s) - log p)
//
// times what LossOutput says. b leaves the step's own x out, so that nothing is subtracted again.
// dx is the partial derivative in x; PyTorch's adds e^x, which a log_softmax behind it takes out
// again.
//
// A block takes a sequence, a thread every 256th state. All a are kept, of b two steps. Several
// states may have one class: the blank's are summed over the block, each other label's by the first
// of its states, which follows links to the others. So the order of additions is fixed.
#include "kernels/ctc.h"

#include "kernels/loss.cuh"
#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kCtcThreads = 256;

template <class T>
struct Operands {
  const T* x;                   // [batch, time, classes]
  const std::int32_t* targets;  // [batch, length]
  const std::int32_t* times;    // [batch], or null
  const std::int32_t* lengths;  // [batch], or null
  T* dx;                        // [batch, time, classes], or null
  Accumulate<T>* workspace;     // [blocks, time + 2, 2 length + 1]
  std::int32_t* links;          // [blocks, length]
  std::int32_t* status;         // [2]
  LossRows rows;
  LossOperands<T> out;
  int time, classes, length;
  std::int32_t blank;
  bool add, zero_infinity, per_label;
};

/// One sequence.
template <class T>
struct Sequence {
  using A = Accumulate<T>;
  const T* x;                   // [time, classes]
  const std::int32_t* targets;  // [labels]
  A* a;                         // [time, stride]
  A* b;                         // [2, stride]
  std::int32_t* links;          // [labels]
  int time, labels, states, stride, classes;
  std::int32_t blank;

  ADJOINT_DEVICE int label(int s) const { return s % 2 == 0 ? blank : targets[s / 2]; }
  ADJOINT_DEVICE bool skips(int s) const {
    return s >= 2 && s % 2 == 1 && targets[s / 2] != targets[s / 2 - 1];
  }
  ADJOINT_DEVICE A emission(int t, int s) const {
    return A(x[std::int64_t(t) * classes + label(s)]);
  }
  ADJOINT_DEVICE A* alpha(int t) const { return a + std::int64_t(t) * stride; }
  ADJOINT_DEVICE A* beta(int t) const { return b + (t & 1) * stride; }
};

template <class A>
inline constexpr A kNever = -std::numeric_limits<A>::infinity();

/// log(e^p + e^q + e^r), also of -infinity.
template <class A>
ADJOINT_DEVICE A log_sum(A p, A q, A r) {
  A largest = p > q ? p : q;
  largest = r > largest ? r : largest;
  if (largest == kNever<A>) return largest;
  return largest + log(exp(p - largest) + exp(q - largest) + exp(r - largest));
}

/// Fills a and returns log p.
template <class T>
ADJOINT_DEVICE Accumulate<T> run_alpha(Block& block, const Sequence<T>& in) {
  using A = Accumulate<T>;
  if (in.time == 0) return in.labels == 0 ? A(0) : kNever<A>;
  ADJOINT_BLOCK_FOR(block, s, in.states) in.alpha(0)[s] = s < 2 ? in.emission(0, s) : kNever<A>;
  block.sync();
  for (int t = 1; t < in.time; ++t) {
    const A* const before = in.alpha(t - 1);
    A* const now = in.alpha(t);
    ADJOINT_BLOCK_FOR(block, s, in.states)
    now[s] = in.emission(t, s) + log_sum(before[s], s > 0 ? before[s - 1] : kNever<A>,
                                         in.skips(s) ? before[s - 2] : kNever<A>);
    block.sync();  // the next step reads what other threads wrote
  }
  const A* const last = in.alpha(in.time - 1);
  return log_sum(last[in.states - 1], in.states > 1 ? last[in.states - 2] : kNever<A>, kNever<A>);
}

/// b of step t from that of t + 1.
template <class T>
ADJOINT_DEVICE void step_beta(const Block& block, const Sequence<T>& in, int t) {
  using A = Accumulate<T>;
  A* const now = in.beta(t);
  if (t == in.time - 1) {
    ADJOINT_BLOCK_FOR(block, s, in.states) now[s] = s >= in.states - 2 ? A(0) : kNever<A>;
    return;
  }
  const A* const after = in.beta(t + 1);
  const auto term = [&](int r) { return after[r] + in.emission(t + 1, r); };
  ADJOINT_BLOCK_FOR(block, s, in.states)
  now[s] = log_sum(term(s), s + 1 < in.states ? term(s + 1) : kNever<A>,
                   s + 2 < in.states && in.skips(s + 2) ? term(s + 2) : kNever<A>);
}

/// links[i]: the next label equal to label i, or -1; -2 - next where an earlier one is equal.
template <class T>
ADJOINT_DEVICE void link_labels(const Block& block, const Sequence<T>& in) {
  ADJOINT_BLOCK_FOR(block, i, in.labels) {
    int next = i + 1, before = i;
    while (next < in.labels && in.targets[next] != in.targets[i]) ++next;
    while (before > 0 && in.targets[before - 1] != in.targets[i]) --before;
    const int link = next < in.labels ? next : -1;
    in.links[i] = before == 0 ? link : -3 - link;
  }
}

ADJOINT_DEVICE bool is_first(std::int32_t link) { return link >= -1; }
ADJOINT_DEVICE int next_of(std::int32_t link) { return link >= -1 ? link : -3 - link; }

/// dx -= factor times the share of paths through each class.
template <class T>
ADJOINT_DEVICE void add_shares(Block& block, const Sequence<T>& in, T* dx, Accumulate<T> log_p,
                               Accumulate<T> factor) {
  using A = Accumulate<T>;
  link_labels(block, in);
  for (int t = in.time - 1; t >= 0; --t) {
    step_beta(block, in, t);
    block.sync();  // b of all states, the links, and at first the zeros in dx
    const A* const a = in.alpha(t);
    const A* const b = in.beta(t);
    const auto share = [&](int s) { return exp(a[s] + b[s] - log_p); };
    T* const row = dx + std::int64_t(t) * in.classes;
    const auto subtract = [&](int c, A sum) { row[c] = T(A(row[c]) - factor * sum); };
    A blanks = 0;
    ADJOINT_BLOCK_FOR(block, i, in.labels + 1) blanks += share(2 * i);
    blanks = block.sum(blanks);
    if (block.thread == 0) subtract(in.blank, blanks);
    ADJOINT_BLOCK_FOR(block, i, in.labels) {
      if (!is_first(in.links[i])) continue;
      A sum = 0;
      for (int k = i; k >= 0; k = next_of(in.links[k])) sum += share(2 * k + 1);
      subtract(in.targets[i], sum);
    }
  }
}

/// Labels of a target, or -1 where it is none.
template <class T>
ADJOINT_DEVICE int count_labels(Block& block, const Operands<T>& in, std::int64_t row) {
  const std::int32_t* const targets = in.targets + row * in.length;
  const bool told = in.lengths != nullptr;
  int labels = told ? in.lengths[row] : 0;
  if (labels < 0 || labels > in.length) return -1;
  while (!told && labels < in.length && targets[labels] >= 0) ++labels;
  bool bad = in.times != nullptr && (in.times[row] < 0 || in.times[row] > in.time);
  ADJOINT_BLOCK_FOR(block, i, labels)
  bad = bad || targets[i] < 0 || targets[i] >= in.classes || targets[i] == in.blank;
  return block.any(bad) ? -1 : labels;
}

/// Loss of one sequence; writes its gradient.
template <class T>
ADJOINT_DEVICE Accumulate<T> sequence_loss(Block& block, const Operands<T>& in, std::int64_t row,
                                           int labels) {
  using A = Accumulate<T>;
  const int stride = 2 * in.length + 1;
  A* const a = in.workspace + std::int64_t(blockIdx.x) * (in.time + 2) * stride;
  const Sequence<T> sequence{.x = in.x + row * in.time * in.classes,
                             .targets = in.targets + row * in.length,
                             .a = a,
                             .b = a + std::int64_t(in.time) * stride,
                             .links = in.links + std::int64_t(blockIdx.x) * in.length,
                             .time = in.times == nullptr ? in.time : in.times[row],
                             .labels = labels,
                             .states = 2 * labels + 1,
                             .stride = stride,
                             .classes = in.classes,
                             .blank = in.blank};
  const A log_p = run_alpha(block, sequence);
  const bool possible = log_p != kNever<A>;
  const A weight = in.per_label && labels > 1 ? A(1) / A(labels) : A(1);
  if (in.dx != nullptr && possible)
    add_shares(block, sequence, in.dx + row * in.time * in.classes, log_p,
               in.out.factor(weight * in.out.factor(), row));
  return possible ? -weight * log_p : in.zero_infinity ? A(0) : -kNever<A>;
}

template <class T>
__global__ void __launch_bounds__(kCtcThreads, 1) ctc_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  LossPartial mine = LossPartial::none();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const std::int64_t elements = std::int64_t(in.time) * in.classes;
    if (in.dx != nullptr && !in.add)
      for (std::int64_t i = block.thread; i < elements; i += block.threads)
        in.dx[row * elements + i] = T(0.0f);
    const int labels = count_labels(block, in, row);
    const A loss = labels < 0 ? A(0) : sequence_loss(block, in, row, labels);
    if (block.thread == 0 && in.out.losses != nullptr) in.out.losses[row] = T(loss);
    mine.loss += double(loss);
    mine.count += labels < 0 ? 0.0 : 1.0;
    if (labels < 0 && mine.bad_row == kNoRow) mine.bad_row = std::int32_t(row);
    block.sync();  // the next sequence writes over this one's workspace
  }
  finish_loss(block, in.out, mine, [&](const LossPartial& total) {
    if (total.bad_row != kNoRow && in.status[0] == 0) in.status[0] = 1 + total.bad_row;
  });
}

std::int64_t most_blocks(std::int64_t batch) {
  return batch < kMostLossBlocks ? batch : kMostLossBlocks;
}

void check(const char* kernel, const CtcCall& call) {
  ADJOINT_CHECK(call.x.defined() && call.x.contiguous() && call.x.shape().rank() == 3, kernel,
                ": expected contiguous x [batch, time, classes]");
  const std::int64_t batch = call.x.shape()[0], classes = call.x.shape()[2];
  ADJOINT_CHECK(call.targets.defined() && call.targets.shape().rank() == 2, kernel,
                ": expected targets [batch, length]");
  const std::int64_t length = call.targets.shape()[1];
  check_operand(kernel, "targets", call.targets, {DType::int32, {batch, length}});
  for (const Tensor& each : {call.times, call.lengths})
    if (each.defined()) check_operand(kernel, "lengths", each, {DType::int32, {batch}});
  if (call.dx.wanted()) check_operand(kernel, "dx", call.dx.tensor, call.x.type());
  check_operand(kernel, "status", call.status, {DType::int32, {2}});
  const TensorType workspace = ctc_workspace(call.x.type(), call.targets.type());
  const TensorType links = ctc_links(call.targets.type());
  ADJOINT_CHECK(call.workspace.defined() && call.workspace.dtype() == workspace.dtype &&
                    call.workspace.count() >= workspace.shape.count() && call.links.defined() &&
                    call.links.dtype() == links.dtype && call.links.count() >= links.shape.count(),
                kernel, ": expected a workspace of ", workspace, " and links of ", links);
  ADJOINT_CHECK(call.blank >= 0 && call.blank < classes, kernel, ": expected a blank among the ",
                classes, " classes, got ", call.blank);
  ADJOINT_CHECK(call.x.shape()[1] < kNoRow / 2 && classes < kNoRow / 2 && length < kNoRow / 4,
                kernel, ": expected fewer than 2^30 steps and classes, got ", call.x.shape());
}

}  // namespace

TensorType ctc_workspace(const TensorType& x, const TensorType& targets) {
  const std::int64_t states = 2 * targets.shape[1] + 1;
  return {accumulation_type(x.dtype), Shape{most_blocks(x.shape[0]) * (x.shape[1] + 2) * states}};
}

TensorType ctc_links(const TensorType& targets) {
  return {DType::int32, Shape{most_blocks(targets.shape[0]) * targets.shape[1]}};
}

void ctc(Stream& stream, const CtcCall& call) {
  constexpr const char* kName = "ctc";
  check(kName, call);
  const Shape& shape = call.x.shape();
  const auto integers = [](const Tensor& tensor) {
    return tensor.defined() ? tensor.data<std::int32_t>() : nullptr;
  };
  dispatch_floating(call.x.dtype(), kName, [&]<class T>() {
    launch<ctc_kernel<T>>(
        stream, {.grid = loss_blocks(shape[0]), .block = preferred_block(kCtcThreads)},
        Operands<T>{.x = call.x.data<T>(),
                    .targets = integers(call.targets),
                    .times = integers(call.times),
                    .lengths = integers(call.lengths),
                    .dx = call.dx.wanted() ? call.dx.tensor.data<T>() : nullptr,
                    .workspace = call.workspace.data<Accumulate<T>>(),
                    .links = integers(call.links),
                    .status = integers(call.status),
                    .rows = loss_rows(kName, shape[0]),
                    .out = loss_operands<T>(kName, call.out, shape[0], {shape[0]}),
                    .time = int(shape[1]),
                    .classes = int(shape[2]),
                    .length = int(call.targets.shape()[1]),
                    .blank = call.blank,
                    .add = call.dx.accumulates(),
                    .zero_infinity = call.zero_infinity,
                    .per_label = call.per_label});
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// What an optimizer must know of the whole gradient before it may touch a parameter: is it finite,
// how long is it, by what is it to be scaled; and with it all that advances once a step. One
// launch; or two, the sum of squares and the end of the step, where something comes between them,
// such as adding up the sums of several ranks.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Partial sums of one gradient: at most this many blocks, which fill any GPU of today.
inline constexpr int kGradientNormBlocks = 1024;

/// Scratch of an optimizer on the device, not saved. All zero bytes before the first step.
struct StepWorkspace {
  double totals[3];       ///< loss sum, valid count, correct count of earlier micro-steps
  std::uint64_t records;  ///< written to the ring so far
  unsigned arrived;       ///< blocks that have left their partial sum
  unsigned reserved;
  double sum_of_squares;  ///< what sum_squares() found, for end_step()
  double partial_sums[kGradientNormBlocks];
};

struct GradientNorm {
  /// [count], floating, 16-byte aligned: the sum of the samples' gradients. Of none nothing is
  /// checked, the loss neither.
  Tensor gradient;
  /// float32 or float64, of this (micro-)step: loss sum, valid count, correct count, and a fourth
  /// number where gradients are not to be divided by the count (kernels/totals.h).
  Tensor totals;

  Schedule schedule;
  double clip_norm = 0;   ///< the mean gradient is scaled down to this norm; <= 0: never
  double loss_scale = 1;  ///< what the gradient was multiplied by beside *device_scale
  /// Device memory, Context::loss_scale(), which losses multiplied their gradients by; changed for
  /// the next step as `scaling` says. Null: 1.
  float* device_scale = nullptr;
  LossScaling scaling = {};
  double beta1 = 0;  ///< decay of the moving averages whose bias is to be corrected
  double beta2 = 0;
  /// Where above 0, beta1 of update t is beta1 (1 - momentum_fade^t / 2): NAdam's.
  double momentum_fade = 0;
  MovingAverage averaging = {};
  /// The step is skipped if the norm of the gradient as applied (after clipping) passes this: where
  /// its square would overflow in the optimizer's state and stay infinite for ever.
  double largest_norm = std::numeric_limits<double>::infinity();

  UpdateState* state = nullptr;          ///< device memory; read and written
  StepWorkspace* workspace = nullptr;    ///< device memory; its totals are added, then cleared
  std::uint64_t* random_step = nullptr;  ///< device memory, Context::step(); advanced by one
  std::span<StepRecord> ring;            ///< pinned host memory, not empty; one record is written
};

/// Puts one kernel on the stream that leaves in *state all that the update needs. With S the sum of
/// squares of the gradient, n the valid count (1 with totals of four numbers) and L the loss scale
/// (loss_scale x *device_scale):
///
///   norm   = sqrt(S) / (n L)
///   clip   = min(1, clip_norm / norm)
///   finite = norm and loss sum are finite and n > 0 and norm clip <= largest_norm
///   gradient_scale = clip / (n L),  learning_rate = learning_rate(schedule, step)
///
/// then, if finite, step + 1 and the bias corrections, else skipped + 1; and it writes one record
/// of the step. The loss scale shrinks where n > 0 and the norm is not finite, though the loss is:
/// where it is not, no scale is to blame. Squares are taken and added in double: that of a float is
/// exact there and cannot overflow or vanish, so that no second pass or scaling is needed (cost:
/// optim/README.md). For a float64 gradient a norm above 1e154 counts as infinite. Partial sums are
/// added in an order fixed by count and block size. Throws Error if a tensor has the wrong type,
/// shape or alignment.
void gradient_norm(Stream& stream, const GradientNorm& call);

/// The first half of gradient_norm(): puts one kernel on the stream that leaves the sum of squares
/// of [count] elements in workspace->sum_of_squares, a number that may be changed there before
/// end_step(). Throws Error likewise.
void sum_squares(Stream& stream, const Tensor& gradient, StepWorkspace* workspace);

/// The second half: one kernel of one thread that does the rest, S being
/// workspace->sum_of_squares. Of call.gradient it asks only whether it has elements. Both halves
/// leave what gradient_norm() leaves, bit for bit.
void end_step(Stream& stream, const GradientNorm& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

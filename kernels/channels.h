// A tensor as [samples, channels, inner]; see kernels/channels.cuh.
#pragma once

#include <string_view>

#include "core/tensor/tensor.h"

namespace adjoint {

struct ChannelShape {
  std::int64_t samples = 0, channels = 0, inner = 1;

  /// Elements of a channel.
  std::int64_t count() const { return samples * inner; }
  /// Elements that lie together: a run of one channel, or a sample's channels.
  std::int64_t row() const { return inner > 1 ? inner : channels; }
  /// Samples that one block sums: about 2^14 elements of a run, or 128 samples; more where there
  /// would be more than kMostRanges ranges.
  std::int64_t samples_per_range() const {
    const std::int64_t share = (samples + kMostRanges - 1) / kMostRanges;
    return share > least_samples() ? share : least_samples();
  }
  std::int64_t ranges() const {
    return samples == 0 ? 1 : (samples + samples_per_range() - 1) / samples_per_range();
  }
  /// Of what blocks leave for the kernel that adds their sums up: [ranges or more, 2, channels]. No
  /// smaller for more samples: memory for the largest batch serves the smaller ones, though their
  /// ranges may be more.
  Shape partials() const {
    const std::int64_t most = (samples + least_samples() - 1) / least_samples();
    return {most < 1 ? 1 : most < kMostRanges ? most : kMostRanges, 2, channels};
  }

 private:
  static constexpr std::int64_t kMostRanges = 1024;
  std::int64_t least_samples() const {
    const std::int64_t samples_of_run = inner > 1 ? 16384 / inner : 128;
    return samples_of_run > 1 ? samples_of_run : 1;
  }
};

/// x [batch, channels, ...] as such; throws Error if it has fewer axes.
inline ChannelShape channel_shape(std::string_view kernel, const Shape& x) {
  ADJOINT_CHECK(x.rank() >= 2, kernel, ": expected x of [batch, channels, ...], got ", x);
  ChannelShape shape{x[0], x[1], 1};
  for (int axis = 2; axis < x.rank(); ++axis) shape.inner *= x[axis];
  ADJOINT_CHECK(shape.inner < (std::int64_t{1} << 30) && shape.channels < (std::int64_t{1} << 30),
                kernel, ": expected fewer than 2^30 channels, and elements of each, got ", x);
  return shape;
}

}  // namespace adjoint

// Initial values, element i from the draws Philox(seed, (i, place, 2^63 + attempt)):
//
//   constant          scale
//   uniform           scale (2 u - 1)
//   normal            scale sqrt(-2 ln u) cos(2 pi v)         (Box and Muller 1958)
//   truncated normal  the first attempt's normal within two standard deviations
//   orthogonal        scale Q, of normal draws made orthonormal on the host: rows, or columns where
//                     these are fewer
//
// Steps of training stay below 2^63, so these draws are never drawn again.
#include "kernels/initialize.h"

#include <vector>

#include "core/device/philox.h"
#include "core/tensor/orthonormalise.h"
#include "kernels/math.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::uint64_t kFirstAttempt = std::uint64_t{1} << 63;

struct Draw {
  Initializer::Kind kind;
  float scale;
  std::uint64_t seed, place;

  ADJOINT_DEVICE PhiloxWords words(std::int64_t i, std::uint64_t attempt) const {
    return philox(seed, philox_counter(std::uint64_t(i), place, kFirstAttempt + attempt));
  }
  ADJOINT_DEVICE float normal(std::int64_t i, std::uint64_t attempt) const {
    const PhiloxWords drawn = words(i, attempt);
    return sqrt(-2.0f * log(philox_uniform(drawn.x))) *
           ::cosf(6.28318531f * philox_uniform(drawn.y));
  }
  ADJOINT_DEVICE float operator()(std::int64_t i) const {
    switch (kind) {
      case Initializer::Kind::uniform:
        return scale * (2.0f * philox_uniform(words(i, 0).x) - 1.0f);
      case Initializer::Kind::normal:
        return scale * normal(i, 0);
      case Initializer::Kind::truncated_normal: {
        // One attempt in twenty-two fails; 32 in a row do not happen.
        float z = normal(i, 0);
        for (int attempt = 1; !(z >= -2.0f && z <= 2.0f) && attempt < 32; ++attempt)
          z = normal(i, std::uint64_t(attempt));
        return scale * z;
      }
      default:
        return scale;
    }
  }
};

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    initialize_kernel(T* out, std::int64_t count, Draw draw) {
  ADJOINT_GRID_FOR(i, count) out[i] = static_cast<T>(Accumulate<T>(draw(i)));
}

template <class T>
__global__ void __launch_bounds__(kMapThreads)
    fill_kernel(T* out, std::int64_t count, const float* value) {
  ADJOINT_GRID_FOR(i, count) out[i] = static_cast<T>(Accumulate<T>(*value));
}

constexpr std::int64_t kOfBlock = 4096;

LaunchShape blocks_for(const Tensor& tensor) {
  return {.grid = (tensor.count() + kOfBlock - 1) / kOfBlock,
          .block = preferred_block(kMapThreads)};
}

// values [rows, cols] as orthonormal rows or columns, times `scale`.
template <class T>
void make_orthogonal(std::vector<T>& values, std::int64_t rows, std::int64_t cols, double scale) {
  const bool of_rows = rows <= cols;
  const std::int64_t count = of_rows ? rows : cols, size = of_rows ? cols : rows;
  const auto place = [&](std::int64_t vector, std::int64_t i) {
    return std::size_t(of_rows ? vector * size + i : i * count + vector);
  };
  std::vector<double> vectors(values.size());
  for (std::int64_t v = 0; v < count; ++v)
    for (std::int64_t i = 0; i < size; ++i)
      vectors[std::size_t(v * size + i)] = double(Accumulate<T>(values[place(v, i)]));
  orthonormalise(vectors, count, size);
  for (std::int64_t v = 0; v < count; ++v)
    for (std::int64_t i = 0; i < size; ++i)
      values[place(v, i)] = T(Accumulate<T>(scale * vectors[std::size_t(v * size + i)]));
}

// Normal draws lie in the tensor; waits for them.
void orthogonalise(Stream& stream, const Tensor& tensor, double scale) {
  dispatch_floating(tensor.dtype(), "initialize", [&]<class T>() {
    std::vector<T> values(std::size_t(tensor.count()));
    copy_to_host(stream, values.data(), tensor.data<T>(), tensor.bytes());
    stream.synchronize();
    const std::int64_t rows = tensor.shape()[0];
    make_orthogonal(values, rows, tensor.count() / rows, scale);
    copy_to_device(stream, tensor.data<T>(), values.data(), tensor.bytes());
    stream.synchronize();
  });
}

}  // namespace

void initialize(Stream& stream, const Tensor& tensor, const Initializer& initializer,
                std::uint64_t seed, std::uint64_t place) {
  check_operand("initialize", "tensor", tensor, tensor.type());
  if (initializer.kind == Initializer::Kind::orthogonal) {
    initializer.resolved(tensor.shape());  // a matrix, or an error
    initialize(stream, tensor, Initializer::normal(1.0f), seed, place);
    return orthogonalise(stream, tensor, double(initializer.scale));
  }
  const Draw draw{initializer.kind, initializer.scale, seed, place};
  const auto fill = [&]<class T>() {
    launch<initialize_kernel<T>>(stream, blocks_for(tensor), tensor.data<T>(), tensor.count(),
                                 draw);
  };
  if (is_floating(tensor.dtype())) return dispatch_floating(tensor.dtype(), "initialize", fill);
  ADJOINT_CHECK(initializer.kind == Initializer::Kind::constant,
                "initialize: expected floating elements for random values, got ",
                name(tensor.dtype()));
  if (tensor.dtype() == DType::int32)
    fill.template operator()<std::int32_t>();
  else
    fill.template operator()<std::uint8_t>();
}

void fill(Stream& stream, const Tensor& tensor, const float* value) {
  check_operand("fill", "tensor", tensor, tensor.type());
  dispatch_floating(tensor.dtype(), "fill", [&]<class T>() {
    launch<fill_kernel<T>>(stream, blocks_for(tensor), tensor.data<T>(), tensor.count(), value);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

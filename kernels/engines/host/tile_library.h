// What a library does for the host's engines of products (matmul_library.cpp): one tile of a
// product, on the calling thread alone. Cutting products into tiles, epilogues and 16-bit results
// are the engines' work and the same for every library.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/base/error.h"
#include "kernels/engines/matmul_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Extents and row strides, in elements, of c [rows, columns] = op(a) [rows, inner] op(b) [inner,
/// columns]; all row-major, as they lie in memory before a transpose.
struct TileForm {
  bool transpose_a = false, transpose_b = false;
  std::int64_t rows = 0, columns = 0, inner = 0;
  std::int64_t a_stride = 0, b_stride = 0, c_stride = 0;
  auto operator<=>(const TileForm&) const = default;
};

/// c = alpha op(a) op(b) + beta c, with operands of type T and a result in the type they are summed
/// in. Beta 0 does not read c. No extent is 0.
template <class T>
struct TileProduct {
  using Result = std::conditional_t<std::is_same_v<T, double>, double, float>;
  TileForm form;
  Result alpha = 1, beta = 0;
  const T* a = nullptr;
  const T* b = nullptr;
  Result* c = nullptr;
};

/// A library of products. The same product has the same bits on any thread, at any time.
class TileLibrary {
 public:
  virtual ~TileLibrary() = default;

  /// The name of its engine: "openblas".
  virtual std::string name() const = 0;
  /// Name, version and what it takes the processor for. Loads it; throws Error where that fails.
  virtual std::string description() const = 0;
  /// Whether it multiplies float64 too. What it lacks another engine does.
  virtual bool has_float64() const { return false; }
  /// Whether it is faster than the first library at tiles of this form and type, by what was
  /// measured (../README.md).
  virtual bool excels(const TileForm&, DType) const { return false; }
  /// Whether bfloat16 operands are faster as they are than widened to float32, where prepare() can.
  virtual bool prefers_bfloat16() const { return false; }
  /// Makes what products of bfloat16 operands of this form need; whether there is a fast way.
  virtual bool prepare(const TileForm&) { return false; }

  virtual void multiply(const TileProduct<float>&) const = 0;
  /// Only where has_float64().
  virtual void multiply(const TileProduct<double>&) const { refuse(DType::float64); }
  /// Only after prepare() of its form.
  virtual void multiply(const TileProduct<bfloat16>&) const { refuse(DType::bfloat16); }

 private:
  void refuse(DType type) const {
    ADJOINT_FAIL(name(), " was asked for a product of ", adjoint::name(type), ", which it lacks");
  }
};

/// OpenBLAS, loaded when the first product needs it.
std::unique_ptr<TileLibrary> make_openblas();
/// oneDNN, in builds that found it (ADJOINT_ONEDNN).
std::unique_ptr<TileLibrary> make_onednn();

/// Memory of this worker, one for each `Use`, grown and kept: steps after the first allocate
/// nothing.
template <class T, int Use>
T* worker_memory(std::int64_t count) {
  static thread_local std::vector<T> memory;
  if (std::int64_t(memory.size()) < count) memory.resize(std::size_t(count));
  return memory.data();
}

/// z = beta z [rows, columns]; beta 0 reads nothing.
template <class T>
void scale(T* z, std::int64_t stride, std::int64_t rows, std::int64_t columns, T beta) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      z[i * stride + j] = beta == T(0) ? T(0) : beta * z[i * stride + j];
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

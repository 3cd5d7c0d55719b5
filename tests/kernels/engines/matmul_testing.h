// What the tests of matrix products share: matrices with their contents beside them, and cases that
// are compared with a naive float64 product.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/engines/matmul.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline double get(const std::vector<std::uint8_t>& bytes, DType dtype, std::int64_t i) {
  const auto read = [&]<class T>(T) {
    T value;
    std::memcpy(&value, bytes.data() + i * std::int64_t(sizeof(T)), sizeof(T));
    return double(value);
  };
  switch (dtype) {
    case DType::float32:
      return read(float{});
    case DType::float64:
      return read(double{});
    case DType::bfloat16:
      return read(bfloat16{});
    case DType::float16:
      return read(float16{});
    default:
      return double(bytes[std::size_t(i)]);
  }
}

inline void set(std::vector<std::uint8_t>& bytes, DType dtype, std::int64_t i, double value) {
  const auto write = [&](auto typed) {
    std::memcpy(bytes.data() + i * std::int64_t(sizeof(typed)), &typed, sizeof(typed));
  };
  switch (dtype) {
    case DType::float32:
      return write(float(value));
    case DType::float64:
      return write(value);
    case DType::bfloat16:
      return write(bfloat16(float(value)));
    default:
      return write(float16(float(value)));
  }
}

/// A tensor with its contents beside it: [batches, rows, columns] with a row stride, after `offset`
/// elements.
struct Matrix {
  Buffer buffer;
  Tensor tensor;
  std::vector<std::uint8_t> bytes;  ///< of the whole buffer
  std::int64_t offset = 0, row_stride = 0, batch_stride = 0;
  DType dtype = DType::float32;

  double at(std::int64_t batch, std::int64_t row, std::int64_t column) const {
    return get(bytes, dtype, offset + batch * batch_stride + row * row_stride + column);
  }
};

struct Layout {
  std::int64_t batches = 0;  ///< 0 is a matrix of rank 2
  std::int64_t padding = 0;  ///< elements between rows
  std::int64_t offset = 0;   ///< elements before the first
};

class MatmulTest : public testing::Test {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }

  Context& context() {
    if (!context_) context_ = std::make_unique<Context>();
    return *context_;
  }

  /// `fill` of NaN fills with NaN (memory that must not be read); else uniform in [-fill, fill].
  Matrix matrix(DType dtype, std::int64_t rows, std::int64_t columns, double fill,
                Layout layout = {}) {
    Matrix m;
    m.dtype = dtype;
    m.offset = layout.offset;
    m.row_stride = columns + layout.padding;
    m.batch_stride = rows * m.row_stride + layout.padding;
    const std::int64_t count =
        layout.offset + std::max<std::int64_t>(1, layout.batches) * m.batch_stride;
    m.bytes.resize(std::size_t(count) * size_of(dtype));
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (std::int64_t i = 0; i < count; ++i)
      if (dtype != DType::uint8)
        set(m.bytes, dtype, i, std::isnan(fill) ? fill : fill * uniform(random_));
    m.buffer = context().memory().allocate(std::max<std::size_t>(1, m.bytes.size()), "test");
    if (!m.bytes.empty())
      copy_to_device(context().stream(), m.buffer.data(), m.bytes.data(), m.bytes.size());
    context().stream().synchronize();
    char* const data =
        static_cast<char*>(m.buffer.data()) + layout.offset * std::int64_t(size_of(dtype));
    if (layout.batches > 0) {
      const std::int64_t strides[]{m.batch_stride, m.row_stride, 1};
      m.tensor = Tensor(data, dtype, {layout.batches, rows, columns}, strides);
    } else {
      const std::int64_t strides[]{m.row_stride, 1};
      m.tensor = Tensor(data, dtype, {rows, columns}, strides);
    }
    return m;
  }

  Matrix vector(DType dtype, std::int64_t count, double fill) {
    Matrix m = matrix(dtype, 1, count, fill);
    m.tensor = Tensor(m.buffer.data(), dtype, {count});
    return m;
  }

  Matrix of_type(const TensorType& type) {
    return matrix(type.dtype, type.shape[0], type.shape[1], std::nan(""));
  }

  void fetch(Matrix& m) {
    if (!m.bytes.empty())
      copy_to_host(context().stream(), m.bytes.data(), m.buffer.data(), m.bytes.size());
    context().stream().synchronize();
  }

  std::mt19937 random_{7};
  std::unique_ptr<Context> context_;
};

struct Case {
  std::string engine;
  DType type = DType::float32, result = DType::float32;
  std::int64_t rows = 1, columns = 1, inner = 1;
  bool transpose_a = false, transpose_b = false;
  Epilogue epilogue = Epilogue::none;
  bool saves = true, bias_gradient = true, accumulate = false;
  float alpha = 1, beta = 0;
  Layout layout;
};

inline double tolerance(DType type) {
  return type == DType::float64   ? 1e-14
         : type == DType::float32 ? 1e-6
         : type == DType::float16 ? 1e-3
                                  : 8e-3;
}

/// Relative norm of a difference, collected element by element; NaN stays and fails comparisons.
struct Difference {
  double squares = 0, reference = 0;
  void add(double got, double expected) {
    squares += (got - expected) * (got - expected);
    reference += expected * expected;
  }
  double relative() const { return squares == 0 ? 0 : std::sqrt(squares / reference); }
};

inline double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
inline double gelu_derivative(double x) {
  const double t = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

/// Everything one case reads and writes.
struct Operands {
  Matrix a, b, c, bias, saved, gradient;
  Matmul product;
};

class MatmulCases : public MatmulTest {
 protected:
  Operands operands(const Case& t) {
    Operands o;
    const double nan = std::nan("");
    o.a = matrix(t.type, t.transpose_a ? t.inner : t.rows, t.transpose_a ? t.rows : t.inner, 1,
                 t.layout);
    o.b = matrix(t.type, t.transpose_b ? t.columns : t.inner, t.transpose_b ? t.inner : t.columns,
                 1, t.layout);
    o.c = matrix(t.result, t.rows, t.columns, t.beta == 0 ? nan : 1, t.layout);
    o.product = {.a = o.a.tensor,
                 .b = o.b.tensor,
                 .c = o.c.tensor,
                 .transpose_a = t.transpose_a,
                 .transpose_b = t.transpose_b,
                 .alpha = t.alpha,
                 .beta = t.beta,
                 .epilogue = t.epilogue,
                 .accumulate_bias_gradient = t.accumulate};
    const bool forward = t.epilogue >= Epilogue::bias && t.epilogue <= Epilogue::bias_gelu;
    const bool backward =
        t.epilogue == Epilogue::relu_backward || t.epilogue == Epilogue::gelu_backward;
    if (forward) {
      o.bias = vector(t.result, t.columns, 1);
      o.product.bias = o.bias.tensor;
    }
    if (backward || (forward && t.epilogue != Epilogue::bias && t.saves)) {
      const TensorType saved = matmul_saved_type(t.epilogue, t.rows, t.columns, t.result);
      o.saved = backward ? matrix(saved.dtype, saved.shape[0], saved.shape[1], 2) : of_type(saved);
      if (saved.dtype == DType::uint8) {
        for (auto& byte : o.saved.bytes) byte = std::uint8_t(random_());
        if (!o.saved.bytes.empty())
          copy_to_device(context().stream(), o.saved.buffer.data(), o.saved.bytes.data(),
                         o.saved.bytes.size());
        context().stream().synchronize();
      }
      o.product.saved = o.saved.tensor;
    }
    if ((backward || t.epilogue == Epilogue::reduce_a) && t.bias_gradient) {
      o.gradient = vector(t.result, t.epilogue == Epilogue::reduce_a ? t.rows : t.columns,
                          t.accumulate ? 1 : nan);
      o.product.bias_gradient = o.gradient.tensor;
    }
    return o;
  }

  bool bit(const Matrix& saved, std::int64_t row, std::int64_t column) const {
    return saved.bytes[std::size_t(row * saved.row_stride + column / 8)] >> (column % 8) & 1;
  }

  void check(const Case& t) {
    SCOPED_TRACE(str(t.engine, " ", name(t.type), " to ", name(t.result), " ", t.rows, "x",
                     t.columns, "x", t.inner, " ", t.transpose_a, t.transpose_b, " epilogue ",
                     int(t.epilogue), " beta ", t.beta, " batches ", t.layout.batches, " padding ",
                     t.layout.padding));
    matmul_engines(context()).force_engine(t.engine);
    Operands o = operands(t);
    const std::vector<std::uint8_t> c_before = o.c.bytes, gradient_before = o.gradient.bytes;
    matmul(context(), o.product);
    for (Matrix* m : {&o.c, &o.saved, &o.gradient})
      if (m->buffer.data()) fetch(*m);

    Difference c, saved, gradient;
    std::vector<double> column_sums(std::size_t(t.columns), 0.0),
        row_sums(std::size_t(t.rows), 0.0);
    int wrong_bits = 0;
    for (std::int64_t n = 0; n < std::max<std::int64_t>(1, t.layout.batches); ++n)
      for (std::int64_t i = 0; i < t.rows; ++i) {
        for (std::int64_t k = 0; k < t.inner; ++k)
          row_sums[i] += t.transpose_a ? o.a.at(n, k, i) : o.a.at(n, i, k);
        for (std::int64_t j = 0; j < t.columns; ++j) {
          double z = 0;
          for (std::int64_t k = 0; k < t.inner; ++k)
            z += (t.transpose_a ? o.a.at(n, k, i) : o.a.at(n, i, k)) *
                 (t.transpose_b ? o.b.at(n, j, k) : o.b.at(n, k, j));
          z *= t.alpha;
          if (t.beta != 0)
            z += t.beta * get(c_before, t.result,
                              o.c.offset + n * o.c.batch_stride + i * o.c.row_stride + j);
          if (o.product.bias.defined()) z += o.bias.at(0, 0, j);
          const double got = o.c.at(n, i, j);
          switch (t.epilogue) {
            case Epilogue::bias_relu:
              if (t.saves && bit(o.saved, i, j) != (got > 0)) ++wrong_bits;
              z = std::max(z, 0.0);
              break;
            case Epilogue::bias_gelu:
              if (t.saves) saved.add(o.saved.at(0, i, j), z);
              z = gelu(z);
              break;
            case Epilogue::relu_backward:
              z = bit(o.saved, i, j) ? z : 0;
              break;
            case Epilogue::gelu_backward:
              z *= gelu_derivative(o.saved.at(0, i, j));
              break;
            default:
              break;
          }
          c.add(got, z);
          column_sums[j] += z;
        }
      }
    const auto& sums = t.epilogue == Epilogue::reduce_a ? row_sums : column_sums;
    if (o.product.bias_gradient.defined())
      for (std::size_t i = 0; i < sums.size(); ++i)
        gradient.add(
            o.gradient.at(0, 0, std::int64_t(i)),
            sums[i] + (t.accumulate ? get(gradient_before, t.result, std::int64_t(i)) : 0));
    EXPECT_LE(c.relative(), tolerance(t.result));
    EXPECT_LE(saved.relative(), tolerance(t.result));
    EXPECT_LE(gradient.relative(), tolerance(t.result));
    EXPECT_EQ(wrong_bits, 0);
    expect_untouched_outside(o.c, c_before, t);
  }

  /// What lies between the rows and batches of c is not c's.
  void expect_untouched_outside(const Matrix& c, const std::vector<std::uint8_t>& before,
                                const Case& t) {
    std::vector<std::uint8_t> inside(before.size() / size_of(t.result), 0);
    for (std::int64_t n = 0; n < std::max<std::int64_t>(1, t.layout.batches); ++n)
      for (std::int64_t i = 0; i < t.rows; ++i)
        for (std::int64_t j = 0; j < t.columns; ++j)
          inside[std::size_t(c.offset + n * c.batch_stride + i * c.row_stride + j)] = 1;
    const std::size_t size = size_of(t.result);
    for (std::size_t i = 0; i < inside.size(); ++i) {
      if (inside[i]) continue;
      ASSERT_EQ(std::memcmp(&before[i * size], &c.bytes[i * size], size), 0)
          << "element " << i << " outside of c was written";
    }
  }
};
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The door for matrix products: every engine against a naive float64 product, over types,
// transposes, epilogues, odd sizes, strides and batches; agreement between engines; determinism;
// choices; misuse.
#include "core/device/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "support/backend.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

using test::expect_error;

double get(const std::vector<std::uint8_t>& bytes, DType dtype, std::int64_t i) {
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

void set(std::vector<std::uint8_t>& bytes, DType dtype, std::int64_t i, double value) {
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

double tolerance(DType type) {
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

double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double gelu_derivative(double x) {
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
    context().matmul_engines().force_engine(t.engine);
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

struct Size {
  std::int64_t rows, columns, inner;
};
const std::vector<Size> kSmallSizes{{0, 7, 5},   {7, 0, 5},    {7, 5, 0},    {1, 1, 1},
                                    {1, 300, 7}, {7, 10, 128}, {10, 129, 7}, {65, 66, 33}};
const std::vector<Size> kLargeSizes{
    {128, 10, 127}, {127, 128, 129}, {300, 300, 10}, {1, 1100, 129}, {129, 1100, 30}};

TEST_F(MatmulCases, EveryTypeAndTransposeAgreesWithFloat64) {
  const std::pair<DType, DType> types[]{
      {DType::float32, DType::float32},   {DType::float64, DType::float64},
      {DType::bfloat16, DType::bfloat16}, {DType::bfloat16, DType::float32},
      {DType::float16, DType::float16},   {DType::float16, DType::float32}};
  for (const std::string& engine : context().matmul_engines().names())
    for (const auto& [type, result] : types)
      for (const Size& size : kSmallSizes)
        for (int flags = 0; flags < 4; ++flags)
          check({.engine = engine,
                 .type = type,
                 .result = result,
                 .rows = size.rows,
                 .columns = size.columns,
                 .inner = size.inner,
                 .transpose_a = (flags & 1) != 0,
                 .transpose_b = (flags & 2) != 0});
}

TEST_F(MatmulCases, EveryEpilogueAgreesWithFloat64) {
  for (const std::string& engine : context().matmul_engines().names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16, DType::float16})
      for (int epilogue = 0; epilogue <= int(Epilogue::reduce_a); ++epilogue)
        for (const Size& size : kSmallSizes)
          for (bool extras : {false, true})
            check({.engine = engine,
                   .type = type,
                   .result = type,
                   .rows = size.rows,
                   .columns = size.columns,
                   .inner = size.inner,
                   .transpose_a = epilogue == int(Epilogue::reduce_a) && extras,
                   .transpose_b = extras,
                   .epilogue = Epilogue(epilogue),
                   .saves = extras,
                   .bias_gradient = extras});
}

TEST_F(MatmulCases, LargerSizesCrossTiles) {
  for (const std::string& engine : context().matmul_engines().names())
    for (DType type : {DType::float32, DType::bfloat16})
      for (const Size& size : kLargeSizes)
        for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::relu_backward,
                                  Epilogue::gelu_backward, Epilogue::reduce_a})
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = size.rows,
                 .columns = size.columns,
                 .inner = size.inner,
                 .transpose_a = epilogue == Epilogue::reduce_a,
                 .transpose_b = epilogue == Epilogue::bias_relu,
                 .epilogue = epilogue});
}

TEST_F(MatmulCases, LongInnerDimensionOf16BitTypesIsSummedInFloat32) {
  for (const std::string& engine : context().matmul_engines().names())
    check({.engine = engine,
           .type = DType::bfloat16,
           .result = DType::float32,
           .rows = 5,
           .columns = 9,
           .inner = 2500,
           .beta = 0.5f});
}

TEST_F(MatmulCases, AccumulatesAndScales) {
  for (const std::string& engine : context().matmul_engines().names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16})
      for (Epilogue epilogue :
           {Epilogue::none, Epilogue::bias_gelu, Epilogue::relu_backward, Epilogue::reduce_a})
        for (std::int64_t inner : {0, 20})
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = 33,
                 .columns = 70,
                 .inner = inner,
                 .transpose_a = true,
                 .epilogue = epilogue,
                 .accumulate = true,
                 .alpha = 0.75f,
                 .beta = -1.5f});
}

TEST_F(MatmulCases, GradientsOf16BitTypesAccumulateInFloat32) {
  for (const std::string& engine : context().matmul_engines().names())
    check({.engine = engine,
           .type = DType::bfloat16,
           .result = DType::float32,
           .rows = 33,
           .columns = 70,
           .inner = 20,
           .transpose_a = true,
           .epilogue = Epilogue::reduce_a,
           .accumulate = true,
           .beta = 1});
}

TEST_F(MatmulCases, StridesBatchesAndUnalignedAddresses) {
  for (const std::string& engine : context().matmul_engines().names())
    for (DType type : {DType::float32, DType::float64, DType::bfloat16})
      for (const Layout& layout :
           {Layout{0, 3, 1}, Layout{0, 8, 0}, Layout{3, 0, 0}, Layout{3, 5, 1}})
        for (int flags = 0; flags < 4; ++flags)
          check({.engine = engine,
                 .type = type,
                 .result = type,
                 .rows = 20,
                 .columns = 66,
                 .inner = 17,
                 .transpose_a = (flags & 1) != 0,
                 .transpose_b = (flags & 2) != 0,
                 .beta = 0.5f,
                 .layout = layout});
}

TEST_F(MatmulCases, StridedResultsTakeEpilogues) {
  for (const std::string& engine : context().matmul_engines().names())
    for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::gelu_backward, Epilogue::reduce_a})
      check({.engine = engine,
             .rows = 20,
             .columns = 66,
             .inner = 17,
             .epilogue = epilogue,
             .layout = {0, 3, 1}});
}

TEST_F(MatmulCases, EnginesAgreeOnWhatIsSaved) {
  for (Epilogue epilogue : {Epilogue::bias_relu, Epilogue::bias_gelu}) {
    const Case t{.rows = 40, .columns = 130, .inner = 16, .epilogue = epilogue};
    Operands o = operands(t);
    std::vector<Matrix> saved;
    for (const std::string& engine : context().matmul_engines().names()) {
      context().matmul_engines().force_engine(engine);
      matmul(context(), o.product);
      fetch(o.saved);
      Matrix copy;
      copy.bytes = o.saved.bytes;
      copy.row_stride = o.saved.row_stride;
      saved.push_back(std::move(copy));
    }
    for (std::int64_t i = 0; i < t.rows; ++i)
      for (std::int64_t j = 0; j < t.columns; ++j)
        if (epilogue == Epilogue::bias_relu) {
          ASSERT_EQ(bit(saved[0], i, j), bit(saved[1], i, j)) << i << ", " << j;
        } else {
          ASSERT_NEAR(saved[0].at(0, i, j), saved[1].at(0, i, j), 1e-5) << i << ", " << j;
        }
  }
}

TEST_F(MatmulCases, NaNPassesThroughReLU) {
  for (const std::string& engine : context().matmul_engines().names()) {
    context().matmul_engines().force_engine(engine);
    const Case t{.rows = 3, .columns = 9, .inner = 4, .epilogue = Epilogue::bias_relu};
    Operands o = operands(t);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    copy_to_device(context().stream(), o.bias.buffer.data(), &nan, sizeof nan);
    matmul(context(), o.product);
    fetch(o.c);
    fetch(o.saved);
    EXPECT_TRUE(std::isnan(o.c.at(0, 2, 0)));
    EXPECT_TRUE(bit(o.saved, 2, 0));
    EXPECT_FALSE(std::isnan(o.c.at(0, 2, 1)));
  }
}

TEST_F(MatmulCases, ChoicesAreStoredAndReplayed) {
  const Case t{.rows = 256, .columns = 320, .inner = 40};
  Operands o = operands(t);
  context().matmul_engines().set_tuning(true);
  prepare_matmul(context(), o.product);
  const std::vector<MatmulChoice> made = context().matmul_engines().choices();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].problem, "float32 256x320x40 nn");
  EXPECT_GT(made[0].milliseconds, 0);

  MatmulChoice other{
      .problem = made[0].problem, .engine = "tile", .detail = "64x64x16", .milliseconds = 3};
  Context second;
  second.matmul_engines().restore({other});
  prepare_matmul(second, o.product);
  ASSERT_EQ(second.matmul_engines().choices().size(), 1u);
  EXPECT_EQ(second.matmul_engines().choices()[0].engine, "tile");
  EXPECT_EQ(second.matmul_engines().choices()[0].milliseconds, 3);

  const std::string preferred = context().matmul_engines().names()[0];
  for (const auto& [engine, detail] :
       {std::pair{"nonesuch", "x"}, {"tile", "7x7"}, {preferred.c_str(), "nonsense"}}) {
    Context third;
    third.matmul_engines().restore({{made[0].problem, engine, detail, 0}});
    expect_error([&] { prepare_matmul(third, o.product); }, {engine});
  }
}

TEST_F(MatmulCases, UntunedChoicesAreTheSameEveryTime) {
  const Case t{.rows = 100, .columns = 30, .inner = 20};
  Operands o = operands(t);
  std::vector<MatmulChoice> first, second;
  for (auto* choices : {&first, &second}) {
    Context context;
    prepare_matmul(context, o.product);
    *choices = context.matmul_engines().choices();
  }
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].engine, context().matmul_engines().names()[0]);
  EXPECT_EQ(first[0].detail, second[0].detail);
}

TEST_F(MatmulCases, CapturedProductsReplay) {
  for (const std::string& engine : context().matmul_engines().names()) {
    context().matmul_engines().force_engine(engine);
    const Case t{.rows = 33,
                 .columns = 20,
                 .inner = 10,
                 .epilogue = Epilogue::relu_backward,
                 .accumulate = true,
                 .beta = 1};
    Operands o = operands(t);
    const std::vector<std::uint8_t> c = o.c.bytes, gradient = o.gradient.bytes;
    std::vector<std::uint8_t> plain;
    for (bool captured : {false, true}) {
      copy_to_device(context().stream(), o.c.buffer.data(), c.data(), c.size());
      copy_to_device(context().stream(), o.gradient.buffer.data(), gradient.data(),
                     gradient.size());
      if (captured) {
        context().stream().begin_capture();
        matmul(context(), o.product);
        const CapturedWork work = context().stream().end_capture();
        EXPECT_FALSE(work.operations().empty());
        for (int i = 0; i < 3; ++i) work.replay(context().stream());
      } else {
        for (int i = 0; i < 3; ++i) matmul(context(), o.product);
      }
      fetch(o.c);
      fetch(o.gradient);
      if (!captured) plain = o.c.bytes;
    }
    EXPECT_EQ(plain, o.c.bytes);
  }
}

TEST_F(MatmulCases, AnUnpreparedProductCannotBeCaptured) {
  const Case t{.rows = 33, .columns = 20, .inner = 10};
  Operands o = operands(t);
  context().stream().begin_capture();
  expect_error([&] { matmul(context(), o.product); }, {"prepare_matmul", "float32 33x20x10"});
  (void)context().stream().end_capture();
}

TEST_F(MatmulCases, MisuseIsNamed) {
  const Case t{.rows = 6, .columns = 5, .inner = 4};
  const Operands o = operands(t);
  const auto refuses = [&](auto&& change, std::initializer_list<std::string> words) {
    Matmul product = o.product;
    change(product);
    expect_error([&] { matmul(context(), product); }, words);
    expect_error([&] { prepare_matmul(context(), product); }, words);
  };
  const Matrix doubles = matrix(DType::float64, 4, 5, 1), bias = vector(DType::float32, 5, 1);
  const Matrix integers = matrix(DType::uint8, 6, 4, 1), long_bias = vector(DType::float32, 6, 1);
  const std::int64_t column_major[]{1, 6}, overlapping[]{2, 1};
  refuses([](Matmul& m) { m.a = {}; }, {"matrix a is not defined"});
  refuses([](Matmul& m) { m.transpose_a = true; }, {"[6, 4] transposed", "[4, 5]", "[6, 5]"});
  refuses([&](Matmul& m) { m.b = doubles.tensor; },
          {"one type", "float32 [6, 4]", "float64 [4, 5]"});
  refuses(
      [&](Matmul& m) {
        m.c = Tensor(m.c.data(), DType::bfloat16, {6, 5});
      },
      {"expected c of type float32"});
  refuses([&](Matmul& m) { m.a = integers.tensor; }, {"floating", "uint8"});
  refuses(
      [&](Matmul& m) {
        m.a = Tensor(m.a.data(), DType::float32, {6, 4}, column_major);
      },
      {"last axis of a", "6"});
  refuses(
      [&](Matmul& m) {
        m.a = Tensor(m.a.data(), DType::float32, {6, 4}, overlapping);
      },
      {"overlap", "2"});
  refuses([&](Matmul& m) { m.a = Tensor(m.a.data(), DType::float32, {24}); }, {"[24]"});
  refuses([&](Matmul& m) { m.a = Tensor(m.a.data(), DType::float32, {1, 6, 4}); }, {"same batch"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::bias; }, {"bias", "needs a bias"});
  refuses([&](Matmul& m) { m.bias = bias.tensor; }, {"none", "no use for a bias"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::bias, m.bias = long_bias.tensor; },
          {"float32 [5]", "float32 [6]"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::relu_backward; }, {"relu_backward", "saved"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::gelu_backward, m.saved = m.c; },
          {"float32 [6, 8]", "float32 [6, 5]"});
  refuses([&](Matmul& m) { m.bias_gradient = bias.tensor; }, {"no use for a bias gradient"});
  refuses([&](Matmul& m) { m.epilogue = Epilogue::reduce_a, m.bias_gradient = bias.tensor; },
          {"float32 [6]", "float32 [5]"});
  expect_error([&] { context().matmul_engines().force_engine("mkl"); }, {"mkl", "tile"});
  expect_error([] { matmul_saved_type(Epilogue::bias, 1, 1, DType::float32); },
               {"bias saves nothing"});
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND

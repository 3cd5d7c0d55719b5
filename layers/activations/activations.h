// Activations: y[i] = f(x[i]). The functions and their derivatives are functors in
// kernels/activation.h; here is what models are written with. Each keeps the shape and the floating
// type of x, throws Error for inputs of other types, and has a class for Sequential beside its
// function.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// max(x, 0). The derivative at 0 is 0. Backward reads y, so y may take the place of x.
struct ReLU : Pointwise {
  ReLU();
};
inline Value relu(const Value& x) { return x.graph().apply(ReLU(), {x}); }

/// min(max(x, 0), 6) (Krizhevsky 2010). The derivative at 0 and 6 is 0. Backward reads y.
struct ReLU6 : Pointwise {
  ReLU6();
};
inline Value relu6(const Value& x) { return x.graph().apply(ReLU6(), {x}); }

/// x where positive, else slope x (Maas et al. 2013). The derivative at 0 is the slope. Backward
/// reads y. Throws Error for a slope below 0.
struct LeakyReLU : Pointwise {
  explicit LeakyReLU(double slope = 0.01);
};
inline Value leaky_relu(const Value& x, double slope = 0.01) {
  return x.graph().apply(LeakyReLU(slope), {x});
}

/// x where positive, else alpha (e^x - 1) (Clevert et al. 2016). Throws Error for an alpha below 0.
struct ELU : Pointwise {
  explicit ELU(double alpha = 1.0);
};
inline Value elu(const Value& x, double alpha = 1.0) { return x.graph().apply(ELU(alpha), {x}); }

/// 1.0507 (x where positive, else 1.6733 (e^x - 1)) (Klambauer et al. 2017): keeps activations at
/// mean 0 and variance 1 under weights of LeCun's variance.
struct SELU : Pointwise {
  SELU();
};
inline Value selu(const Value& x) { return x.graph().apply(SELU(), {x}); }

/// x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016): in its tanh form, as
/// language models use it, or exactly, with the error function. Only the former is fused into the
/// products around it (layers/rewrites/linear_chain.h).
struct GELU : Pointwise {
  enum class Form : std::uint8_t { tanh, exact };
  explicit GELU(Form form = Form::tanh);
};
inline Value gelu(const Value& x) { return x.graph().apply(GELU(), {x}); }
inline Value gelu_exact(const Value& x) { return x.graph().apply(GELU(GELU::Form::exact), {x}); }

/// x sigmoid(x), also called swish (Elfwing et al. 2018).
struct SiLU : Pointwise {
  SiLU();
};
inline Value silu(const Value& x) { return x.graph().apply(SiLU(), {x}); }

/// x tanh(log(1 + e^x)) (Misra 2020).
struct Mish : Pointwise {
  Mish();
};
inline Value mish(const Value& x) { return x.graph().apply(Mish(), {x}); }

/// log(1 + e^(beta x)) / beta, a smooth max(x, 0) (Dugas et al. 2001); x itself where beta x is
/// above the threshold, as in PyTorch. Throws Error for a beta of 0 or less.
struct Softplus : Pointwise {
  explicit Softplus(double beta = 1.0, double threshold = 20.0);
};
inline Value softplus(const Value& x, double beta = 1.0, double threshold = 20.0) {
  return x.graph().apply(Softplus(beta, threshold), {x});
}

/// 1 / (1 + e^-x). Backward reads y, so y may take the place of x.
struct Sigmoid : Pointwise {
  Sigmoid();
};
inline Value sigmoid(const Value& x) { return x.graph().apply(Sigmoid(), {x}); }

/// tanh(x). Backward reads y, so y may take the place of x.
struct Tanh : Pointwise {
  Tanh();
};
inline Value tanh(const Value& x) { return x.graph().apply(Tanh(), {x}); }

/// min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, MobileNetV3). The derivative at -3 and 3 is 0.
struct HardSigmoid : Pointwise {
  HardSigmoid();
};
inline Value hard_sigmoid(const Value& x) { return x.graph().apply(HardSigmoid(), {x}); }

/// x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019). The derivative at -3 and 3 is that outside.
struct HardSwish : Pointwise {
  HardSwish();
};
inline Value hard_swish(const Value& x) { return x.graph().apply(HardSwish(), {x}); }

/// x between two bounds, at which the derivative is 0. Throws Error unless low < high.
struct HardTanh : Pointwise {
  explicit HardTanh(double low = -1.0, double high = 1.0);
};
inline Value hard_tanh(const Value& x, double low = -1.0, double high = 1.0) {
  return x.graph().apply(HardTanh(low, high), {x});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// The update rules: what each can be told, and between what bounds (core/update/rule_options.h says
// what a struct must have). Plain values, which recipes, C++ and kernels share; the arithmetic of a
// rule is a functor in optim/TYPE.cu. With learning rate r, gradient g (the mean over samples,
// clipped) and parameter p; unless said otherwise, g = g + weight_decay p comes first.
#pragma once

namespace adjoint {

/// Stochastic gradient descent, with momentum (Polyak 1964, Nesterov 1983) if asked for. The rate
/// multiplies the velocity, so that changing it takes effect at once:
///   v = momentum v + (1 - dampening) g, at the first step v = g
///   p = p - r v, or with nesterov p = p - r (g + momentum v)
struct SgdOptions {
  static constexpr const char* kName = "SGD";
  static constexpr const char* kType = "sgd";
  double learning_rate = 1e-2;
  double momentum = 0;   ///< in [0, 1); 0 keeps no velocity and moves no memory for it
  double dampening = 0;  ///< in [0, 1); 0 with nesterov
  bool nesterov = false;
  double weight_decay = 0;  ///< >= 0, here and below

  bool operator==(const SgdOptions&) const = default;
  static SgdOptions recipe_defaults() { return SgdOptions{.momentum = 0.9}; }

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visitor.fraction("momentum", o.momentum);
    visitor.fraction("dampening", o.dampening);
    visitor.flag("nesterov", o.nesterov);
    visitor.require(!o.nesterov || o.momentum > 0, "momentum", "a number above 0 for nesterov");
    visitor.require(o.dampening == 0 || (o.momentum > 0 && !o.nesterov), "dampening",
                    "0 without momentum and for nesterov");
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// What Adam and its kin are told.
template <class Options, class Visitor>
void visit_adam(Options& o, Visitor&& visitor) {
  visitor.betas(o.beta1, o.beta2);
  visitor.epsilon(o.epsilon);
  visitor.not_negative("weight_decay", o.weight_decay);
}

/// Adam, Kingma and Ba 2015; the decay is part of the gradient.
///   m = m + (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g g
///   p = p - r / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
struct AdamOptions {
  static constexpr const char* kName = "Adam";
  static constexpr const char* kType = "adam";
  double learning_rate = 1e-3;
  double beta1 = 0.9;     ///< decay of the mean of gradients, in [0, 1)
  double beta2 = 0.999;   ///< decay of the mean of their squares, in [0, 1)
  double epsilon = 1e-8;  ///< added to the root of that mean, above 0: padding is 0 / epsilon
  double weight_decay = 0;

  bool operator==(const AdamOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visit_adam(o, visitor);
  }
};

/// Adam with decoupled weight decay, Loshchilov and Hutter 2019, algorithm 2, in PyTorch's order of
/// operations: p = p (1 - r weight_decay) first, then Adam's formulas with g as it is.
struct AdamWOptions {
  static constexpr const char* kName = "AdamW";
  static constexpr const char* kType = "adamw";
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  ///< times the learning rate, taken off the parameters

  bool operator==(const AdamWOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visit_adam(o, visitor);
  }
};

/// Adam with Nesterov's momentum, Dozat 2016. With mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2)
/// and P(t) = mu(1) ... mu(t), m and v as in Adam:
///   p = p - r ((1 - mu(t)) / (1 - P(t)) g + mu(t+1) / (1 - P(t+1)) m) / (v root as in Adam)
struct NAdamOptions {
  static constexpr const char* kName = "NAdam";
  static constexpr const char* kType = "nadam";
  double learning_rate = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum_decay = 0.004;
  double weight_decay = 0;

  bool operator==(const NAdamOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visit_adam(o, visitor);
    visitor.positive("momentum_decay", o.momentum_decay);
  }
};

/// Rectified Adam, Liu et al. 2020. With rho = 2 / (1 - beta2) - 1, rho_t = rho - 2 t beta2^t / (1
/// - beta2^t), m and v as in Adam:
///   rho_t > 5:  p = p - r m / (1 - beta1^t) sqrt(1 - beta2^t) / (sqrt(v) + epsilon) x
///               sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t))
///   else        p = p - r m / (1 - beta1^t)
struct RAdamOptions {
  static constexpr const char* kName = "RAdam";
  static constexpr const char* kType = "radam";
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;

  bool operator==(const RAdamOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visit_adam(o, visitor);
  }
};

/// Tieleman and Hinton 2012; centered: Graves 2013.
///   v = alpha v + (1 - alpha) g g,  a = a + (1 - alpha) (g - a)
///   u = g / (sqrt(v) + epsilon), or with centered g / (sqrt(v - a a) + epsilon)
///   b = momentum b + u,  p = p - r b
/// The root's argument is 0 where rounding makes it negative.
struct RmsPropOptions {
  static constexpr const char* kName = "RMSprop";
  static constexpr const char* kType = "rmsprop";
  double learning_rate = 1e-2;
  double alpha = 0.99;    ///< in [0, 1)
  double momentum = 0;    ///< in [0, 1); 0 keeps no b
  bool centered = false;  ///< without, no a is kept
  double epsilon = 1e-8;
  double weight_decay = 0;

  bool operator==(const RmsPropOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visitor.fraction("alpha", o.alpha);
    visitor.fraction("momentum", o.momentum);
    visitor.flag("centered", o.centered);
    visitor.epsilon(o.epsilon);
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// Duchi et al. 2011.  v = v + g g,  p = p - r / (1 + (t - 1) rate_decay) g / (sqrt(v) + epsilon)
struct AdagradOptions {
  static constexpr const char* kName = "Adagrad";
  static constexpr const char* kType = "adagrad";
  double learning_rate = 1e-2;
  double rate_decay = 0;           ///< >= 0
  double initial_accumulator = 0;  ///< v at the start, >= 0
  double epsilon = 1e-10;
  double weight_decay = 0;

  bool operator==(const AdagradOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visitor.not_negative("rate_decay", o.rate_decay);
    visitor.not_negative("initial_accumulator", o.initial_accumulator);
    visitor.epsilon(o.epsilon);
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// Zeiler 2012.  v = rho v + (1 - rho) g g,  u = sqrt(d + epsilon) / sqrt(v + epsilon) g,
/// d = rho d + (1 - rho) u u,  p = p - r u
struct AdadeltaOptions {
  static constexpr const char* kName = "Adadelta";
  static constexpr const char* kType = "adadelta";
  double learning_rate = 1;
  double rho = 0.9;  ///< in [0, 1)
  double epsilon = 1e-6;
  double weight_decay = 0;

  bool operator==(const AdadeltaOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visitor.fraction("rho", o.rho);
    visitor.epsilon(o.epsilon);
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms"; decay decoupled as in AdamW.
///   p = p (1 - r weight_decay) - r sign(beta1 m + (1 - beta1) g),  m = beta2 m + (1 - beta2) g
struct LionOptions {
  static constexpr const char* kName = "Lion";
  static constexpr const char* kType = "lion";
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;

  bool operator==(const LionOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visitor.betas(o.beta1, o.beta2);
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// You et al. 2020, "Large Batch Optimization for Deep Learning", phi being the identity: the
/// update of each parameter tensor is made as long as the tensor itself. See kernels/lamb_norms.h.
///   u = Adam's direction + weight_decay p,  p = p - r |p| / |u| u, factor 1 where a norm is 0
struct LambOptions {
  static constexpr const char* kName = "LAMB";
  static constexpr const char* kType = "lamb";
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-6;
  double weight_decay = 0.01;

  bool operator==(const LambOptions&) const = default;

  template <class Options, class Visitor>
  static void visit(Options& o, Visitor&& visitor) {
    visit_adam(o, visitor);
  }
};

}  // namespace adjoint

#!/usr/bin/env python3
"""Writes fixtures.txt: parameters after some steps of PyTorch's optimizers, and rates of its schedulers.

A line of an optimizer is: case, number of steps made, the parameters. Parameters and gradients are
multiples of powers of two made from their indexes, so that the tests need no more than the same two
formulas. A line of a schedule is: case, number of rates, the rates of as many steps. Lion and LAMB, which
PyTorch lacks, are written here after their papers, and so are rates that it has no scheduler for.
usage: fixtures.py > fixtures.txt
"""

import math

import torch

COUNT = 7
RECORDED = (1, 2, 10, 100)


def start(dtype):
    return torch.tensor([((i * 29) % 17 - 8) / 8 for i in range(COUNT)], dtype=dtype)


def gradient(step, dtype):
    return torch.tensor([((i * 37 + step * 101) % 61 - 30) / 32 for i in range(COUNT)], dtype=dtype)


def run(case, dtype, make_optimizer, make_schedule=None):
    parameter = torch.nn.Parameter(start(dtype))
    optimizer = make_optimizer([parameter])
    schedule = make_schedule(optimizer) if make_schedule else None
    for step in range(RECORDED[-1]):
        parameter.grad = gradient(step, dtype)
        optimizer.step()
        if schedule:
            schedule.step()
        if step + 1 in RECORDED:
            print(case, step + 1, *(repr(float(value)) for value in parameter.detach()))


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, program 1: update from both gradient and momentum, then the momentum."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(first * m + (1 - first) * p.grad) + group["weight_decay"] * p
                p.sub_(group["lr"] * update)
                m.copy_(second * m + (1 - second) * p.grad)


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2, phi being the identity."""

    def __init__(self, parameters, lr, betas, eps, weight_decay):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
                state["t"] += 1
                state["m"] = first * state["m"] + (1 - first) * p.grad
                state["v"] = second * state["v"] + (1 - second) * p.grad**2
                m = state["m"] / (1 - first ** state["t"])
                v = state["v"] / (1 - second ** state["t"])
                update = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * p
                p.sub_(group["lr"] * p.norm() / update.norm() * update)


def methods(optim):
    """Cases of tests/optim/cases.h, in float64; float32 is compared with the same numbers."""
    run("sgd_nesterov", torch.float64,
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01))
    run("sgd_dampening", torch.float64,
        lambda p: optim.SGD(p, lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.01))
    run("adam", torch.float64, lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.98), weight_decay=0.02))
    run("nadam", torch.float64,
        lambda p: optim.NAdam(p, lr=0.01, betas=(0.85, 0.98), weight_decay=0.02, momentum_decay=0.01))
    run("radam", torch.float64, lambda p: optim.RAdam(p, lr=0.01, betas=(0.9, 0.99), weight_decay=0.02))
    run("rmsprop", torch.float64, lambda p: optim.RMSprop(p, lr=0.01, alpha=0.95, weight_decay=0.02))
    run("rmsprop_momentum", torch.float64, lambda p: optim.RMSprop(p, lr=0.002, alpha=0.95, momentum=0.9))
    run("rmsprop_centered", torch.float64,
        lambda p: optim.RMSprop(p, lr=0.002, alpha=0.95, momentum=0.9, centered=True, eps=1e-4))
    run("adagrad", torch.float64,
        lambda p: optim.Adagrad(p, lr=0.05, lr_decay=0.02, initial_accumulator_value=0.1, weight_decay=0.02))
    run("adadelta", torch.float64, lambda p: optim.Adadelta(p, lr=0.8, rho=0.92, weight_decay=0.02))
    run("lion", torch.float64, lambda p: Lion(p, lr=0.002, betas=(0.9, 0.97), weight_decay=0.1))
    run("lamb", torch.float64, lambda p: Lamb(p, lr=0.02, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.05))


RATES = 120


def rates_of(case, make):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=0.4)
    schedule = make(optimizer)
    found = []
    for _ in range(RATES):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    print(case, RATES, *(repr(float(rate)) for rate in found))


def validation_loss(step):
    """Falls, stalls and rises again."""
    return 1 / (1 + step) + (0.02 * (step % 7) if step > 20 else 0)


def plateau_rates(rates):
    parameter = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=0.4)
    schedule = rates.ReduceLROnPlateau(optimizer, factor=0.5, patience=3, threshold=1e-2, cooldown=2,
                                       min_lr=0.003, eps=0)
    found = []
    for step in range(RATES):
        found.append(optimizer.param_groups[0]["lr"])
        schedule.step(validation_loss(step))
    print("schedule_plateau", RATES, *(repr(float(rate)) for rate in found))


def decay_rate(step, total=100, decay=30, final=0.1, power=0.5):
    """Warm-up-stable-decay, as a factor of the rate: 10 warm-up steps, then level, then the decay."""
    if step < 10:
        return (step + 1) / 11
    if step >= total:
        return final
    x = max(0, step - (total - decay)) / decay
    return final + (1 - final) * (1 - x**power)


def schedules(rates):
    rates_of("schedule_constant", lambda o: rates.ConstantLR(o, factor=1))
    rates_of("schedule_step", lambda o: rates.StepLR(o, step_size=17, gamma=0.6))
    rates_of("schedule_multi_step", lambda o: rates.MultiStepLR(o, milestones=[5, 40, 90], gamma=0.3))
    rates_of("schedule_exponential", lambda o: rates.ExponentialLR(o, gamma=0.97))
    rates_of("schedule_polynomial", lambda o: rates.PolynomialLR(o, total_iters=100, power=1.7))
    # The closed form: the recursive one of step() has no end.
    rates_of("schedule_cosine", lambda o: rates.LambdaLR(
        o, lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * min(t, 100) / 100)) / 2))
    rates_of("schedule_cosine_restarts",
             lambda o: rates.CosineAnnealingWarmRestarts(o, T_0=11, T_mult=2, eta_min=0.04))
    rates_of("schedule_cosine_restarts_equal",
             lambda o: rates.CosineAnnealingWarmRestarts(o, T_0=13, T_mult=1, eta_min=0.04))
    rates_of("schedule_one_cycle", lambda o: rates.OneCycleLR(
        o, max_lr=0.4, total_steps=RATES + 1, pct_start=0.25, div_factor=20, final_div_factor=50))
    rates_of("schedule_warmup_step", lambda o: rates.LambdaLR(
        o, lambda t: (t + 1) / 8 if t < 7 else 0.6 ** ((t - 7) // 17)))
    rates_of("schedule_stable_decay", lambda o: rates.LambdaLR(o, decay_rate))
    plateau_rates(rates)


def main():
    optim, rates = torch.optim, torch.optim.lr_scheduler
    adamw = lambda p: optim.AdamW(p, lr=1e-3, foreach=False)
    run("adamw", torch.float64, adamw)
    run("adamw_float32", torch.float32, adamw)
    run("adamw_cosine", torch.float64,
        lambda p: optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
        lambda o: rates.CosineAnnealingLR(o, T_max=100, eta_min=0.005))
    run("sgd", torch.float64, lambda p: optim.SGD(p, lr=0.01))
    momentum = lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01)
    run("sgd_momentum", torch.float64, momentum)
    run("sgd_momentum_float32", torch.float32, momentum)
    run("sgd_warmup", torch.float64, momentum,
        lambda o: rates.LambdaLR(o, lambda step: min(1.0, (step + 1) / 11)))
    methods(optim)
    schedules(rates)


if __name__ == "__main__":
    main()

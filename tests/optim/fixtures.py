#!/usr/bin/env python3
"""Writes fixtures.txt: parameters after some steps of PyTorch's optimizers, for adamw_test and sgd_test.

Every line is: case, number of steps made, the parameters. Parameters and gradients are multiples of
powers of two made from their indexes, so that the tests need no more than the same two formulas.
usage: fixtures.py > fixtures.txt
"""

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


if __name__ == "__main__":
    main()

"""An update of ten million float32 parameters in PyTorch, as tools/bench/optimizer_bench.cpp times ours.

    torch_optimizers.py METHOD --threads N [--seconds S]

Started by compare.py; writes one JSON object to standard output: the fastest of PyTorch's forms (fused, foreach,
single tensor), its best step, and the same with clip_grad_norm_ before it. Lion and LAMB, which PyTorch lacks,
are written in its operations as their papers have them.
"""

import argparse
import json
import sys

import torch

from torch_timing import timed

COUNT = 10_000_000


class Lion(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            m = self.state[p].setdefault("m", torch.zeros_like(p))
            p.add_(torch.lerp(p.grad, m, 0.9).sign_(), alpha=-1e-4)
            m.lerp_(p.grad, 0.01)


class Lamb(torch.optim.Optimizer):
    def __init__(self, parameters):
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
            state["t"] += 1
            m, v = state["m"].lerp_(p.grad, 0.1), state["v"].mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
            root = (v / (1 - 0.999 ** state["t"])).sqrt_().add_(1e-6)
            update = (m / (1 - 0.9 ** state["t"])).div_(root).add_(p, alpha=0.01)
            p.add_(update, alpha=-1e-3 * float(p.norm() / update.norm()))


def forms():
    o = torch.optim
    return {
        "adamw": (o.AdamW, {}),
        "sgd": (o.SGD, {"lr": 0.01}),
        "adam": (o.Adam, {}),
        "nadam": (o.NAdam, {}),
        "radam": (o.RAdam, {}),
        "rmsprop": (o.RMSprop, {}),
        "adagrad": (o.Adagrad, {}),
        "adadelta": (o.Adadelta, {}),
        "lion": (Lion, {}),
        "lamb": (Lamb, {}),
        "sgd_momentum": (o.SGD, {"lr": 0.01, "momentum": 0.9}),
        "rmsprop_centered": (o.RMSprop, {"momentum": 0.9, "centered": True}),
    }


def best_ms(make, seconds, clip=False):
    parameter = torch.nn.Parameter(torch.rand(COUNT) - 0.5)
    parameter.grad = torch.rand(COUNT) - 0.5
    optimizer = make([parameter])

    def clipped_step():
        torch.nn.utils.clip_grad_norm_([parameter], 1e9)
        optimizer.step()

    return timed(clipped_step if clip else optimizer.step, seconds)[0]


def best_form(kind, options, seconds):
    """The fastest of PyTorch's forms, by a few calls of each, and its best times."""
    found = {}
    for form in ("fused", "foreach", "single"):
        if kind in (Lion, Lamb) and form != "single":
            continue
        extra = {} if kind in (Lion, Lamb) else {"foreach": False} if form == "single" else {form: True}
        make = lambda p, extra=extra: kind(p, **options, **extra)
        try:
            found[form] = best_ms(make, 0), make
        except (TypeError, RuntimeError):
            continue  # it has no such form on the CPU
    form = min(found, key=lambda name: found[name][0])
    make = found[form][1]
    return {"form": form, "update": best_ms(make, seconds), "update_clipped": best_ms(make, seconds, clip=True)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("method", choices=forms())
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = best_form(*forms()[arguments.method], arguments.seconds)
    json.dump({"name": f"PyTorch {torch.__version__}", **figures}, sys.stdout)


if __name__ == "__main__":
    main()

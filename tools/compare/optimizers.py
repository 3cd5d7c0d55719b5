"""Updates of ten million float32 parameters here and in PyTorch, CPU nanoseconds a parameter, least of many runs.

    python3 tools/compare/optimizers.py [--bench build/host/bin/optimizer_bench] [--runs 15]

Both run on one thread. PyTorch's side is its fused form where there is one, else foreach, else the single-tensor form,
whichever is fastest; Lion and LAMB, which it lacks, are written in its operations as their papers have them. Our step
finds the gradient's norm as well, skips what is not finite and keeps metrics; PyTorch's finds none. So a second column
has its clip_grad_norm_ before its step, which does what ours does.
"""

import argparse
import os
import subprocess
import time

import torch

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


def least(make, runs, clip=False):
    parameter = torch.nn.Parameter(torch.rand(COUNT) - 0.5)
    parameter.grad = torch.rand(COUNT) - 0.5
    optimizer = make([parameter])
    times = []
    for run in range(-1, runs):
        begin = time.process_time()
        if clip:
            torch.nn.utils.clip_grad_norm_([parameter], 1e9)
        optimizer.step()
        if run >= 0:
            times.append(time.process_time() - begin)
    return 1e9 * min(times) / COUNT


def best_form(kind, options, runs):
    """The fastest of PyTorch's forms: its name, its time, and that with clip_grad_norm_."""
    found = {}
    for form in ("fused", "foreach", "single"):
        if kind in (Lion, Lamb) and form != "single":
            continue
        extra = {} if kind in (Lion, Lamb) else {"foreach": False} if form == "single" else {form: True}
        make = lambda p, extra=extra: kind(p, **options, **extra)
        try:
            found[form] = least(make, runs if form == "fused" else max(2, runs // 4)), make
        except (TypeError, RuntimeError):
            continue  # it has no such form on the CPU
    form = min(found, key=lambda name: found[name][0])
    time_found, make = found[form]
    return form, time_found, least(make, runs, clip=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/host/bin/optimizer_bench")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    environment = {**os.environ, "ADJOINT_WORKERS": "1"}
    output = subprocess.run([arguments.bench, str(arguments.runs)], check=True, text=True, capture_output=True,
                            env=environment).stdout
    ours = {name: float(value) for name, value in (line.split() for line in output.splitlines())}
    print("| method | Adjoint | PyTorch | ratio | with clip_grad_norm_ | ratio |\n|---|---|---|---|---|---|")
    for name, (kind, options) in forms().items():
        form, theirs, clipped = best_form(kind, options, arguments.runs)
        print(f"| {name} | {ours[name]:.2f} | {theirs:.2f}, {form} | {ours[name] / theirs:.2f} | {clipped:.2f} |"
              f" {ours[name] / clipped:.2f} |", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# What becomes of the momentum of a parameter that gets no gradient any more: a unit that died, the row of a rare token.
#
# Version   torch 2.15.0 (CPU)
# Guess     it falls by a tenth a step, is 0 after some thousand steps, and an update takes as long as ever.
# Seen      it never is 0: from about step 800 on it is subnormal, and 0.9 times 4 units of 2^-149 rounds to 4 again. From
#           then on an update takes five to twenty-five times as long, in AdamW and in SGD, fused or not, because the
#           processor does subnormal arithmetic by microcode. torch.set_flush_denormal(True) makes it 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import time

import torch

assert torch.__version__.startswith("2.15.0")
torch.set_num_threads(1)
COUNT = 1 << 20
FORMS = {
    "SGD": (lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9), "momentum_buffer"),
    "AdamW": (lambda p: torch.optim.AdamW(p, lr=1e-3), "exp_avg"),
    "AdamW, fused": (lambda p: torch.optim.AdamW(p, lr=1e-3, fused=True), "exp_avg"),
}


def best_step(optimizer):
    best = float("inf")
    for _ in range(10):
        begin = time.process_time()
        optimizer.step()
        best = min(best, time.process_time() - begin)
    return 1e3 * best


for name, (make, moment) in FORMS.items():
    parameter = torch.nn.Parameter(torch.ones(COUNT))
    optimizer = make([parameter])
    parameter.grad = torch.full((COUNT,), 1e-3)
    optimizer.step()
    parameter.grad = torch.zeros(COUNT)
    early = best_step(optimizer)
    for _ in range(3000):
        optimizer.step()
    late = best_step(optimizer)
    units = optimizer.state[parameter][moment][0].item() / 2**-149
    print(f"{name:13} {moment}: {units:g} units of 2^-149; a step {early:.2f} ms at first, {late:.2f} ms now")
    assert units == 4
    torch.set_flush_denormal(True)
    optimizer.step()
    torch.set_flush_denormal(False)
    assert not optimizer.state[parameter][moment].any()
    assert late > 2 * early
PYTHON

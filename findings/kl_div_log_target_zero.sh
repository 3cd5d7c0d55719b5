#!/usr/bin/env bash
# The divergence from a distribution that has a probability of 0, its logarithm given.
#
# Version   torch 2.15.0
# Guess     t = (1/4, 3/4, 0) gives one number, whether probabilities or their logarithms are handed over: 0 log 0
#           counts as 0, as the documentation of the plain form has it.
# Seen      probabilities: 0.5646. Logarithms (log_target=True): the loss is NaN, for exp(-inf) times (-inf - x) is
#           0 times infinity; but the gradient is right, (-1/4, -3/4, 0). So a run that distils from masked logits
#           trains well while its loss, and whatever watches the loss, says NaN.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import math

import torch
from torch.nn.functional import kl_div

assert torch.__version__.startswith("2.15.0")
target = torch.tensor([0.25, 0.75, 0.0], dtype=torch.float64)


def divergence(target, log_target):
    x = torch.log_softmax(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64), 0).requires_grad_()
    loss = kl_div(x, target, reduction="sum", log_target=log_target)
    loss.backward()
    return loss.item(), x.grad.tolist()


plain, plain_gradient = divergence(target, False)
logs, logs_gradient = divergence(target.log(), True)
print("probabilities:", plain, plain_gradient)
print("logarithms:   ", logs, logs_gradient)
assert abs(plain - 0.5646077036104356) < 1e-15
assert math.isnan(logs)
assert plain_gradient == logs_gradient == [-0.25, -0.75, 0.0]
PYTHON

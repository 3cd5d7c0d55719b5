#!/usr/bin/env bash
# A plateau schedule with a relative threshold, told a loss below zero that gets worse.
#
# Versions  torch 2.15.0, optax 0.2.8 (jax 0.10.2)
# Guess     -0.95 after -1.0 is no improvement: with patience 0 the rate falls, and the best stays -1.0.
# Seen      both compare with best * (1 - threshold), which for a negative best lies above it: -0.95 < -0.9
#           counts as an improvement. torch then takes the worse loss for its best, so that a loss which
#           climbs by less than a tenth at each call never lowers the rate; optax keeps such a best as well.
# Matters   to whoever minimises a log-likelihood, a negative similarity or an ELBO.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 optax==0.2.8 jax==0.10.2
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import optax
import torch
from optax import contrib

told = [-1.0, -0.95, -0.9, -0.85, -0.8]

optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
    optimizer, factor=0.5, patience=0, threshold=0.1, threshold_mode="rel")
torch_seen = []
for loss in told:
    plateau.step(loss)
    torch_seen.append((optimizer.param_groups[0]["lr"], round(plateau.best, 4)))
print("torch, (rate, best) after each loss:", torch_seen)

transform = contrib.reduce_on_plateau(factor=0.5, patience=1, rtol=0.1, atol=0.0)
state = transform.init({"w": jnp.zeros(1)})
optax_seen = []
for loss in told:
    _, state = transform.update({"w": jnp.ones(1)}, state, value=loss)
    optax_seen.append((float(state.scale), round(float(state.best_value), 4)))
print("optax, (scale, best) after each loss:", optax_seen)

assert torch.__version__.startswith("2.15.0") and optax.__version__ == "0.2.8"
assert torch_seen == [(1.0, -1.0), (1.0, -0.95), (1.0, -0.9), (1.0, -0.85), (1.0, -0.8)], torch_seen
assert optax_seen == [(1.0, -1.0), (1.0, -0.95), (1.0, -0.9), (1.0, -0.85), (1.0, -0.8)], optax_seen
PYTHON

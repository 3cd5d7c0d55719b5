#!/usr/bin/env bash
# What a float32 vector of 1e30 is when it is normalised.
#
# Version   torch 2.15.0 (CPU)
# Guess     normalising removes the scale: (1, 1, 1, -1) times 1e30 gives what (1, 1, 1, -1) gives, or infinity where the
#           squares overflow; a vector's cosine with itself is 1.
# Seen      the squares overflow and nobody says so, each in its own way: rms_norm, normalize and batch_norm return zeros,
#           layer_norm NaN, and the cosine of the vector with itself is 0: as unlike as can be while alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn import functional as F

assert torch.__version__.startswith("2.15.0")
small = torch.tensor([[1.0, 1.0, 1.0, -1.0]])
forms = {
    "rms_norm": lambda v: F.rms_norm(v, (4,)),
    "layer_norm": lambda v: F.layer_norm(v, (4,)),
    "normalize": F.normalize,
    "batch_norm": lambda v: F.batch_norm(v.reshape(4, 1), None, None, training=True).reshape(1, 4),
    "cosine": lambda v: F.cosine_similarity(v, v),
}
for name, form in forms.items():
    print(f"{name:11} of 1: {form(small).tolist()}  of 1e30: {form(small * 1e30).tolist()}")
for name in ("rms_norm", "normalize", "batch_norm", "cosine"):
    assert not forms[name](small * 1e30).any(), name
    assert forms[name](small).all(), name
assert forms["layer_norm"](small * 1e30).isnan().all()
assert forms["layer_norm"](small).isfinite().all()
PYTHON

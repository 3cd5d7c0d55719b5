"""One layer in PyTorch, forward and backward, as `adjoint bench LAYER` times ours.

    torch_layers.py LAYER --shape N,N --threads N [--out N] [--seconds S]

LAYER is the name of ours. linear: samples of features to `out` outputs; embedding: as many tokens of a table of `out`
rows as wide as the shape's last extent. Started by compare.py; writes one JSON object to standard output. The forward
pass records what the backward needs, and gradients are made anew each time, as in a training loop with zero_grad().
All floating inputs have a gradient; the embedding's is dense. A loss is timed with its gradients, as ours makes
both in one pass: its phase is "loss".
"""

import argparse
import json
import sys

import torch
from torch.nn import functional as F
from torch_timing import figures, timed

# Of one input, or two of the same shape.
FUNCTIONS = {
    "dropout": F.dropout,
    "elu": F.elu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "leaky_relu": F.leaky_relu,
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softmax": lambda x: F.softmax(x, -1),
    "softplus": F.softplus,
    "tanh": torch.tanh,
}
OF_TWO = {"add": torch.add, "concat": lambda a, b: torch.cat([a, b], -1), "mul": torch.mul}
MODULES = {
    "batch_norm": torch.nn.BatchNorm1d,
    "layer_norm": torch.nn.LayerNorm,
    "prelu": lambda width: torch.nn.PReLU(),
    "rms_norm": torch.nn.RMSNorm,
}
LOSSES_OF_TWO = {
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "huber": F.huber_loss,
    "kl_divergence": lambda x, t: F.kl_div(x, t, reduction="batchmean"),
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "smooth_l1": F.smooth_l1_loss,
}
LOSSES_OF_LABELS = {"nll": F.nll_loss, "softmax_cross_entropy": F.cross_entropy}
LOSSES = {*LOSSES_OF_TWO, *LOSSES_OF_LABELS, "cosine_embedding", "triplet"}
ALL = sorted({*FUNCTIONS, *OF_TWO, *MODULES, *LOSSES, "linear", "embedding"})


def call_of(layer: str, shape: list[int], out: int):
    """The layer as a function of nothing, and what gets gradients."""

    def floats() -> torch.Tensor:
        return torch.randn(shape, requires_grad=True)

    x, width, rows = floats(), shape[-1], shape[0]
    if layer == "embedding":
        module = torch.nn.Embedding(out, width)
        tokens = torch.randint(0, out, (rows,))
        return lambda: module(tokens), [*module.parameters()]
    if layer == "linear" or layer in MODULES:
        module = torch.nn.Linear(width, out) if layer == "linear" else MODULES[layer](width)
        return lambda: module(x), [x, *module.parameters()]
    if layer in FUNCTIONS:
        return lambda: FUNCTIONS[layer](x), [x]
    if layer in LOSSES_OF_LABELS:
        labels = torch.randint(0, width, (rows,))
        return lambda: LOSSES_OF_LABELS[layer](x, labels), [x]
    other, third = floats(), floats()
    if layer in LOSSES_OF_TWO or layer in OF_TWO:
        if layer in ("bce_with_logits", "kl_divergence"):
            other = torch.rand(shape).requires_grad_()
        function = {**LOSSES_OF_TWO, **OF_TWO}[layer]
        return lambda: function(x, other), [x, other]
    if layer == "triplet":
        return lambda: F.triplet_margin_loss(x, other, third), [x, other, third]
    signs = torch.randint(0, 2, (rows,)) * 2 - 1
    return lambda: F.cosine_embedding_loss(x, other, signs), [x, other]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("layer", choices=ALL)
    parser.add_argument("--shape", required=True)
    parser.add_argument("--out", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    shape = [int(extent) for extent in arguments.shape.split(",")]
    call, leaves = call_of(arguments.layer, shape, arguments.out)
    dy = torch.randn_like(call())

    def recorded():
        for leaf in leaves:
            leaf.grad = None
        return call()

    if arguments.layer in LOSSES:
        phases = {"loss": figures(timed(lambda: recorded().backward(), arguments.seconds))}
    else:
        phases = {
            "forward": figures(timed(call, arguments.seconds)),
            "backward": figures(timed(lambda y: y.backward(dy), arguments.seconds, before=recorded)),
        }
    json.dump({"name": f"PyTorch {torch.__version__}", "phases": phases}, sys.stdout)


if __name__ == "__main__":
    main()

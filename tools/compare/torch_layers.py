"""One layer in PyTorch, forward and backward, as `adjoint bench LAYER` times ours.

    torch_layers.py linear|embedding --rows N --columns N --count N --threads N [--seconds S]

linear: `count` samples of `columns` features to `rows` outputs; embedding: `count` tokens of a table
[rows, columns]. Started by compare.py; writes one JSON object to standard output. The forward pass
records what the backward needs, and gradients are made anew each time, as in a training loop with
zero_grad(). The linear layer's input has a gradient too; the embedding's is dense.
"""

import argparse
import json
import sys

import torch

from torch_timing import figures, timed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("layer", choices=["linear", "embedding"])
    for name in ("rows", "columns", "count", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    rows, columns, count = arguments.rows, arguments.columns, arguments.count
    if arguments.layer == "linear":
        layer = torch.nn.Linear(columns, rows)
        x = torch.randn(count, columns, requires_grad=True)
    else:
        layer = torch.nn.Embedding(rows, columns)
        x = torch.randint(0, rows, (count,))
    dy = torch.randn_like(layer(x))

    def recorded():
        layer.zero_grad(set_to_none=True)
        x.grad = None
        return layer(x)

    phases = {
        "forward": figures(timed(lambda: layer(x), arguments.seconds)),
        "backward": figures(timed(lambda y: y.backward(dy), arguments.seconds, before=recorded)),
    }
    json.dump({"name": f"PyTorch {torch.__version__}", "phases": phases}, sys.stdout)


if __name__ == "__main__":
    main()

"""A recipe in PyTorch: the same model, data, batch and optimizer, timed the same way.

Started by compare.py in a process of its own, so that its peak memory is its own. Writes one JSON
object to standard output. Knows the layers that recipes of ours use; anything else is an error.
"""

import argparse
import gzip
import json
import resource
import statistics
import sys
import time
import tomllib
from pathlib import Path

import numpy
import torch

from torch_timing import figures, timed


def read_idx(folder: Path, stem: str) -> numpy.ndarray:
    """An IDX file of bytes, plain or gzip."""
    for name in (stem, stem + ".gz"):
        if (path := folder / name).exists():
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            axes = data[3]
            shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
            return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * axes).reshape(shape)
    sys.exit(f"{folder}: no {stem}")


def make_model(recipe: dict) -> torch.nn.Sequential:
    layers, features = [], 784
    for layer in recipe["model"]["layers"]:
        kind = layer["type"]
        if kind == "flatten":
            layers.append(torch.nn.Flatten())
        elif kind == "linear":
            layers.append(torch.nn.Linear(features, layer["out"], bias=layer.get("bias", True)))
            features = layer["out"]
        elif kind == "relu":
            layers.append(torch.nn.ReLU())
        elif kind == "gelu":
            layers.append(torch.nn.GELU(approximate="tanh"))
        elif kind == "dropout":
            layers.append(torch.nn.Dropout(layer.get("p", 0.5)))
        elif kind == "layer_norm":
            layers.append(torch.nn.LayerNorm(features))
        else:
            sys.exit(f"no counterpart here for the layer {kind}")
    return torch.nn.Sequential(*layers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--epochs", type=int, default=3, help="0: time the phases only")
    parser.add_argument("--samples", type=int, default=27000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)

    recipe = tomllib.loads(arguments.recipe.read_text())
    batch = recipe["train"]["batch"]
    validation = recipe["data"].get("validation", 0.1)
    if arguments.data and recipe["data"]["name"] == "mnist":
        images = torch.from_numpy(read_idx(arguments.data, "train-images-idx3-ubyte").copy())
        labels = torch.from_numpy(read_idx(arguments.data, "train-labels-idx1-ubyte").copy()).long()
        count = len(images) - round(validation * len(images))
        images, labels = images[:count], labels[:count]
    else:
        count = arguments.samples
        images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
        labels = torch.randint(0, 10, (count,))

    model = make_model(recipe)
    optim = recipe["optim"]
    if optim["type"] != "adamw":
        sys.exit("no counterpart here for the optimizer " + optim["type"])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=optim["lr"], weight_decay=optim.get("weight_decay", 0.01), fused=True
    )
    loss_of = torch.nn.CrossEntropyLoss()
    scale, shift = 1 / (255 * 0.3081), -0.1307 / 0.3081

    def gather(indices):
        # Bytes are gathered and become floats a batch at a time, as we do it.
        return images[indices].float().mul_(scale).add_(shift), labels[indices]

    def step(indices):
        x, y = gather(indices)
        loss = loss_of(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def epoch():
        order = torch.randperm(count)
        for begin in range(0, count, batch):
            step(order[begin : begin + batch])

    x, y = gather(torch.arange(batch))

    def recorded():
        model.zero_grad(set_to_none=True)
        return loss_of(model(x), y)

    def clipped_update():
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        optimizer.step()

    bodies = {
        "forward": (lambda: loss_of(model(x), y), None),
        "backward": (lambda loss: loss.backward(), recorded),
        "update": (optimizer.step, None),
        "update_clipped": (clipped_update, None),
        "step": (lambda: step(torch.arange(batch)), None),
    }
    phases = {
        name: figures(timed(body, arguments.seconds, before))
        for name, (body, before) in bodies.items()
    }
    epochs = []
    for _ in range(arguments.epochs):
        start = time.perf_counter()
        epoch()
        epochs.append(time.perf_counter() - start)
    json.dump(
        {
            "name": f"PyTorch {torch.__version__}",
            "phases": phases,
            "epoch_s": statistics.median(epochs) if epochs else None,
            "samples": count,
            "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

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


# What generated tables are made of: features, then classes, or numbers to predict.
TABLES = {"tabular": (16, 4), "regression": (10, 1)}


def make_data(recipe: dict, folder: Path | None, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets of the training part: MNIST's where there is a folder, else noise of the recipe's kind."""
    name = recipe["data"]["name"]
    if folder and name == "mnist":
        images = torch.from_numpy(read_idx(folder, "train-images-idx3-ubyte").copy())
        labels = torch.from_numpy(read_idx(folder, "train-labels-idx1-ubyte").copy()).long()
        count = len(images) - round(recipe["data"].get("validation", 0.1) * len(images))
        return images[:count], labels[:count]
    if name not in TABLES:
        return torch.randint(0, 256, (samples, 28, 28), dtype=torch.uint8), torch.randint(0, 10, (samples,))
    features, targets = TABLES[name]
    rows = torch.randn(samples, features)
    if recipe["loss"]["type"] == "mse":
        return rows, torch.randn(samples, targets)
    return rows, torch.randint(0, targets, (samples,))


def make_loss(recipe: dict) -> torch.nn.Module:
    losses = {"softmax_cross_entropy": torch.nn.CrossEntropyLoss, "mse": torch.nn.MSELoss}
    kind = recipe["loss"]["type"]
    if kind not in losses:
        sys.exit(f"no counterpart here for the loss {kind}")
    return losses[kind]()


def make_model(recipe: dict, features: int) -> torch.nn.Sequential:
    layers = []
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
    parser.add_argument("--batch", type=int, help="instead of the recipe's")
    parser.add_argument("--compile", action="store_true", help="forward, backward and loss by torch.compile")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"], help="of autocast")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)

    recipe = tomllib.loads(arguments.recipe.read_text())
    batch = arguments.batch or recipe["train"]["batch"]
    inputs, targets = make_data(recipe, arguments.data, arguments.samples)
    count, pictures = len(inputs), inputs.dtype == torch.uint8
    model = make_model(recipe, inputs[0].numel())
    optim = recipe["optim"]
    if optim["type"] != "adamw":
        sys.exit("no counterpart here for the optimizer " + optim["type"])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=optim["lr"], weight_decay=optim.get("weight_decay", 0.01), fused=True
    )
    criterion = make_loss(recipe)
    narrow = arguments.precision == "bfloat16"
    scale, shift = 1 / (255 * 0.3081), -0.1307 / 0.3081

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            return criterion(model(x), y)

    if arguments.compile:
        loss_of = torch.compile(loss_of)

    def gather(indices):
        # Bytes are gathered and become floats a batch at a time, as we do it.
        x = inputs[indices]
        return x.float().mul_(scale).add_(shift) if pictures else x, targets[indices]

    def step(indices):
        x, y = gather(indices)
        loss = loss_of(x, y)
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
        return loss_of(x, y)

    def clipped_update():
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        optimizer.step()

    def bare_step():
        loss = loss_of(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    bodies = {
        "forward": (lambda: loss_of(x, y), None),
        "backward": (lambda loss: loss.backward(), recorded),
        "update": (optimizer.step, None),
        "update_clipped": (clipped_update, None),
        "step": (lambda: step(torch.arange(batch)), None),
        "step_without_data": (bare_step, None),
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
            "name": f"PyTorch {torch.__version__}" + (", compiled" if arguments.compile else ""),
            "phases": phases,
            "epoch_s": statistics.median(epochs) if epochs else None,
            "samples": count,
            "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

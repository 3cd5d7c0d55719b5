#!/usr/bin/env python3
"""Adjoint beside PyTorch on this machine's CPU: same shapes, work and threads.

    tools/compare/compare.py parts --torch-python VENV/bin/python
    tools/compare/compare.py layers --torch-python VENV/bin/python
    tools/compare/compare.py mnist_mlp --data FOLDER --torch-python VENV/bin/python

`parts` prints one table, forward, backward and update: a linear layer, the MLP of mnist_mlp on
drawn data, an embedding, and each optimizer at ten million parameters; `layers` one of the layers
and losses that go over rows. A recipe is compared step by step and in whole epochs, with peak
memory, with PyTorch as it is and compiled (torch.compile of forward, loss and backward). Each side runs in processes of its own, one after the other and in turns, so that neither disturbs the other; a ratio below 1 means that Adjoint needs
less. Of what disturbs a timing nothing makes it shorter, so the best call of a process counts; of the
rounds of a table that of the median ratio, of a recipe's the best.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from sides import ROOT, Adjoint, Torch

# Name, then what `adjoint bench` and torch_layers.py are told.
LAYERS = [
    (
        "linear 3162 x 3162, batch 128",
        ["linear", "--shape", "128,3162", "--set", "out=3162"],
        ["linear", "--shape", "128,3162", "--out", 3162],
    ),
    (
        "linear 512 x 512, batch 128",
        ["linear", "--shape", "128,512", "--set", "out=512"],
        ["linear", "--shape", "128,512", "--out", 512],
    ),
    (
        "embedding 20000 x 512, 8192 tokens",
        ["embedding", "--shape", "8192", "--set", "vocabulary=20000", "--set", "width=512"],
        ["embedding", "--shape", "8192,512", "--out", 20000],
    ),
]
OVER_ROWS = """relu leaky_relu prelu relu6 elu selu gelu silu mish sigmoid tanh softplus hard_sigmoid hard_swish hard_tanh
    dropout softmax log_softmax layer_norm rms_norm batch_norm add mul concat mse l1 huber smooth_l1 bce_with_logits
    kl_divergence nll softmax_cross_entropy cosine_embedding triplet""".split()
ROWS = "4096,512"
# What is put side by side: our phase and PyTorch's. An update of ours finds the gradient's norm and skips a step whose
# gradient is not finite; of PyTorch's the one with clip_grad_norm_ does nearly as much, the bare one nothing of it.
COMPARED = {
    "forward": ("forward", "forward"),
    "backward": ("backward", "backward"),
    "update, unchecked / bare": ("update_unchecked", "update"),
    "checked / clipped": ("update", "update_clipped"),
    "checked / bare": ("update", "update"),
}
# Our losses make their gradient in the forward pass.
COMPARED_LAYERS = {
    "forward": ("forward", "forward"),
    "backward": ("backward", "backward"),
    "loss and gradient": ("forward", "loss"),
}


def best(phases: dict) -> dict:
    return {name: phase["best_ms"] for name, phase in phases.items()}


def parts_round(ours: Adjoint, theirs: Torch) -> dict:
    """Part to (our milliseconds, PyTorch's), each by phase, the optimizers' form beside."""
    found = {}
    for name, bench, script in LAYERS:
        found[name] = (best(ours.bench(*bench)), best(theirs.script("torch_layers.py", *script)["phases"]))
    recipe = ROOT / "tools/recipes/mnist_mlp.toml"
    found["mlp 784-512-512-10, batch 128"] = (
        best(ours.bench(recipe)),
        best(theirs.script("torch_run.py", recipe, "--epochs", 0)["phases"]),
    )
    for name in ours.optimizers():
        found[name] = (ours.optimizer(name), theirs.script("torch_optimizers.py", name))
    return found


def layers_round(ours: Adjoint, theirs: Torch) -> dict:
    return {
        name: (
            best(ours.bench(name, "--shape", ROWS)),
            best(theirs.script("torch_layers.py", name, "--shape", ROWS)["phases"]),
        )
        for name in OVER_ROWS
    }


def compare_phase(rounds: list[tuple[dict, dict]], mine: str, other: str) -> dict | None:
    """The round of the median ratio: other guests of a machine slow both sides for a while, but not one alone."""
    pairs = [(a[mine], b[other]) for a, b in rounds if mine in a and other in b]
    if not pairs:
        return None
    a, b = sorted(pairs, key=lambda pair: pair[0] / pair[1])[(len(pairs) - 1) // 2]
    return {"adjoint_ms": a, "torch_ms": b, "ratio": a / b}


def compare_table(arguments, ours: Adjoint, theirs: Torch) -> dict:
    one_round, compared = TABLES[arguments.subject]
    rounds = [one_round(ours, theirs) for _ in range(arguments.rounds)]
    print(f"Milliseconds, {arguments.threads} threads, median of {arguments.rounds} rounds: ours / {theirs.name}'s = ratio\n")
    print("| part | " + " | ".join(compared) + " |")
    print("|---" + "|---" * len(compared) + "|")
    largest: dict[str, float] = {}
    table = {}
    for name in rounds[0]:
        cells, row = [], {}
        for title, (mine, other) in compared.items():
            figures = compare_phase([found[name] for found in rounds], mine, other)
            if figures is None:
                cells.append("")
                continue
            row[title] = figures
            largest[title] = max(largest.get(title, 0), figures["ratio"])
            cells.append("{adjoint_ms:.3f} / {torch_ms:.3f} = {ratio:.2f}".format(**figures))
        form = rounds[0][name][1].get("form")
        table[name] = {**row, "form": form} if form else row
        print(f"| {name} ({form}) | " if form else f"| {name} | ", " | ".join(cells), " |", sep="")
    print("\nlargest ratios: " + ", ".join(f"{title} {ratio:.2f}" for title, ratio in largest.items()))
    return {"torch": theirs.name, "threads": arguments.threads, "parts": table, "largest": largest}


TABLES = {"parts": (parts_round, COMPARED), "layers": (layers_round, COMPARED_LAYERS)}


def recipe_figures(arguments, recipe: Path, ours: Adjoint, theirs: Torch) -> tuple[dict, dict, dict]:
    """Ours, PyTorch's, and those of its compiled form."""
    changes = [f"train.precision={arguments.precision}"]
    if arguments.batch:
        changes.append(f"train.batch={arguments.batch}")
    changes = [part for change in changes for part in ("--set", change)]
    epoch, peak = ours.train(recipe, arguments.epochs, arguments.data, changes)
    mine = {"phases": ours.bench(recipe, *changes), "epoch_s": epoch, "peak_bytes": peak}
    script = ["torch_run.py", recipe, "--epochs", arguments.epochs, "--precision", arguments.precision]
    script += ["--data", arguments.data] if arguments.data else []
    script += ["--batch", arguments.batch] if arguments.batch else []
    eager, compiled = theirs.script(*script), theirs.script(*script, "--compile")

    def flat(side: dict) -> dict:
        medians = {name + "_ms": phase["median_ms"] for name, phase in side["phases"].items()}
        return {**medians, "epoch_s": side["epoch_s"], "peak_bytes": side["peak_bytes"]}

    return flat(mine), flat(eager), flat(compiled)


def compare_recipe(arguments, ours: Adjoint, theirs: Torch) -> dict:
    recipe = Path(arguments.subject)
    if not recipe.exists():
        recipe = ROOT / "tools/recipes" / (arguments.subject + ".toml")
    rounds = [recipe_figures(arguments, recipe, ours, theirs) for _ in range(arguments.rounds)]
    rows = [
        ("forward", "forward_ms", "forward_ms", "ms", 1),
        ("backward", "backward_ms", "backward_ms", "ms", 1),
        ("update", "update_ms", "update_ms", "ms", 1),
        ("step", "step_ms", "step_ms", "ms", 1),
        ("step / bare", "step_ms", "step_without_data_ms", "ms", 1),
        ("epoch", "epoch_s", "epoch_s", "s", 1),
        ("peak memory", "peak_bytes", "peak_bytes", "MiB", 2**20),
    ]
    figures = {}
    print(f"{recipe.stem}, {arguments.precision}, {arguments.threads} threads, medians, best of {arguments.rounds} rounds")
    print("a step of ours has its data; of PyTorch's the bare one is without\n")
    print(f"{'':12} {'Adjoint':>12} {theirs.name.removesuffix(', compiled'):>16} {'compiled':>14} {'ratio':>7} {'to compiled':>12}")
    for label, mine, other, unit, scale in rows:
        a, b, c = (min(found[side][key] for found in rounds) / scale for side, key in enumerate((mine, other, other)))
        print(f"{label:12} {a:8.3f} {unit:3}{b:12.3f} {unit:3}{c:10.3f} {unit:3}{a / b:8.2f}{a / c:13.2f}")
        figures[label] = {"adjoint": a * scale, "torch": b * scale, "compiled": c * scale, "ratio": a / b, "to_compiled": a / c}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subject", help="parts, layers, or name or file of a recipe: mnist_mlp")
    parser.add_argument("--data", type=Path, help="folder of the recipe's files")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--adjoint", type=Path, default=ROOT / "build/host/bin/adjoint")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, help="how long each phase is timed (2; in tables 0.5)")
    parser.add_argument("--epochs", type=int, default=3, help="of a recipe")
    parser.add_argument("--batch", type=int, help="of a recipe, instead of its own")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"], help="of a recipe")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    table = arguments.subject in TABLES
    seconds = arguments.seconds or (0.5 if table else 2.0)
    ours = Adjoint(arguments.adjoint, arguments.threads, seconds)
    theirs = Torch(arguments.torch_python, arguments.threads, seconds)
    figures = (compare_table if table else compare_recipe)(arguments, ours, theirs)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

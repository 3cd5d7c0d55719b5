#!/usr/bin/env python3
"""Adjoint beside PyTorch: the same recipe, shapes, data and threads on this machine's CPU.

    tools/compare/compare.py mnist_mlp --data FOLDER --torch-python VENV/bin/python

Each side runs in processes of its own, one after the other and in turns, so that neither disturbs
the other and peak memory (getrusage of the child) is its own. Prints medians and their ratios; a
ratio below 1 means that Adjoint needs less.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(command: list, environment: dict) -> tuple[str, int]:
    """Standard output, and the most memory the process had."""
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(
            [str(part) for part in command], stdout=out, env={**os.environ, **environment}
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"{command[0]} failed with exit code {child.returncode}")
        out.seek(0)
        return out.read(), 1024 * usage.ru_maxrss


def adjoint_figures(arguments, recipe: Path, folder: Path) -> dict:
    environment = {"ADJOINT_WORKERS": str(arguments.threads)}
    bench = folder / "bench.json"
    common = ["--device", "host"]
    command = [arguments.adjoint, "bench", recipe, "--json", bench]
    run([*command, "--seconds", arguments.seconds, *common], environment)
    phases = {phase["name"]: phase["median_ms"] for phase in json.loads(bench.read_text())["phases"]}

    out = folder / "run"
    command = [arguments.adjoint, "train", recipe, "--out", out, "--overwrite", "--quiet"]
    command += ["--set", f"train.epochs={arguments.epochs}", *common]
    if arguments.data:
        command += ["--data", arguments.data]
    _, peak = run(command, environment)
    # The epochs' seconds, without validation, stand in the log's lines: "epoch 1/3 ... 1.23 s".
    epochs = []
    for line in (out / "log.txt").read_text().splitlines():
        words = line.split()
        if "epoch" in words and "s" in words:
            epochs.append(float(words[words.index("s") - 1]))
    return {
        "name": "Adjoint",
        **{name + "_ms": phases[name] for name in ("forward", "backward", "update", "step")},
        "epoch_s": statistics.median(epochs),
        "peak_bytes": peak,
    }


def torch_figures(arguments, recipe: Path) -> dict:
    command = [arguments.torch_python, ROOT / "tools/compare/torch_run.py", recipe]
    command += ["--threads", arguments.threads, "--seconds", arguments.seconds]
    command += ["--epochs", arguments.epochs]
    if arguments.data:
        command += ["--data", arguments.data]
    text, _ = run(command, {"OMP_NUM_THREADS": str(arguments.threads)})
    return json.loads(text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="name or file of a recipe: mnist_mlp")
    parser.add_argument("--data", type=Path, help="folder of the data's files")
    parser.add_argument("--torch-python", default=sys.executable, help="a Python that has PyTorch")
    parser.add_argument("--adjoint", type=Path, default=ROOT / "build/host/bin/adjoint")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each phase is timed")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    recipe = Path(arguments.recipe)
    if not recipe.exists():
        recipe = ROOT / "tools/recipes" / (arguments.recipe + ".toml")

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            ours.append(adjoint_figures(arguments, recipe, Path(folder)))
            theirs.append(torch_figures(arguments, recipe))

    rows = [
        ("forward", "forward_ms", "ms", 1),
        ("backward", "backward_ms", "ms", 1),
        ("update", "update_ms", "ms", 1),
        ("step", "step_ms", "ms", 1),
        ("epoch", "epoch_s", "s", 1),
        ("peak memory", "peak_bytes", "MiB", 2**20),
    ]
    figures = {}
    print(f"{recipe.stem}, {arguments.threads} threads, best of {arguments.rounds} rounds\n")
    print(f"{'':12} {'Adjoint':>10} {theirs[0]['name']:>16} {'ratio':>8}")
    for label, key, unit, scale in rows:
        # The best round: what disturbs a timing only ever makes it longer.
        a, b = (min(side[key] for side in sides) / scale for sides in (ours, theirs))
        print(f"{label:12} {a:8.3f} {unit:3}{b:12.3f} {unit:3} {a / b:8.2f}")
        figures[key] = {"adjoint": a * scale, "torch": b * scale, "ratio": a / b}
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

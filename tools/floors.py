#!/usr/bin/env python3
"""Checks the floors of the house: a file includes only files of floors below, or of its own room.

usage: floors.py [--root FOLDER]

The floors, lowest first, with the rooms that stand side by side on each; rooms of one floor do not include
each other. Ends with status 1 and a line for every include that does not fit.
"""

import argparse
import pathlib
import re
import sys

FLOORS = [
    ["core/base"],
    ["core/device"],
    ["core/tensor"],
    ["core/samples", "kernels"],
    ["core/graph"],
    ["core/update"],
    ["layers", "optim", "core/data", "core/train"],
    ["core/run"],
    ["tools"],
]

# Rooms within a room, likewise: those of an inner list stand side by side, later ones may include earlier ones.
ROOMS = {
    "core/data": [["core/data/readers", "core/data/generated", "core/data/loader"]],
    "core/train": [["core/train/files"], ["core/train/recipe"], ["core/train/judging"], ["core/train/loop"]],
    "kernels": [["kernels"], ["kernels/engines"]],
    "layers": [
        ["layers/activations", "layers/arithmetic", "layers/losses", "layers/norms", "layers/products",
         "layers/shapes"],
        ["layers/rewrites"],
    ],
}

# core/graph adds gradients up, casts, and draws first values; it knows no other kernel.
GRAPHS_KERNELS = {"kernels/add.h", "kernels/cast.h", "kernels/initialize.h"}

# Who may know that CUDA exists. (A layer's or a rule's .cu file holds functors and names nothing of CUDA.)
CUDA_ROOMS = ("core/device", "kernels")
CUDA = re.compile(r"\b__CUDACC__\b|\b__CUDA_ARCH__\b|#include <(cuda|cublas|cudnn|nv)")

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def place(path, floors):
    """(floor, room) of the path among floors of rooms; the longest name that fits counts."""
    found = None
    for index, floor in enumerate(floors):
        for room in floor:
            if path.startswith(room + "/") and (found is None or len(room) > len(found[1])):
                found = (index, room)
    return found


def problem(source, target):
    """Why `source` may not include `target`, both relative to the root; None if it may."""
    of, to = place(source, FLOORS), place(target, FLOORS)
    if of is None or to is None:
        return None
    if of[1] != to[1]:
        if to[0] >= of[0]:
            where = "beside" if to[0] == of[0] else "above"
            return f"{to[1]} stands {where} {of[1]}"
        if of[1] == "core/graph" and to[1] == "kernels" and target not in GRAPHS_KERNELS:
            return f"of kernels, core/graph knows only {', '.join(sorted(GRAPHS_KERNELS))}"
        return None
    rooms = ROOMS.get(of[1])
    if rooms is None:
        return None
    inner_of, inner_to = place(source, rooms), place(target, rooms)
    if inner_of is None or inner_to is None or inner_of[1] == inner_to[1] or inner_to[0] < inner_of[0]:
        return None
    where = "beside" if inner_to[0] == inner_of[0] else "above"
    return f"{inner_to[1]} stands {where} {inner_of[1]}"


def check(root):
    lines = []
    tops = sorted({room.split("/")[0] for floor in FLOORS for room in floor})
    for path in sorted(path for top in tops for path in (root / top).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
            continue
        source = path.relative_to(root).as_posix()
        if place(source, FLOORS) is None:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            why = problem(source, match.group(1)) if match else None
            if why:
                lines.append(f"{source}:{number}: includes {match.group(1)}, but {why}")
            if CUDA.search(line) and not source.startswith(tuple(room + "/" for room in CUDA_ROOMS)):
                lines.append(f"{source}:{number}: names CUDA, which only {' and '.join(CUDA_ROOMS)} know")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    if not root.is_dir():
        parser.error(f"no folder {root}")
    lines = check(root)
    for line in lines:
        print(line, file=sys.stderr)
    print("Every file includes only floors below" if not lines else f"{len(lines)} includes lead up or across")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())

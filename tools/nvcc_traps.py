#!/usr/bin/env python3
"""Finds what nvcc compiles to something else than it says, without a warning.

usage: nvcc_traps.py [--root FOLDER] [--objects FOLDER]

Of the sources: `x = {.member = ...};` in .cu and .cuh files. In a template nvcc 13.0 drops the designators of such
an assignment and sets the first members; `x = Type{.member = ...};` is right.

With --objects, the build folder of the preset cuda, of the objects as well: host code that calls a device function.
Where the call stands in a template, nvcc gives the function a body on the host, exit(1), so that the program ends
there in silence. So an object of a .cu file that calls exit has such a call.

Ends with status 1 and a line for every place.
"""

import argparse
import pathlib
import re
import subprocess
import sys

FOLDERS = ("core", "kernels", "layers", "optim", "tests", "tools")
ASSIGNMENT = re.compile(r"^\s*[A-Za-z_][\w.\[\]]*(->[\w.\[\]]+)*\s*=\s*\{\s*\.", re.MULTILINE)


def assignments(root):
    """Places of the sources, as text."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.cu*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".cu", ".cuh") or name.startswith("tests/tools/planted"):
                continue
            text = path.read_text()
            for match in ASSIGNMENT.finditer(text):
                line = text.count("\n", 0, match.end()) + 1
                yield f"{name}:{line}: nvcc may drop the designators of this assignment; name the type before the brace"


def host_calls(folder):
    """Objects of .cu files below the folder that call exit, as text."""
    objects = sorted(path for path in folder.rglob("*.cu.o")
                     if "planted_host_call.dir" not in path.relative_to(folder).parts)  # a test of this script
    if not objects:
        sys.exit(f"nvcc_traps: {folder} holds no object of a .cu file; expected the build folder of the preset cuda")
    for path in objects:
        symbols = subprocess.run(["nm", "--undefined-only", "--format=posix", path],
                                 capture_output=True, text=True, check=True).stdout
        if re.search(r"^exit U", symbols, re.MULTILINE):
            yield f"{path}: host code calls a device function; mark the function ADJOINT_HD, or call it in a kernel"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--objects", type=pathlib.Path)
    options = parser.parse_args()
    found = list(assignments(options.root))
    if options.objects:
        found += host_calls(options.objects)
    for line in found:
        print(line, file=sys.stderr)
    if found:
        return 1
    print("nvcc is not led astray" if options.objects else "No assignment that nvcc misreads")
    return 0


if __name__ == "__main__":
    sys.exit(main())

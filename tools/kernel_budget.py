#!/usr/bin/env python3
"""Keeps the table of what every CUDA kernel costs: registers, spills, shared memory, occupancy, vector width.

Each .cu file of the cuda build is compiled once more to a cubin with `ptxas -v`, its PTX kept. The table
lies in tools/kernel_budget.json, so that a commit that makes a kernel slower shows it in its diff.
Occupancy follows cuda_occupancy.h's rules for sm_90.

  tools/kernel_budget.py            print the table of the sources as they are
  tools/kernel_budget.py --check    fail where a kernel got worse, appeared or went (.ci/run does this)
  tools/kernel_budget.py --update   write the table
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tools" / "kernel_budget.json"
FOLDERS = ("kernels", "layers", "optim", "core/device")
ARCHITECTURE = "sm_90"
# A kernel without __launch_bounds__ is rated at this block; ours launch at most that many threads.
ASSUMED_BLOCK = 256

# Limits of one multiprocessor of sm_90 (CUDA programming guide, technical specifications).
WARP = 32
MAX_WARPS = 64
MAX_BLOCKS = 32
REGISTERS = 65536
REGISTER_UNIT = 256  # registers are given to warps in units
SUBPARTITIONS = 4  # each has a quarter of the registers
SHARED = 233472
SHARED_UNIT = 128
SHARED_RESERVED = 1024  # per block, by the driver


def round_up(value, unit):
    return (value + unit - 1) // unit * unit


def resident_blocks(registers, shared, block):
    """Blocks of `block` threads that one multiprocessor holds at a time."""
    warps = round_up(block, WARP) // WARP
    limits = [MAX_BLOCKS, MAX_WARPS // warps]
    if registers:
        per_warp = round_up(registers * WARP, REGISTER_UNIT)
        warps_held = REGISTERS // SUBPARTITIONS // per_warp * SUBPARTITIONS
        limits.append(warps_held // warps)
    limits.append(SHARED // round_up(shared + SHARED_RESERVED, SHARED_UNIT))
    return min(limits)


def occupancy(registers, shared, block):
    """Share of the multiprocessor's warps in use, in percent."""
    warps = round_up(block, WARP) // WARP
    return round(100 * resident_blocks(registers, shared, block) * warps / MAX_WARPS)


def parse_ptxas(log):
    """{mangled name: registers, stack, spills, shared} from ptxas -v."""
    kernels = {}
    sections = re.split(r"Compiling entry function '", log)[1:]
    for section in sections:
        name = section[: section.index("'")]

        def number(pattern):
            found = re.search(pattern, section)
            return int(found[1]) if found else 0

        kernels[name] = {
            "registers": number(r"Used (\d+) registers"),
            "spill_bytes": number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
            "stack_bytes": number(r"(\d+) bytes stack frame"),
            "shared_bytes": number(r"(\d+) bytes smem"),
        }
    return kernels


ACCESS = re.compile(
    r"^\s*(?:@!?%\w+\s+)?(ld|st)((?:\.[\w:]+)*?)(?:\.v([248]))?\.[bfus](8|16|32|64|128)\s", re.M
)


def parse_ptx(ptx):
    """{mangled name: block and number of global accesses by width in bytes} of every kernel."""
    kernels = {}
    for entry in re.finditer(r"\.entry\s+([\w$]+)\s*\((.*?)\n\}", ptx, re.S):
        body = entry[2]
        bound = re.search(r"\.(?:maxntid|reqntid)\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?", body)
        block = ASSUMED_BLOCK
        if bound:
            block = int(bound[1]) * int(bound[2] or 1) * int(bound[3] or 1)
        counts = {"ld": {}, "st": {}}
        for kind, qualifiers, vector, bits in ACCESS.findall(body):
            space = set(qualifiers.split("."))
            # An access without a state space is generic: of a pointer read from memory, say.
            if space & {"shared", "local", "param", "const"} or any(q.startswith("shared") for q in space):
                continue
            width = int(bits) // 8 * int(vector or 1)
            counts[kind][width] = counts[kind].get(width, 0) + 1
        kernels[entry[1]] = {"block": block, "loads": counts["ld"], "stores": counts["st"]}
    return kernels


def demangle(names):
    plain = subprocess.run(
        ["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return dict(zip(names, plain))


def strip_arguments(name):
    """The name without the list of function arguments at its end."""
    if not name.endswith(")"):
        return name
    depth = 0
    for place in range(len(name) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(name[place], 0)
        if depth == 0:
            return name[:place]
    return name


def tidy(name):
    """`void adjoint::cuda::(anonymous namespace)::relu<float>(...)` as `relu<float>`."""
    name = re.sub(r"\(anonymous namespace\)::|_GLOBAL__N__\w+?::|_INTERNAL_\w+?::", "", name)
    name = strip_arguments(name)
    name = re.sub(r"^void ", "", name)
    name = re.sub(r"\badjoint::(cuda::|host::)?", "", name)
    name = re.sub(r"\((?:bool)\)([01])", lambda m: "true" if m[1] == "1" else "false", name)
    return re.sub(r"\((?:unsigned )?(?:int|long|char|short)\)", "", name).strip()


def compile_file(entry):
    """Compiles one entry of compile_commands.json again and returns {kernel: costs}."""
    source = entry["file"]
    words = shlex.split(entry["command"]) if "command" in entry else list(entry["arguments"])
    while not os.path.basename(words[0]).startswith("nvcc"):
        words.pop(0)  # the compiler launcher
    kept, place = [], 0
    while place < len(words):
        word = words[place]
        place += 1
        if word in ("-o", "-MF", "-MT", "-x", "-gencode", "--generate-code", "-arch"):
            place += 1
        elif word in ("-c", "-MD", source) or re.match(r"(--generate-code|-arch|-gencode)=", word):
            pass
        elif re.match(r"-Werror|-Xptxas=", word):
            pass  # the build fails on spills; here they are to be counted
        else:
            kept.append(word)
    # Generated twins of two files of one name would overwrite each other: a folder per file.
    with tempfile.TemporaryDirectory(prefix="kernel_budget.") as folder:
        command = [*kept, f"-arch={ARCHITECTURE}", "-cubin", "-Xptxas", "-v", "--keep"]
        command += ["--keep-dir", folder, "-o", f"{folder}/out.cubin", "-x", "cu", source]
        done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
        if done.returncode:
            errors = re.findall(r".*\b(?:error|fatal)\b.*", done.stderr) or [done.stderr]
            raise RuntimeError(f"{source} does not compile:\n" + "\n".join(errors)[:2000])
        ptx = "".join(path.read_text() for path in sorted(pathlib.Path(folder).glob("*.ptx")))
    costs, accesses = parse_ptxas(done.stderr), parse_ptx(ptx)
    names = demangle(list(costs))
    relative = pathlib.Path(source).resolve().relative_to(ROOT).as_posix()
    kernels = {}
    for mangled, cost in costs.items():
        access = accesses[mangled]
        kernels[f"{relative} {tidy(names[mangled])}"] = {
            **cost,
            "block": access["block"],
            "occupancy_percent": occupancy(cost["registers"], cost["shared_bytes"], access["block"]),
            "loads": {str(width): access["loads"][width] for width in sorted(access["loads"])},
            "stores": {str(width): access["stores"][width] for width in sorted(access["stores"])},
        }
    return kernels


def measure(build, jobs):
    commands = pathlib.Path(build) / "compile_commands.json"
    if not commands.exists():
        raise RuntimeError(f"{commands} is missing: configure first with `cmake --preset cuda`")
    entries = []
    for entry in json.loads(commands.read_text()):
        path = pathlib.Path(entry["file"]).resolve()
        if path.suffix != ".cu" or ROOT not in path.parents or "nvcc" not in str(entry):
            continue
        words = entry.get("command", " ".join(entry.get("arguments", [])))
        folder = path.relative_to(ROOT).as_posix()
        if folder.startswith(tuple(f + "/" for f in FOLDERS)) and re.search(r"(^|[ /])nvcc ", words):
            entries.append(entry)
    kernels = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(compile_file, entries):
            kernels.update(found)
    return kernels, len(entries)


def widest(accesses):
    return max((int(width) for width in accesses), default=0)


def worse(old, new):
    """What got worse, in words; empty where nothing did."""
    reasons = []
    if new["occupancy_percent"] < old["occupancy_percent"]:
        reasons.append(
            f"occupancy {old['occupancy_percent']} -> {new['occupancy_percent']} % "
            f"({old['registers']} -> {new['registers']} registers)"
        )
    for kind in ("loads", "stores"):
        if widest(new[kind]) < widest(old[kind]):
            reasons.append(f"widest of its {kind} {widest(old[kind])} -> {widest(new[kind])} bytes")
    return reasons


def compare(old, new):
    """(failures, notes): lines that fail the check, and lines worth a look."""
    failures, notes = [], []
    for name, cost in sorted(new.items()):
        if cost["spill_bytes"]:
            failures.append(f"{name}: spills {cost['spill_bytes']} bytes of registers to memory")
    for name in sorted(new.keys() - old.keys()):
        failures.append(f"{name}: is not in the table")
    for name in sorted(old.keys() - new.keys()):
        failures.append(f"{name}: is in the table, but not in the sources")
    for name in sorted(old.keys() & new.keys()):
        reasons = worse(old[name], new[name])
        failures += [f"{name}: {reason}" for reason in reasons]
        if not reasons and old[name] != new[name]:
            fields = [f for f in new[name] if old[name].get(f) != new[name][f]]
            notes.append(name + ": " + ", ".join(f"{f} {old[name].get(f)} -> {new[name][f]}" for f in fields))
    return failures, notes


def table(kernels):
    rows = [("kernel", "regs", "spill", "smem", "block", "occup.", "loads", "stores")]
    for name, cost in sorted(kernels.items()):
        widths = [" ".join(f"{w}B:{n}" for w, n in cost[kind].items()) for kind in ("loads", "stores")]
        rows.append((name, cost["registers"], cost["spill_bytes"], cost["shared_bytes"], cost["block"],
                     f"{cost['occupancy_percent']} %", *widths))
    columns = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [str(cell).ljust(w) if i in (0, 6, 7) else str(cell).rjust(w)
                 for i, (cell, w) in enumerate(zip(row, columns))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write(kernels, path):
    """One line per kernel, sorted: a change is a line in the diff."""
    lines = [f"{json.dumps(name)}: {json.dumps(kernels[name])}" for name in sorted(kernels)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with the table, fail where worse")
    action.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--build", default=ROOT / "build/cuda", help="build folder (default build/cuda)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at a time")
    options = parser.parse_args()
    try:
        kernels, files = measure(options.build, options.jobs)
    except RuntimeError as error:
        sys.exit(f"kernel_budget: {error}")
    if options.update:
        spilling = [name for name, cost in kernels.items() if cost["spill_bytes"]]
        if spilling:
            sys.exit("kernel_budget: not written, these spill: " + ", ".join(spilling))
        write(kernels, TABLE)
        print(f"{len(kernels)} kernels of {files} files written to {TABLE.relative_to(ROOT)}")
    elif options.check:
        old = json.loads(TABLE.read_text()) if TABLE.exists() else {}
        failures, notes = compare(old, kernels)
        for note in notes:
            print(f"changed, not worse  {note}")
        for failure in failures:
            print(f"FAILED              {failure}")
        if failures:
            sys.exit("kernel_budget: mend the kernels, or, where it is meant, run tools/kernel_budget.py"
                     " --update and commit the table with the reason")
        print(f"{len(kernels)} kernels of {files} files are within the budget")
    else:
        print(table(kernels))


if __name__ == "__main__":
    main()

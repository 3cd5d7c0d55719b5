"""Runs either side in processes of its own and reads their figures, for compare.py."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tools/compare"


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


class Adjoint:
    """Programs of a build, on the host backend."""

    name = "Adjoint"

    def __init__(self, program: Path, threads: int, seconds: float):
        self.program, self.seconds = program, seconds
        self.environment = {"ADJOINT_WORKERS": str(threads)}

    def bench(self, *arguments) -> dict:
        """The phases that `adjoint bench` found: name to median_ms, best_ms and more."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bench.json"
            command = [self.program, "bench", *arguments, "--device", "host", "--json", file]
            run([*command, "--seconds", self.seconds], self.environment)
            return {phase["name"]: phase for phase in json.loads(file.read_text())["phases"]}

    def optimizers(self) -> list[str]:
        return run([self.program.parent / "optimizer_bench", "--list"], {})[0].split()

    def optimizer(self, name: str) -> dict:
        """Of a method's step the best milliseconds, with the gradient's check and without."""
        line, _ = run([self.program.parent / "optimizer_bench", self.seconds, name], self.environment)
        _, checked, unchecked = line.split()
        return {"update": float(checked), "update_unchecked": float(unchecked)}

    def train(self, recipe: Path, epochs: int, data: Path | None, changes=()) -> tuple[float, int]:
        """Seconds of the median epoch, without validation, and the peak memory of training."""
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program, "train", recipe, "--out", folder, "--overwrite", "--quiet"]
            command += ["--set", f"train.epochs={epochs}", *changes, "--device", "host"]
            if data:
                command += ["--data", data]
            _, peak = run(command, self.environment)
            log = (Path(folder) / "log.txt").read_text()
        # The seconds stand in the log's lines: "epoch 1/3 ... 1.23 s".
        lines = [line.split() for line in log.splitlines()]
        found = [float(w[w.index("s") - 1]) for w in lines if "epoch" in w and "s" in w]
        return statistics.median(found), peak


class Torch:
    """Scripts of this folder, in a Python that has PyTorch."""

    name = "PyTorch"

    def __init__(self, python: str, threads: int, seconds: float):
        self.command = [python]
        self.options = ["--threads", threads, "--seconds", seconds]
        self.environment = {"OMP_NUM_THREADS": str(threads)}

    def script(self, name: str, *arguments) -> dict:
        command = [*self.command, HERE / name, *arguments, *self.options]
        found = json.loads(run(command, self.environment)[0])
        self.name = found["name"]
        return found

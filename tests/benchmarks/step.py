"""The train step beside its peers on the device of this machine: time of a step, of the first one, and memory.

    python -m tests.benchmarks.step backbone=densenet201 precision=mixed_bfloat16 batch=64 size=441 classes=81313 \
        peers=glr,keras,torch rounds=5 steps=6

All train the same: random weights and pixels, GeM, an embedding of 512, AdaCos(Semi), l2 on the head, Adam.

- glr: a job's train step.
- keras: a plain `tf.function` of the same parts.
- torch: PyTorch's eager mode with timm's network, of the extra `bench` or of another environment
  (torch_python=OTHER/bin/python).

Each is a process of its own. One after the other starts and makes its first steps; parallel_start=true starts all at
once, which is quicker and measures the first steps badly. Then they make `steps` steps in turns, `rounds` times,
because a machine's speed drifts; the table has the median. The start has its parts in a table of its own: imports,
building, tracing (PyTorch has none) and the first step, in seconds, and in brackets the seconds of all cores. Memory is
the framework's peak on a GPU, the peak of the process on a CPU. glr and keras have TensorFlow's settings of a job (on a
CPU, no graph optimizer). Of several GPUs, CUDA_VISIBLE_DEVICES chooses one.

Measure CPUs on an idle machine: PyTorch's threads wait in busy loops, so that other work slows it many times over.
OMP_WAIT_POLICY=passive makes that less.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

from glr.config.installation import pip_install
from tests.benchmarks.peer import PARTS

MODULES = {"glr": "peer_tensorflow", "keras": "peer_tensorflow", "torch": "peer_torch"}
TIMM = {
    "densenet121": "densenet121",
    "densenet201": "densenet201",
    "inception_resnet_v2": "inception_resnet_v2",
    "mobilenet_v3_small": "mobilenetv3_small_100",
    "resnet50_v2": "resnetv2_50",
    "resnet101_v2": "resnetv2_101",
    "xception": "legacy_xception",
}
COLUMNS = ("ms a step", "start to first step s", "peak GiB", "images/s", "million weights")
COLUMNS += ("first loss", "last loss")
GIB = 2**30


class Process:
    """A peer in a process of its own.

    Args:
        name: a key of `MODULES`.
        python: its interpreter.
        settings: what the peer computes, JSON.
    """

    def __init__(self, name: str, python: str, settings: Mapping[str, object]):
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        line = [python, "-m", f"tests.benchmarks.{MODULES[name]}", name]
        self._process = subprocess.Popen(
            [*line, json.dumps({**settings, "started": time.time()})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=Path(__file__).parents[2],
            env={"CUDA_VISIBLE_DEVICES": "0", **os.environ},
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self._process.terminate()
        with self._errors, suppress(BrokenPipeError):  # it has ended
            self._process.communicate()

    def answer(self) -> dict[str, Any]:
        """Wait for the next line.

        Raises:
            SystemExit: the process has ended.
        """
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().split("\n")
        reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        sys.exit(f"{self.name} failed (exit code {code}): {reason}")

    def step(self, steps: int) -> dict[str, Any]:
        """Make steps; return their seconds, the last loss and the peak memory."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it has ended; its answer is missing
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        return self.answer()


def main(
    backbone: str = "densenet201",
    precision: str = "float32",
    batch: str = "64",
    size: str = "441",
    classes: str = "81313",
    peers: str = "glr,keras,torch",
    rounds: str = "5",
    steps: str = "6",
    parallel_start: str = "false",
    torch_python: str = sys.executable,
) -> None:
    names = peers.split(",")
    check(names, backbone, precision, torch_python)
    settings = {"backbone": backbone, "timm": TIMM.get(backbone), "precision": precision}
    settings |= {"batch": int(batch), "size": int(size), "classes": int(classes)}
    at_once = parallel_start == "true"
    with ExitStack() as stack:
        processes: list[Process] = []
        firsts: list[dict[str, Any]] = []
        for name in names:
            python = torch_python if name == "torch" else sys.executable
            processes.append(stack.enter_context(Process(name, python, settings)))
            if not at_once:
                firsts.append(processes[-1].answer())
        firsts = firsts or [process.answer() for process in processes]
        devices = {first["device"] for first in firsts}
        if len(devices) > 1:
            sys.exit(f"the peers use different devices ({', '.join(sorted(devices))}): their times do not compare")
        turns = [[process.step(int(steps)) for process in processes] for _ in range(int(rounds))]
    versions = dict.fromkeys(first["versions"] for first in firsts)
    print(f"{devices.pop()}; {', '.join(versions)}")
    print(f"{backbone}, {precision}, {batch} images of {size} pixels, {classes} classes, {rounds} x {steps} steps")
    rows = [
        row(first, list(answers), int(batch), int(steps))
        for first, answers in zip(firsts, zip(*turns, strict=True), strict=True)
    ]
    if at_once:
        print("all started at once: their first steps took longer than they would alone")
    table(names, rows)
    starts(names, [first["parts"] for first in firsts])
    for name, (*_, first_loss, loss) in zip(names, rows, strict=True):
        if not loss < first_loss:
            sys.exit(f"{name} does not train: its loss went from {first_loss:.3f} to {loss:.3f}")


def check(names: Sequence[str], backbone: str, precision: str, torch_python: str) -> None:
    """Refuse what cannot run before anything starts."""
    if unknown := [name for name in names if name not in MODULES]:
        sys.exit(f"peers={unknown[0]}: give some of {', '.join(MODULES)}")
    if precision not in {"float32", "mixed_bfloat16"}:
        sys.exit(f"precision={precision}: give float32 or mixed_bfloat16")
    if "torch" not in names:
        return
    if backbone not in TIMM:
        sys.exit(f"backbone={backbone}: no name in timm is known for it; leave out torch, or give {', '.join(TIMM)}")
    find = "import importlib.util as u; raise SystemExit(not all(map(u.find_spec, ['torch', 'timm'])))"
    if subprocess.run([torch_python, "-c", find], check=False).returncode:
        sys.exit(f"{torch_python} lacks PyTorch or timm: {pip_install('bench')}, set torch_python, or leave out torch")


def row(first: Mapping[str, Any], answers: Sequence[Mapping[str, float]], batch: int, steps: int) -> list[float]:
    """A peer's numbers in the order of `COLUMNS`."""
    step = median(answer["seconds"] for answer in answers) / steps
    peak = max(answer["peak"] for answer in answers) / GIB
    start = sum(seconds for seconds, _ in first["parts"].values())
    return [step * 1e3, start, peak, batch / step, first["weights"] / 1e6, first["first_loss"], answers[-1]["loss"]]


def table(names: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    """Print the peers' numbers, and the first three of glr divided by the others'."""
    print(f"{'':<10}" + "".join(f"{text:>{len(text) + 2}}" for text in COLUMNS))
    lines = [(name, numbers, (1, 1, 2, 1, 2, 3, 3)) for name, numbers in zip(names, rows, strict=True)]
    of = dict(zip(names, rows, strict=True))
    for other in ("torch", "keras"):
        if "glr" in of and other in of:
            ratios = [own / theirs for own, theirs in zip(of["glr"][:3], of[other][:3], strict=True)]
            lines.append((f"glr/{other}", ratios, (2, 2, 2)))
    for name, numbers, digits in lines:
        cells = zip(COLUMNS, numbers, digits, strict=False)  # ratios end after the third column
        print(f"{name:<10}" + "".join(f"{number:>{len(text) + 2}.{after}f}" for text, number, after in cells))


def starts(names: Sequence[str], parts: Sequence[Mapping[str, Sequence[float]]]) -> None:
    """Print the parts of each peer's start."""
    print(f"\n{'start, s':<10}" + "".join(f"{part:>18}" for part in PARTS))
    for name, own in zip(names, parts, strict=True):
        cells = (f"{wall:.1f} ({cores:.1f})" for wall, cores in map(own.__getitem__, PARTS))
        print(f"{name:<10}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main(**dict(argument.split("=", 1) for argument in sys.argv[1:]))

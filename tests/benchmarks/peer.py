"""What each peer of `tests.benchmarks.step` does: make a first step, say so, then make steps when told to.

The parent writes a number of steps to the peer's stdin, a line each time; the peer answers with a line of JSON and ends
when stdin closes.
"""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

RATE, EMBEDDING, WEIGHT_DECAY = 1e-4, 512, 5e-4
PARTS = ("imports", "building", "tracing", "first step")
_WARM_UP = 3  # steps after the first one that are not measured


class Peer(NamedTuple):
    """A train step of one library.

    Attributes:
        trace: makes the graph of a step, as the first step would; None: there is none.
        step: begins a step; the result can still be on the device.
        loss: waits for a step's result and returns its loss.
        peak: the device's peak memory, bytes; None: the process's.
        weights: the number of trained weights, known after a step.
        device, versions: in words.
    """

    trace: Callable[[], object] | None
    step: Callable[[], Any]
    loss: Callable[[Any], float]
    peak: Callable[[], int] | None
    weights: Callable[[], int]
    device: str
    versions: str


def serve(make: Callable[[dict[str, Any]], Peer]) -> None:
    """Build a peer from the settings on the command line, JSON, and make the steps that stdin asks for."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    settings = json.loads(sys.argv[-1])
    clocks = [(settings["started"], 0.0), _clock()]
    peer = make(settings)
    clocks.append(_clock())
    if peer.trace:
        peer.trace()
    clocks.append(_clock())
    first_loss = peer.loss(peer.step())
    clocks.append(_clock())
    parts = [[after[0] - before[0], after[1] - before[1]] for before, after in pairwise(clocks)]
    for _ in range(_WARM_UP):
        peer.loss(peer.step())
    answer: dict[str, Any] = {"parts": dict(zip(PARTS, parts, strict=True)), "first_loss": first_loss}
    answer |= {"weights": peer.weights(), "device": peer.device, "versions": peer.versions}
    print(json.dumps(answer), file=answers, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        results = [peer.step() for _ in range(int(line))]
        loss = peer.loss(results[-1])
        seconds = time.perf_counter() - began
        answer = {"seconds": seconds, "loss": loss, "peak": peer.peak() if peer.peak else _resident()}
        print(json.dumps(answer), file=answers, flush=True)


def _clock() -> tuple[float, float]:
    """The time, and the time of all cores that this process has used, s."""
    return time.time(), time.process_time()


def processor() -> str:
    """The CPU in words."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:  # not on Linux
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _resident() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

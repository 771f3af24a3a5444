"""Jobs that are small scripts, and a view that remembers."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glr.sweep.job import Job, JobState

WORKER = Path(__file__).with_name("worker.py")


class Recorder:
    """A view that keeps every change, and does something at each tick."""

    def __init__(self, act: Callable[[], None] = lambda: None):
        self.changes: list[tuple[int, JobState]] = []
        self.most = 0
        self.told: list[int] = []
        self.pauses: list[float] = []
        self._act = act
        self._running: set[int] = set()

    def changed(self, job: Job) -> None:
        self.changes.append((job.number, job.state))
        (self._running.add if job.state == JobState.RUNNING else self._running.discard)(job.number)
        self.most = max(self.most, len(self._running))

    def tick(self) -> None:
        self._act()

    def stopping(self, running: int) -> None:
        self.told.append(running)

    def pausing(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def ask(self, question: str) -> str:
        raise AssertionError(question)


def command(job: Job) -> list[str]:
    return [sys.executable, "-I", "-S", str(WORKER), job.shown, str(job.folder)]


def starts(job: Job) -> list[float]:
    """Return when the job's processes began, by time.monotonic()."""
    return [float(line) for line in (job.folder / "starts").read_text().splitlines()]


def runs(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def job(number: int, state: JobState = JobState.WAITING, **values) -> Job:
    """A job in a given state; its folder does not exist."""
    return Job(number, [], values.pop("shown", f"seed={number}"), Path(f"none/{number - 1}"), state=state, **values)


@pytest.fixture
def jobs(tmp_path: Path) -> Callable[..., list[Job]]:
    """Jobs that behave as their names say."""

    def make(*behaviours: str) -> list[Job]:
        return [Job(n, [], name, tmp_path / str(n)) for n, name in enumerate(behaviours, start=1)]

    return make

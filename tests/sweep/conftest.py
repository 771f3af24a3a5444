"""Jobs that are small scripts, and a view that remembers."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from glr.config.check import composed
from glr.data.preparation import prepare
from glr.sweep.job import Job, JobState
from glr.tracking.store import connect
from tests.conftest import folder_source

WORKER = Path(__file__).with_name("worker.py")


class Recorder:
    """A view that keeps every change, and does something at each tick."""

    def __init__(self, act: Callable[[], None] = lambda: None):
        self.changes: list[tuple[int, JobState]] = []
        self.most = 0
        self.told: list[int] = []
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


def command(job: Job) -> list[str]:
    return [sys.executable, "-I", "-S", str(WORKER), job.shown, str(job.folder)]


def starts(job: Job) -> list[float]:
    """When the job's processes began, on the clock of time.monotonic()."""
    return [float(line) for line in (job.folder / "starts").read_text().splitlines()]


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
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


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store: to make one takes seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def demo_set(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set that says of itself that it is the demo's: to draw that takes a minute."""
    source: Any = OmegaConf.to_container(composed("train", [])[0].data.source, resolve=True)
    target = tmp_path_factory.mktemp("demo") / "set"
    prepare(folder_source(class_folders), target, settings=source)
    return target


@pytest.fixture
def store(tmp_path: Path, new_store: Path, demo_set: Path) -> Path:
    """An empty store of the test's own, where train's settings expect it, and the data set that they name."""
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/demo").symlink_to(demo_set)
    return Path(shutil.copy(new_store, tmp_path / "mlruns/mlflow.db"))


@pytest.fixture
def jobs(tmp_path: Path) -> Callable[..., list[Job]]:
    """Jobs that behave as they are called."""

    def make(*behaviours: str) -> list[Job]:
        return [Job(n, [], name, tmp_path / str(n)) for n, name in enumerate(behaviours, start=1)]

    return make

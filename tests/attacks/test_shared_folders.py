"""Members of a group continue each other's work in a shared folder; an error names a file system without locks."""

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glr import storage
from glr.errors import GlrError
from glr.storage.lock import held
from glr.tracking.entries import Tags
from glr.tracking.journal import Journal, Progress
from glr.tracking.store import connect
from glr.tuning.storage import opened
from tests.conftest import here


@pytest.fixture
def group() -> Iterator[None]:
    """The umask of people who share folders."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def lock(folder: Path) -> None:
    with held(folder / "x.lock"):
        pass


def journal(folder: Path) -> None:
    opened = Journal(folder / "journals", "run")
    opened.append(Tags({}))
    opened.keep(b"x", "y")
    opened.note_sent(Progress())
    opened.close()


MAKES: dict[str, Callable[[Path], object]] = {
    "lock": lock,
    "journal": journal,
    "note": lambda folder: storage.write(folder / "below/run.json", b"{}", overwrite=True),
    "search": lambda folder: opened(folder / "below/searches.journal"),
    "store": lambda folder: connect(f"sqlite:///{folder}/below/mlflow.db"),
}


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_the_group_may_write_what_the_umask_lets_it(tmp_path: Path, make: Callable[[Path], object]):
    make(tmp_path)
    made = list(tmp_path.rglob("*"))
    assert made
    assert [path for path in made if not path.stat().st_mode & 0o020] == []


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    def flock(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)
    return os.strerror(request.param)


CODES = [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL]


@pytest.mark.parametrize("no_flock", CODES, ids=map(os.strerror, CODES), indirect=True)
def test_a_file_system_without_flock(tmp_path: Path, no_flock: str):
    mounts = {line.split()[1]: line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    point = max((point for point in mounts if tmp_path.is_relative_to(point)), key=len)
    named = (
        rf"x\.lock cannot be locked: the file system {mounts[point]} at {re.escape(point)} has no flock \({no_flock}\)"
    )
    with pytest.raises(GlrError, match=named):
        lock(tmp_path)


@pytest.mark.parametrize("no_flock", [errno.ENOLCK], indirect=True)
@pytest.mark.parametrize("line", ["prepare data=folder data.source.path=images data.path=set", "compare study=x"])
@pytest.mark.usefixtures("no_flock")
def test_a_command_without_flock(tmp_path: Path, line: str):
    output = here(*line.split(), cwd=tmp_path)
    assert re.fullmatch(
        r"error: .*lock cannot be locked: the file system \w+ at /.* has no flock \(.*\); keep .*", output
    )

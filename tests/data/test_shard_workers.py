"""A killed preparation continues: nothing is half-written, nothing is written twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.data.preparation import Options, prepare
from tests.conftest import ROOT, folder_source
from tests.data.conftest import contents

PROGRAM = """
import sys
from glr.data.preparation import Options, prepare
from glr.data.source import FolderSource
if __name__ == "__main__":
    source, target, workers = sys.argv[1:]
    source = FolderSource(path=source, retrieval_classes=0.25, query_images=0.25, seed=3)
    prepare(source, target, Options(shard_images=24, workers=int(workers)), settings={})
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 classes of 24 images that take a while to check."""
    folder = tmp_path_factory.mktemp("many")
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(folder / "image.jpg")
    content = (folder / "image.jpg").read_bytes()
    (folder / "image.jpg").unlink()
    for number in range(40):
        (folder / f"{number:02d}").mkdir()
        for image in range(24):
            (folder / f"{number:02d}/{image}.jpg").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files that an uninterrupted preparation writes."""
    target = tmp_path_factory.mktemp("whole") / "data"
    return contents(prepare(folder_source(many), target, Options(shard_images=24), settings={}).path)


def started(many: Path, target: Path, workers: int) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, str(many), str(target), str(workers)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never came to that")


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_half_way_it_continues_and_gives_the_same_bytes(
    many: Path, whole: dict[str, str], tmp_path: Path, workers: int
):
    partial = tmp_path / "out.partial"
    process = started(many, tmp_path / "out", workers)
    until(lambda: len(list(partial.glob("*.tfrec"))) >= 8)
    process.send_signal(signal.SIGKILL)  # the parent alone: its workers must find out
    process.wait()
    until(lambda: not any(alive(pid) for pid in members(process.pid)))
    kept = {p: p.stat().st_mtime_ns for p in partial.glob("*.tfrec") if (partial / done_of(p)).exists()}
    assert 8 <= len(kept) < 40
    assert not (tmp_path / "out").exists()
    # As it would be if the kill had come while a worker took its note of a shard.
    (partial / "train-00000-of-00030.done.json.0123456789abcdef.part").write_text("[")
    again = started(many, tmp_path / "out", workers)
    assert again.wait(120) == 0, again.stderr.read()
    assert contents(tmp_path / "out") == whole
    assert all((tmp_path / "out" / p.name).stat().st_mtime_ns == written for p, written in kept.items())
    assert not partial.exists()


def test_a_killed_worker_ends_it_and_the_finished_shards_are_kept(many: Path, tmp_path: Path):
    process = started(many, tmp_path / "out", 2)
    until(lambda: len(list((tmp_path / "out.partial").glob("*.done.json"))) >= 2)
    workers = [pid for pid in members(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    _, printed = process.communicate(timeout=60)
    assert (
        b"out.partial: a worker process was killed (out of memory? give workers=1); finished shards are kept" in printed
    )
    assert len(list((tmp_path / "out.partial").glob("*.done.json"))) >= 2
    assert not (tmp_path / "out").exists()


def done_of(shard: Path) -> str:
    return f"{shard.name.rpartition('-')[0]}.done.json"


def members(session: int) -> list[int]:
    """The processes of a session that was started here."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    children.append(int(entry.name))
            except ProcessLookupError:
                continue
    return children


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

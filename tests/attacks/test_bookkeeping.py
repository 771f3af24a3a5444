"""Damaged notes are set aside, runs of one name stay separate, and leftovers of killed processes are cleared."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr.config.check import composed
from glr.config.identity import Identity, settings_of
from glr.data.pictures import StoredPictures
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval.descriptors import DescriptorWriter, files, load
from glr.retrieval.extraction import extract
from glr.storage import lock
from glr.train.checkpoint import clear
from glr.train.claim import Claim, claimed
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs
from tests.processes.forks import Forks, forks
from tests.retrieval.test_extraction import expected, extractor


def claim(config: Any, seed: int = 0, **options: Any) -> Claim:
    """Claim the job of a seed and release it, as a killed process does."""
    identity = Identity(settings_of(config) | {"seed": seed}, "abc")
    with claimed(config, identity, "a name", **{"alone": True, "journal": "new"} | options) as claimed_job:
        return claimed_job


@pytest.fixture(scope="module")
def settings() -> Any:
    return composed("train", ["backbone=small_cnn"])[0]


@pytest.fixture
def config(settings: Any, tmp_path: Path) -> Any:
    changed = settings.copy()
    changed.checkpoint.path, changed.tracking.journal = f"{tmp_path}/checkpoints", f"{tmp_path}/journal"
    return changed


GOOD = {"study": "demo", "name": "a name", "journal": "one", "attempt": 1, "key": "k", "data": "d", "digest": "x"}
GOOD |= {"settings": {}, "time": 1.0, "holder": "h", "abandoned": False}
NOTES = [
    b"",
    b"{",
    bytes(200),
    b"\xff\xfe",
    b"null",
    b"[]",
    b"[" * 100_000,
    b"{}",
    json.dumps(GOOD | {"attempt": "1"}).encode(),
    json.dumps(GOOD | {"settings": []}).encode(),
    json.dumps(GOOD | {"time": None}).encode(),
    json.dumps(GOOD | {"journal": "../../x"}).encode(),
]


@pytest.mark.parametrize("content", NOTES, ids=range(len(NOTES)))
def test_a_damaged_note_blocks_nothing(config: Any, capsys: pytest.CaptureFixture, content: bytes):
    """It blocks neither its own run, which keeps its checkpoints, nor another run of the same name."""
    folder = Path(claim(config).folder)
    (folder / "step-0000000001.npz").write_bytes(b"x")
    (folder / "run.json").write_bytes(content)
    assert not claim(config, seed=1).continues
    own = claim(config)
    assert (own.continues, own.attempt) == (True, 1)
    assert (folder / "run.json.damaged").read_bytes() == content
    assert capsys.readouterr().err.count("run.json is damaged, or of an earlier version: set aside as") == 1


@pytest.mark.parametrize("content", [b"{", b"[1, 2]"])
def test_resume_never_starts_anew_beside_a_damaged_note(config: Any, content: bytes):
    folder = Path(claim(config).folder)
    (folder / "step-0000000001.npz").write_bytes(b"x")
    (folder / "run.json").write_bytes(content)
    config.resume = type(config.resume).never
    assert not claim(config).continues
    assert [file.name for file in folder.iterdir()] == ["run.json"]


def zeroed(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-100] + bytes(100))


def shortened(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-48])


def swapped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES = [(zeroed, 1), (shortened, 1), (swapped, 1), (emptied, 1), (swapped, 0), (emptied, 0), (swapped, 2)]
DAMAGE_IDS = [f"{damage.__name__} {('ids', 'values', 'checksums')[which]}" for damage, which in DAMAGES]


@pytest.fixture(scope="module")
def described(small_data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Callable, Path]:
    """Descriptions of a set, and a folder with them."""
    describer, folder = extractor(), tmp_path_factory.mktemp("described")

    def describe(place: Path) -> Any:
        return extract(describer, StoredPictures(small_data, "train"), place, "train", parallelism=1)

    describe(folder)
    return describe, folder


def copied(source: Path, target: Path) -> Path:
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize(("damage", "which"), DAMAGES, ids=DAMAGE_IDS)
def test_damaged_descriptors_are_made_anew(described, small_data, tmp_path: Path, damage: Callable, which: int):
    describe, made = described
    damage(files(copied(made, tmp_path), "train")[which])
    descriptors = describe(tmp_path)
    ids, values = expected(small_data)
    assert descriptors.ids == ids
    np.testing.assert_allclose(descriptors.values, values, atol=1e-3)


@pytest.mark.parametrize(("damage", "which"), DAMAGES, ids=DAMAGE_IDS)
def test_an_ensemble_refuses_damaged_descriptors(described, tmp_path: Path, damage: Callable, which: int):
    damage(files(copied(described[1], tmp_path), "train")[which])
    with pytest.raises(GlrError, match=r"is damaged \(wrong checksum\); store them again"):
        load(tmp_path, "train")


@pytest.mark.parametrize("part", [1, 2])
def test_what_a_crash_of_the_machine_has_zeroed_is_described_again(described, small_data, tmp_path: Path, part: int):
    """Files that grow keep their length and lose their end."""
    writer = DescriptorWriter(tmp_path, "train", small_data.images("train"), "float32")
    whole = load(described[1], "train")
    for start in range(0, 30, 10):
        writer.append(whole.ids[start : start + 10], whole.values[start : start + 10])
    file = writer._parts[part]
    content = file.read_bytes()
    file.write_bytes(content[:-5] + bytes(5))
    descriptors = described[0](tmp_path)
    assert descriptors.ids == whole.ids
    np.testing.assert_array_equal(descriptors.values, whole.values)


@pytest.fixture(scope="module")
def light() -> Iterator[Forks]:
    with forks(without=["tensorflow", "keras", "mlflow"]) as opened:
        yield opened


FOLDERS = """
from glr.config.resolvers import setup
from glr.config.composition import composition
setup()
print([composition(command, ()).hydra.sweep.dir for command in ("train", "evaluate", "ensemble")])
"""


def test_sweeps_of_the_same_second_have_folders_of_their_own(light: Forks, tmp_path: Path):
    first, second = (eval(light.output(FOLDERS, command="-c", cwd=tmp_path).stdout) for _ in range(2))
    for names in zip(first, second, strict=True):
        tokens = [re.findall(r"^mlruns/outputs/\w+/[\d-]+_[\d-]+_([0-9a-f]{6})$", name) for name in names]
        assert tokens[0] != tokens[1]
        assert all(tokens)


@pytest.mark.parametrize(("alone", "seconds"), [(False, 0), (False, 0.3), (True, 0.3)])
def test_a_job_that_another_process_completed_is_not_trained_again(config: Any, alone: bool, seconds: float):
    from glr.train.claim import DoneError

    identity = Identity(settings_of(config) | {"seed": 0}, "abc")
    (root := Path(config.checkpoint.path)).mkdir()
    file = lock.acquire(root / f"{identity.folder}.lock")
    threading.Timer(seconds, os.close, [file]).start()
    time.sleep(0 if seconds else 0.1)
    run: Any = object()
    with pytest.raises(DoneError) as done:
        claim(config, alone=alone, finished=lambda: run)
    assert done.value.run is run
    config.sweep.rerun = "all"
    assert claim(config, alone=alone, finished=lambda: run).attempt == 1


def test_a_lock_that_is_held_for_long_is_said(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch):
    monkeypatch.setattr(lock, "_LONG", 0.1, raising=False)
    file = lock.acquire(tmp_path / "lock")
    threading.Timer(0.5, os.close, [file]).start()
    with lock.held(tmp_path / "lock"):
        pass
    assert capsys.readouterr().err == f"waiting for {tmp_path}/lock, which another process holds\n"


LEAVES = """
import sys, time
from pathlib import Path
from glr.storage.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "export").write_text("much")
    Path("ready").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_folders_of_killed_processes_are_cleared_and_no_others(light: Forks, tmp_path: Path, killed: bool):
    from glr.storage.temporary import temporary_folder

    place = tmp_path / "place"
    (place / "glr-mine").mkdir(parents=True)
    (place / "glr-mine.lock").touch()
    (place / ".glr-0123456789abcdef").mkdir()  # belongs to a program that does not lock
    process = light.start(LEAVES, str(place), command="-c", cwd=tmp_path)
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    before = set(place.iterdir())
    if killed:
        os.kill(process, signal.SIGKILL)
        light.wait(process)
    with temporary_folder(place) as own:
        left = set(place.iterdir()) - {own, own.with_name(f"{own.name}.lock")}
    assert left == (
        {place / "glr-mine", place / "glr-mine.lock", place / ".glr-0123456789abcdef"} if killed else before
    )
    assert set(place.iterdir()) == left
    if not killed:
        os.kill(process, signal.SIGKILL)


def test_a_complete_run_succeeds_where_deletes_are_refused(gcs: Gcs, gcs_folder: str, config: Any, capsys):
    config.checkpoint.path = gcs_folder
    own = claim(config)
    gcs.fault(Fault("DELETE", "/o/", 403, times=1000))
    own.release()
    assert capsys.readouterr().err.count("that are no longer needed cannot be deleted") == 1
    with pytest.raises(GlrError, match="permission denied"):
        clear(own.folder)  # a run that starts over must not continue from them

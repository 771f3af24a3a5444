"""Preparing a data set leaves alone what it did not make, and one process at a time prepares it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from glr import storage
from glr.data import claim, preparation
from glr.data.opening import open_data
from glr.data.preparation import prepare
from glr.data.prepared import PreparedData
from glr.data.publishing import published
from glr.data.shard_task import ShardTask, clear, reports
from glr.errors import GlrError
from tests.conftest import folder_source
from tests.data.test_opening import config
from tests.gcs.fixture import Gcs

FOREIGN = "train-00000-of-00004-500.tfrec"


@pytest.mark.parametrize(
    "name",
    [FOREIGN, "train-00000-of-00004.done.json", "index.csv", "retrieval_solution.csv", "deep/below/x", ".opening"],
)
@pytest.mark.parametrize("place", ["local", "bucket"])
def test_a_folder_with_other_files(class_folders: Path, tmp_path: Path, request, place: str, name: str):
    root = str(tmp_path) if place == "local" else request.getfixturevalue("gcs_folder")
    path = f"{root}/set"
    storage.write(storage.join(path, name), b"somebody's")
    storage.write(storage.join(path, "y"), b"somebody's")
    with pytest.raises(GlrError, match=r"set holds other .*; give data\.path another folder") as refusal:
        prepare(folder_source(class_folders), path, settings={})
    assert "delete" not in str(refusal.value)
    assert {file: storage.read(storage.join(path, file)) for file in storage.files(path)} == dict.fromkeys(
        (name, "y"), b"somebody's"
    )


def test_an_unfinished_folder_that_is_somebody_elses(class_folders: Path, tmp_path: Path):
    (tmp_path / "set.partial").mkdir()
    for name in ("movie.part", "notes.txt"):
        (tmp_path / "set.partial" / name).write_text("somebody's")
    with pytest.raises(GlrError, match=r"set\.partial holds other files \(movie\.part\); give data\.path"):
        prepare(folder_source(class_folders), f"{tmp_path}/set", settings={})
    assert sorted(file.name for file in (tmp_path / "set.partial").iterdir()) == ["movie.part", "notes.txt"]


@pytest.mark.parametrize("kept", [[], ["lost+found"]])
def test_an_empty_folder_is_filled_where_it_is(class_folders: Path, tmp_path: Path, kept: list[str]):
    """The folder may be a mounted volume: it cannot be renamed, and its parent is on another disk."""
    for name in ["", *kept]:
        (tmp_path / "set" / name).mkdir()
    inode = (tmp_path / "set").stat().st_ino
    wanted = config(class_folders, f"{tmp_path}/set")
    assert open_data(wanted, prepare=True).images("train") == 72
    assert (tmp_path / "set").stat().st_ino == inode
    assert [file.name for file in tmp_path.iterdir()] == ["set"]
    assert not [file for file in (tmp_path / "set").iterdir() if file.name.startswith(".")]


def test_what_was_begun_in_an_empty_folder_is_continued(class_folders: Path, tmp_path: Path):
    (tmp_path / "set").mkdir()
    bad = copied(class_folders, tmp_path / "images") / "class00/0.jpg"
    good = bad.read_bytes()
    bad.write_bytes(b"")
    with pytest.raises(GlrError, match="1 image is bad"):
        prepare(folder_source(tmp_path / "images"), tmp_path / "set", settings={})
    bad.write_bytes(good)
    assert prepare(folder_source(tmp_path / "images"), tmp_path / "set", settings={}).images("train") == 72


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_BEAT", 0.1)
    monkeypatch.setattr(claim, "_SILENCE", 1.0)


CLAIMING = """
import sys, time
from glr.data import claim
claim._BEAT = 0.1
with claim.claimed(sys.argv[1]):
    from glr import storage
    storage.write(sys.argv[1] + "/begun", b"")
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(gcs: Gcs, gcs_folder: str) -> Iterator[subprocess.Popen]:
    """Start a process that claims the folder `set`; yields the process."""
    line = [sys.executable, "-c", CLAIMING, f"{gcs_folder}/set"]
    with subprocess.Popen(line, env=gcs.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


@pytest.mark.usefixtures("quick")
def test_the_second_of_two_says_who_is_first(class_folders: Path, gcs_folder: str, other: subprocess.Popen):
    with pytest.raises(
        GlrError, match=rf"is being prepared by another process \(process {other.pid} on .*, since .*\)"
    ):
        prepare(folder_source(class_folders), f"{gcs_folder}/set", settings={})
    assert set(storage.files(f"{gcs_folder}/set")) == {"begun", ".preparing"}


@pytest.mark.usefixtures("quick")
def test_the_claim_of_a_killed_process_is_taken_over(class_folders: Path, gcs_folder: str, other: subprocess.Popen):
    other.kill()
    data = prepare(folder_source(class_folders), f"{gcs_folder}/set", settings={})
    assert "begun" in storage.files(data.path)
    assert ".preparing" not in storage.files(data.path)


def take_over(path: str, claim: bytes) -> None:
    """Overwrite a claim between two signs of life."""
    for _ in range(100):
        with suppress(GlrError):  # its holder has just rewritten it
            storage.write(path, claim, overwrite=True)
            return
    pytest.fail("the claim was never quiet")


@pytest.mark.usefixtures("quick")
def test_whoever_was_taken_for_dead_writes_no_manifest(class_folders: Path, gcs_folder: str, monkeypatch):
    path, plain = f"{gcs_folder}/set", preparation.write_tables

    def meanwhile(*arguments: object) -> None:
        take_over(f"{path}/.preparing", b'{"holder": "process 7 on elsewhere"}')
        time.sleep(0.5)
        plain(*arguments)

    monkeypatch.setattr(preparation, "write_tables", meanwhile)
    with pytest.raises(GlrError, match=r"is being prepared by another process \(process 7 on elsewhere\)"):
        prepare(folder_source(class_folders), path, settings={})
    assert "manifest.json" not in storage.files(path)
    assert b"elsewhere" in storage.read(f"{path}/.preparing")


WRITING = """
import sys, time
from glr.data.publishing import published
with published("gs://bucket/set") as (file, publish):
    file.write(b"much")
    print("written", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_that_wrote_to_a_bucket_leaves_no_shard(tmp_path: Path, monkeypatch):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    line = [sys.executable, "-c", WRITING]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with published("gs://bucket/set"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_bad_source_leaves_no_claim(gcs_folder: str, tmp_path: Path):
    with pytest.raises(GlrError, match="no such folder"):
        prepare(folder_source(tmp_path / "nowhere"), f"{gcs_folder}/set", settings={})
    assert storage.files(f"{gcs_folder}/set") == {}


@pytest.mark.parametrize("shard", ["../victim", "/etc/victim", "b-00000-of-00001-3.tfrec", 7])
def test_a_note_that_names_a_file_of_others(tmp_path: Path, shard: object):
    folder = tmp_path / "set"
    folder.mkdir()
    for victim in (tmp_path / "victim", folder / "b-00000-of-00001-3.tfrec"):
        victim.write_bytes(b"somebody's")
    note = ["digest", {"file": shard, "records": 3, "size": 1, "crc32c": "", "blocks": []}, []]
    (folder / "a-00000-of-00001.done.json").write_text(json.dumps(note))
    clear(str(folder), set())
    assert (tmp_path / "victim").exists()
    assert [file.name for file in folder.iterdir()] == ["b-00000-of-00001-3.tfrec"]


@pytest.mark.parametrize("content", ["", "[]", "[1, {}, []]", '["x", {"file": "a"}, []]', '["x", null, 3]'])
def test_a_damaged_note(tmp_path: Path, content: str):
    (tmp_path / "train-00000-of-00001.done.json").write_text(content)
    assert list(reports(str(tmp_path))) == []
    task = ShardTask(str(tmp_path), "train-00000-of-00001", [], None, 255, True, 2)
    assert task.finished(storage.files(tmp_path)) is None


@pytest.mark.parametrize(
    "refused",
    [
        lambda data: data.check_settings({"source.seed": 4}),
        lambda data: prepare(folder_source("images"), data.path, settings={}),
    ],
    ids=["other settings", "the same path"],
)
def test_no_message_advises_to_delete_a_data_set(small_data: PreparedData, refused: Callable[[PreparedData], object]):
    with pytest.raises(GlrError) as refusal:
        refused(small_data)
    assert "delete" not in str(refusal.value)
    assert "give data.path another folder" in str(refusal.value)

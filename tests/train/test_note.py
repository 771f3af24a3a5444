"""A run's note: what is written is read, and a damaged one is set aside."""

import json
from pathlib import Path

import pytest

from glr import storage
from glr.train.note import ASIDE, NOTE, read, write
from tests.gcs.emulator import Fault
from tests.gcs.fixture import Gcs

OWN = {"study": "s", "name": "n", "journal": "j-1", "attempt": 2, "holder": "h", "key": "k", "data": "d"}
OWN |= {"settings": {"a": 1}, "time": 3.5, "abandoned": False}


def test_a_note_is_read_as_it_was_written(tmp_path: Path):
    assert read(str(tmp_path)) is None
    write(str(tmp_path), OWN)
    assert read(str(tmp_path)) == OWN
    write(str(tmp_path), OWN | {"attempt": 3})
    assert read(str(tmp_path)) == OWN | {"attempt": 3}


WRONG = [OWN | {"attempt": "2"}, OWN | {"journal": "../j"}, *({k: OWN[k] for k in OWN if k != lost} for lost in OWN)]


@pytest.mark.parametrize("content", ["", "[", "[]", "3", "null", "[" * 100_000, *map(json.dumps, WRONG)], ids=len)
def test_a_damaged_note_is_set_aside(content: str, tmp_path: Path, capsys):
    (tmp_path / NOTE).write_text(content)
    assert read(str(tmp_path)) is None
    assert not (tmp_path / NOTE).exists()
    assert (tmp_path / ASIDE).read_text() == content
    assert capsys.readouterr().err == f"{tmp_path}/{NOTE} is damaged, or of an earlier version: set aside as {ASIDE}\n"


def test_a_note_that_another_machine_deletes_meanwhile_is_missing(
    gcs_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    exists = storage.exists
    for folder in (gcs_folder, str(tmp_path)):
        write(folder, OWN)
        with monkeypatch.context() as patch:
            patch.setattr(storage, "exists", lambda path: exists(path) and (storage.delete(path) or True))
            assert read(folder) is None


def test_a_note_that_another_machine_replaces_meanwhile_is_read_anew(gcs: Gcs, gcs_folder: str):
    write(gcs_folder, OWN)
    gcs.fault(Fault("GET", "run.json?alt=media", 412))
    assert read(gcs_folder) == OWN
    assert [request.status for request in gcs.log() if "alt=media" in request.path] == [412, 206]

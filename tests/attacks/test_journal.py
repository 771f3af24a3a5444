"""Damaged journals lose only the damaged records."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.tracking.entries import Artifact, End, Metrics, as_json
from glr.tracking.sender import send_left_behind
from tests.attacks.records import journal_of, local, recorded, steps

# Damage to the lines of a journal: 0 opens the run, 2 to 6 are the losses of steps 0 to 4, 7 a file, 8 the end.
DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], list[int]]] = {
    "garbage between": (lambda lines: [*lines[:4], b"garbage", *lines[4:]], [0, 1, 2, 3, 4]),
    "zeros between": (lambda lines: [*lines[:4], bytes(40), *lines[4:]], [0, 1, 2, 3, 4]),
    "no text": (lambda lines: [*lines[:4], b"\xff\xfe{", *lines[4:]], [0, 1, 2, 3, 4]),
    "an empty line": (lambda lines: [*lines[:4], b"", *lines[4:]], [0, 1, 2, 3, 4]),
    "deep brackets": (lambda lines: [*lines[:4], b"[" * 100_000, *lines[4:]], [0, 1, 2, 3, 4]),
    "a line in two": (lambda lines: [*lines[:4], lines[4][:20], lines[4][20:], *lines[5:]], [0, 1, 3, 4]),
    "two lines in one": (lambda lines: [*lines[:4], lines[4] + lines[5], *lines[6:]], [0, 1, 4]),
    "another digit": (lambda lines: [*lines[:4], lines[4].replace(b"2.5", b"2.9"), *lines[5:]], [0, 1, 3, 4]),
    "another step": (
        lambda lines: [*lines[:4], lines[4].replace(b'"step": 2', b'"step": 7'), *lines[5:]],
        [0, 1, 3, 4],
    ),
    "a damaged end": (lambda lines: [*lines[:-1], lines[-1][:-5] + b"xxxxx"], [0, 1, 2, 3, 4]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_line(work: Path, damage: str):
    uri = local(work)
    journal = journal_of(work, uri, *(Metrics({"loss": step + 0.5}, step) for step in range(5)))
    journal.append(Artifact(journal.keep(b"a: 1\n", "config.yaml"), None))
    journal.append(End("FINISHED", {}))
    journal.close()
    change, arrive = DAMAGES[damage]
    journal.path.write_bytes(b"\n".join(change(journal.path.read_bytes().splitlines())) + b"\n")
    sent, left = send_left_behind(work / "journal", uri)
    assert (sent, len(left)) == (0, 1)
    assert "of the journal is damaged" in left[0]
    assert steps(uri) == arrive
    assert [file.path for file in MlflowClient(uri).list_artifacts(recorded(uri).info.run_id)] == ["config.yaml"]
    assert (work / "journal/j.refused").exists()


def test_files_in_the_folder_that_are_no_journals(work: Path, tmp_path: Path):
    """Such files stay unchanged whatever they hold, and so do folders of the same name."""
    folder = work / "journal"
    (folder / "data").mkdir(parents=True)
    contents = {"data.jsonl": '{"a": 1}', "more.jsonl": '{"a": 1}\n{"b"', "none.jsonl": "", "data/photo.jpg": "photo"}
    for name, content in contents.items():
        (folder / name).write_text(content)
    (tmp_path / "precious.bin").write_text("no line end")
    (folder / "link.jsonl").symlink_to(tmp_path / "precious.bin")
    os.mkfifo(folder / "pipe.jsonl")
    sent, left = send_left_behind(folder, local(work))
    assert (sent, len(left)) == (0, 1)
    assert "more.jsonl" in left[0]
    assert {name: (folder / name).read_text() for name in contents} == contents
    assert (tmp_path / "precious.bin").read_text() == "no line end"


# Lines of a journal that can be parsed, but of values that no version wrote.
@pytest.mark.parametrize("line", [
    '{"kind": "metrics", "values": {"loss": [1]}, "step": 1, "time": 5}',
    '{"kind": "metrics", "values": "loss", "step": 1, "time": 5}',
    '{"kind": "metrics", "values": {"loss": 1.5}, "step": 1%s, "time": 5}' % ("0" * 30),
    '{"kind": "metrics", "values": {"loss": 1.5}, "step": "1", "time": 5}',
    '{"kind": "tags", "values": {"device": 5}}',
    '{"kind": "params", "values": ["device"]}',
    '{"kind": "continue", "values": {}, "attempt": "2"}',
    '{"kind": "dataset", "name": 5, "digest": "d", "path": "p", "context": "c", "profile": {}}',
    '{"kind": "end", "status": "FINISHED", "values": null, "time": 5}',
])  # fmt: skip
def test_a_record_of_odd_values_blocks_nothing(work: Path, line: str):
    uri = local(work)
    journal = journal_of(work, uri)
    journal.close()
    end = json.dumps(as_json(End("FINISHED", {})))
    last = '{"kind": "metrics", "values": {"loss": 0.5}, "step": 2, "time": 5}'
    with journal.path.open("a") as file:
        file.write(f"{line}\n{last}\n{end}\n")
    sent, left = send_left_behind(work / "journal", uri)
    assert (sent, len(left)) == (0, 1)
    assert "j.jsonl: 1 records wait" in left[0]
    assert (steps(uri), recorded(uri).info.status) == ([2], "FINISHED")


@pytest.mark.parametrize(("place", "folder", "sentence"), [
    ("{work}/secret", None, "is outside of"),
    ("../../secret", None, "is outside of"),
    ("000002/../../../secret", None, "is outside of"),
    ("link", None, "is outside of"),
    ("own", "..", "outside of the run's files"),
    ("own", "../..", "outside of the run's files"),
    ("own", "{work}", "outside of the run's files"),
])  # fmt: skip
def test_a_place_outside(work: Path, place: str, folder: str | None, sentence: str):
    uri = local(work)
    (work / "secret").write_text("mine")
    journal = journal_of(work, uri)
    own = journal.keep(b"x", "secret")
    (work / "journal/j/link").symlink_to(work / "secret")
    journal.append(Artifact(place.format(work=work) if place != "own" else own, folder and folder.format(work=work)))
    journal.append(Metrics({"loss": 0.5}, 1))
    journal.append(End("FINISHED", {}))
    journal.close()
    _, left = send_left_behind(work / "journal", uri)
    assert sentence in left[0]
    assert (work / "secret").read_text() == "mine"
    assert not [file for file in (work / "files").rglob("*") if file.is_file()]
    assert (steps(uri), recorded(uri).info.status) == ([1], "FINISHED")


@pytest.mark.parametrize("note", [
    "[]", "5", '{"next": "x"}', '{"next": null}', '{"next": 2, "later": 5}',
    '{"next": 4, "later": [99]}',
    '{"next": 4, "later": [-1]}', '{"next": 4, "later": ["x"]}', '{"next": 1e999}', '{"next": -3}',
])  # fmt: skip
def test_a_damaged_note_of_what_was_sent(work: Path, note: str):
    uri = local(work)
    journal = journal_of(work, uri, Metrics({"loss": 0.5}, 1), Metrics({"loss": 0.5}, 2), End("FINISHED", {}))
    journal.close()
    (work / "journal/j").mkdir()
    (work / "journal/j/sent.json").write_text(note)
    assert send_left_behind(work / "journal", uri) == (1, [])
    assert (steps(uri), recorded(uri).info.status) == ([1, 2], "FINISHED")

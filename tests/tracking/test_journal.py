"""A journal holds what was appended, whatever cuts it off; and belongs to one process."""

import subprocess
import sys
from pathlib import Path

import pytest

from glr.errors import GlrError
from glr.tracking.entries import Artifact, Damaged, End, Metrics
from glr.tracking.journal import BusyError, Journal, left_behind
from tests.conftest import ROOT, no_file_beyond


def entry(number: int) -> Metrics:
    return Metrics({"loss": number + 0.1}, number, time=0)


def test_what_was_appended_is_there_again(tmp_path: Path):
    journal = Journal(tmp_path, "a")
    for number in range(3):
        journal.append(entry(number))
    journal.close()
    again = Journal(tmp_path, "a")
    assert again.entries == [entry(number) for number in range(3)]
    assert not again.ended
    again.append(End("FINISHED", {}))
    assert again.ended


@pytest.mark.parametrize("tail", [b"{", b'{"kind": "metr', b'{"kind": "end"}', b"\x00" * 50])
def test_a_last_line_that_was_cut_off_is_dropped(tmp_path: Path, tail: bytes):
    journal = Journal(tmp_path, "a")
    journal.append(entry(0))
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + tail)
    again = Journal(tmp_path, "a")
    assert again.entries == [entry(0)]
    again.append(entry(1))
    assert again.path.read_bytes().startswith(whole)
    again.close()
    assert Journal(tmp_path, "a").entries == [entry(0), entry(1)]


def test_a_damaged_line_keeps_its_number(tmp_path: Path):
    journal = Journal(tmp_path, "a")
    for number in range(3):
        journal.append(entry(number))
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole.replace(b"1.1", b"1.2"))
    again = Journal(tmp_path, "a")
    assert again.entries == [entry(0), Damaged(2), entry(2)]
    again.append(entry(3))
    again.close()
    assert Journal(tmp_path, "a").entries[1:] == [Damaged(2), entry(2), entry(3)]


def test_nothing_is_set_aside_in_the_place_of_another(tmp_path: Path):
    for number in range(3):
        journal = Journal(tmp_path, "a")
        journal.append(entry(number))
        journal.set_aside()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.refused", "a.refused-2", "a.refused-3"]


def test_a_full_disk_costs_no_record(tmp_path: Path, capsys: pytest.CaptureFixture):
    journal = Journal(tmp_path, "a")
    journal.append(entry(0))
    before = journal.path.read_bytes()
    with no_file_beyond(len(before) + 10):
        journal.append(entry(1))
        journal.append(entry(2))
        assert journal.path.read_bytes() == before  # no part of a record
    assert capsys.readouterr().err.count("; records are kept in memory until there is room") == 1
    assert journal.failure
    journal.append(entry(3))
    assert journal.failure is None
    journal.close()
    assert Journal(tmp_path, "a").entries == [entry(number) for number in range(4)]


def test_one_process_holds_it(tmp_path: Path):
    journal = Journal(tmp_path, "a")
    with pytest.raises(BusyError, match=r"a\.jsonl is in use by another process"):
        Journal(tmp_path, "a", wait=0.2)
    assert list(left_behind(tmp_path)) == []
    journal.close()
    for waiting in left_behind(tmp_path):
        assert waiting.name == "a"
        waiting.close()
    code = (
        "import os, signal, sys; from pathlib import Path; from glr.tracking.entries import Tags; "
        "from glr.tracking.journal import Journal; "
        "Journal(Path(sys.argv[1]), 'b').append(Tags({})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert {waiting.name: len(waiting.entries) for waiting in left_behind(tmp_path)} == {"a": 0, "b": 1}


def test_files_wait_as_they_were(tmp_path: Path):
    (tmp_path / "plot.png").write_bytes(b"first")
    journal = Journal(tmp_path / "journal", "a")
    places = [journal.keep(tmp_path / "plot.png", "plot.png")]
    journal.append(Artifact(places[0], None))
    (tmp_path / "plot.png").unlink()
    (tmp_path / "plot.png").write_bytes(b"second")
    places += [journal.keep(tmp_path / "plot.png", "plot.png"), journal.keep(b"a: 1\n", "config.yaml")]
    assert [journal.kept(place).read_bytes() for place in places] == [b"first", b"second", b"a: 1\n"]
    assert [journal.kept(place).name for place in places] == ["plot.png", "plot.png", "config.yaml"]
    with no_file_beyond(2), pytest.raises(GlrError, match=r"config\.yaml: File too large; make room"):
        journal.keep(b"a: 1\n", "config.yaml")
    journal.remove()
    assert list((tmp_path / "journal").iterdir()) == []

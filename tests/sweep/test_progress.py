"""A job's progress file: values add up, and a failure leaves its reason."""

import json
from pathlib import Path

import pytest

from glr.errors import GlrError
from glr.sweep import progress
from tests.conftest import no_file_beyond


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def test_later_values_replace_and_add_to_earlier_ones(file: Path):
    progress.report(epoch=1, epochs=3)
    progress.report(epoch=2, score=0.5)
    assert json.loads(file.read_text()) == {"epoch": 2, "epochs": 3, "score": 0.5}
    file.write_text("{")
    progress.report(epoch=3)
    assert json.loads(file.read_text()) == {"epoch": 3}


@pytest.mark.parametrize(
    ("error", "reason"),
    [(GlrError("http://ann:pa55@host is down"), "http://***@host is down"), (KeyError("x"), "KeyError: 'x'")],
)
def test_a_failure_is_reported_without_secrets(file: Path, error: Exception, reason: str):
    with pytest.raises(type(error)), progress.failures():
        raise error
    assert json.loads(file.read_text()) == {"failure": reason}


def test_a_full_disk_stops_no_training(file: Path):
    progress.report(epoch=1)
    with no_file_beyond(0):
        progress.report(epoch=2)
    assert json.loads(file.read_text()) == {"epoch": 1}


def test_a_run_that_nobody_watches_reports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    progress.report(epoch=1)
    assert list(tmp_path.iterdir()) == []

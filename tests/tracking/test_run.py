"""A run's record in a real SQLite store: all of it, and how it ended."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.config.signals import handle, restore
from glr.errors import GlrError
from glr.tracking.run import PARENT_VARIABLE, run
from glr.tracking.sender import send_left_behind
from tests.conftest import no_file_beyond


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    return new_store(tmp_path_factory.mktemp("store")).parent


@pytest.fixture
def tracking(store: Path) -> Tracking:
    return Tracking(f"sqlite:///{store}/mlflow.db", str(store / "artifacts"), str(store / "journal"), patience=60)


def test_everything_is_recorded(tracking: Tracking, tmp_path: Path):
    (tmp_path / "plot.png").write_bytes(b"picture")
    with run(tracking, "tests", "a run") as opened:
        opened.params({"head": {"scale": None, "margin": 0.5}, "note": "x" * 5000 + "|`<\n"})
        opened.tags({"device": "CPU"})
        opened.metrics({"loss": 2.5, "public/gap": 0.1}, 1)
        opened.metrics({"loss": 1.5, "public/gap": 0.2}, 2)
        opened.file(tmp_path / "plot.png", "plots")
        opened.text("a: 1\n", "config.yaml")
        opened.dataset("Demo", "abc123", "data/demo", "training", {"images": 5})
    client = MlflowClient(tracking.uri)
    assert opened.id
    record = client.get_run(opened.id)
    assert record.info.status == "FINISHED"
    assert record.info.run_name == "a run"
    assert record.data.params == {"head.scale": "null", "head.margin": "0.5", "note": "x" * 5000 + "|`<\n"}
    assert record.data.tags["device"] == "CPU"
    assert [(m.step, m.value) for m in client.get_metric_history(opened.id, "loss")] == [(1, 2.5), (2, 1.5)]
    files = Path(str(tracking.artifacts)) / str(opened.id) / "artifacts"
    assert (files / "plots/plot.png").read_bytes() == b"picture"
    assert (files / "config.yaml").read_text() == "a: 1\n"
    (used,) = record.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.tags[0].value) == ("Demo", "abc123", "training")


def test_a_long_name_is_cut_off(tracking: Tracking):
    names = []
    for _ in range(2):
        with run(tracking, "study", "n" * 300) as opened:
            opened.wait()
        names.append(opened.name)
    assert names == ["n" * 240, "n" * 240 + " (2)"]


def test_an_exception_marks_the_run_failed_with_the_reason(tracking: Tracking):
    for error, status, reason in (
        (GlrError("the disk is full"), "FAILED", "the disk is full"),
        (KeyError("x"), "FAILED", "KeyError: 'x'"),
        (KeyboardInterrupt(), "KILLED", "interrupted by Ctrl-C"),
        (SystemExit(75), "KILLED", "stopped by SIGTERM"),
        (SystemExit(74), "KILLED", "stopped by a full disk"),
        (GlrError("http://ann:pa55@host is down"), "FAILED", "http://***@host is down"),
    ):
        with pytest.raises(type(error)), run(tracking, "tests", "a run") as opened:
            raise error
        record = MlflowClient(tracking.uri).get_run(opened.id)
        assert record.info.status == status
        assert record.data.tags["failure"] == reason


def test_an_error_after_a_signal_is_its_effect(tracking: Tracking):
    """C code loses the exception of a signal's handler, and fails with another."""
    handlers = handle(lambda *_: None)
    os.kill(os.getpid(), signal.SIGTERM)
    restore(handlers)
    with pytest.raises(AttributeError), run(tracking, "tests", "a run") as opened:
        raise AttributeError
    assert MlflowClient(tracking.uri).get_run(opened.id).info.status == "KILLED"


def test_a_file_that_does_not_fit_is_kept_and_stored_later(
    tracking: Tracking, tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "big.h5").write_bytes(bytes(3_000_000))
    with no_file_beyond(2_000_000), run(replace(tracking, patience=1), "tests", "a run") as opened:
        opened.file(tmp_path / "big.h5", "weights")  # linked, not written: there is room for that
        opened.metrics({"loss": 0.5}, 1)
    output = capsys.readouterr().err
    assert f"1 records of run {opened.name} wait in {tracking.journal}" in output
    assert "(File too large)" in output
    stored = Path(str(tracking.artifacts)) / str(opened.id)
    assert list(stored.rglob("*.h5")) == []
    record = MlflowClient(tracking.uri).get_run(opened.id)
    assert (record.info.status, record.data.metrics) == ("FINISHED", {"loss": 0.5})
    assert send_left_behind(Path(tracking.journal), tracking.uri) == (1, [])
    assert [file.stat().st_size for file in stored.rglob("*.h5")] == [3_000_000]
    assert list(Path(tracking.journal).iterdir()) == []


def test_a_job_of_a_sweep_is_the_childs_run(tracking: Tracking, monkeypatch: pytest.MonkeyPatch):
    with run(tracking, "tests", "a run") as parent:
        monkeypatch.setenv(PARENT_VARIABLE, parent.wait())
        with run(tracking, "tests", "a run") as child:
            pass
    record = MlflowClient(tracking.uri).get_run(child.id)
    assert record.data.tags["mlflow.parentRunId"] == parent.id

"""Stores that are read-only, damaged, moved or out of reach, or have odd clocks, are recognised."""

import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from glr.config.identity import Identity
from glr.config.schema import Tracking
from glr.errors import GlrError
from glr.sweep.job import Job, JobState
from glr.sweep.past import skip
from glr.tracking.history import PastRun
from glr.tracking.rows import ensembles, single_models
from glr.tracking.run import run
from glr.tracking.store import connect
from tests.attacks.records import HTML, local, recorded, tracking
from tests.conftest import here
from tests.processes.mlflow_app import ProxiedMlflow


@pytest.mark.parametrize(("table", "event"), [("runs", "INSERT"), ("experiments", "INSERT")])
def test_a_database_without_permission_to_write(work: Path, table: str, event: str):
    """The error comes before anything is trained."""
    with closing(sqlite3.connect(work / "mlruns/mlflow.db")) as store, store:
        refusal = "SELECT RAISE(ABORT, 'attempt to write a readonly database')"
        store.execute(f"CREATE TRIGGER readonly BEFORE {event} ON {table} BEGIN {refusal}; END")
    begun = False
    with (
        pytest.raises(GlrError, match=r"tracking\.uri=.*accepts no run \(.*attempt to write a readonly database"),
        run(tracking(local(work), work, patience=0.5), "tests", "a run"),
    ):
        begun = True
    assert not begun
    assert not list((work / "journal").iterdir())


@pytest.mark.parametrize(("path", "status", "content"), [
    ("runs/create", 403, "Permission denied"),
    ("experiments/create", 403, "Permission denied"),
    ("runs/create", 403, '{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}'),
    ("runs/create", 401, "You are not authenticated"),
])  # fmt: skip
def test_a_user_without_permission_to_write(
    server: ProxiedMlflow, tmp_path: Path, path: str, status: int, content: str
):
    server.proxy = lambda request, _size: (status, HTML, content) if path in request else None
    begun = False
    with (
        pytest.raises(GlrError, match=r"accepts no run \(.*(denied|not authenticated)"),
        run(tracking(server.uri, tmp_path, patience=0.5), "tests", "a run"),
    ):
        begun = True
    assert not begun
    assert not list((tmp_path / "journal").iterdir())


def test_a_run_of_a_sweep_that_nobody_recorded_is_no_success(server: ProxiedMlflow, tmp_path: Path):
    server.proxy = lambda request, _size: (403, HTML, "Permission denied") if "runs/create" in request else None
    with (
        pytest.raises(GlrError, match="records of run a run wait in"),
        run(tracking(server.uri, tmp_path, patience=0.5), "tests", "a run", parent="0" * 32),
    ):
        pass


DAY = 24 * 3600 * 1000


@pytest.mark.parametrize("days", [[1], [1, 3], [365]])
def test_a_clock_that_was_ahead(work: Path, days: list[int]):
    """Runs of the job failed, stamped with days to come; it finished later."""
    identity = Identity({"name": "a"}, "abc")
    tags = {"key": identity.key, "data_digest": "abc", "kind": "train"}
    client = MlflowClient(local(work))
    study = client.create_experiment("tests")
    for ahead in days:
        early = client.create_run(study, int(time.time() * 1000) + ahead * DAY, tags=tags)
        client.set_terminated(early.info.run_id, "FAILED")
    with run(tracking(local(work), work), "tests", "a run", tags=tags):
        pass
    job = Job(1, [], "a", Path(), identity, "tests")
    skip([job], local(work), "failed")
    assert job.state == JobState.SKIPPED


@pytest.mark.parametrize(("public", "private", "sentence"), [
    ("nan", "0.5", "public=nan: expected 0 to 1"),
    ("0.5", "nan", "private=nan: expected 0 to 1"),
    ("5", "0.5", "public=5.0: expected 0 to 1"),
    ("0.5", "-0.1", "private=-0.1: expected 0 to 1"),
    ("inf", "0.5", "public=inf: expected 0 to 1"),
])  # fmt: skip
def test_a_score_that_is_none(work: Path, public: str, private: str, sentence: str):
    printed = here("record", "run=a", f"public={public}", f"private={private}", cwd=work)
    assert printed == f"error: {sentence}"


def without(table: str) -> Callable[[Path], None]:
    def drop(database: Path) -> None:
        with closing(sqlite3.connect(database)) as store, store:
            store.execute("PRAGMA foreign_keys = OFF")
            store.execute(f"DROP TABLE {table}")

    return drop


@pytest.mark.parametrize(("damage", "line"), [
    (without("runs"), "record run=a public=0.5 private=0.4"),
    (without("tags"), "compare study=tests"),
    (without("latest_metrics"), "compare study=tests"),
])  # fmt: skip
def test_a_damaged_database_is_one_sentence(work: Path, damage: Callable[[Path], None], line: str):
    client = MlflowClient(local(work))
    client.create_run(client.create_experiment("tests"), run_name="a")
    damage(work / "mlruns/mlflow.db")
    name, *arguments = line.split()
    printed = here(name, *arguments, cwd=work)
    assert printed.startswith("error: ")
    assert len(printed.splitlines()) == 1
    assert len(printed) < 600


UNREADABLE = ["abc", "", "null", "{", "{}", "3", "[[1], {}]", "9" * 5000, "[" * 5000]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: value[:9])
def test_parameters_of_another_tool_in_a_shared_store(past: Callable[..., PastRun], value: str):
    """The other tool's run is a row like any other; values that glr cannot read are left out."""
    own = past("own", 0.3, 0.2, index=7, highlights='["epochs"]')
    rows = single_models([past("other", 0.1, 0.1, index=value, highlights=value), own], None)
    indices = {row.run.name: row.index for row in rows}
    assert indices == {"own": 7, "other": 3 if value == "3" else 8}
    assert {row.run.name: row.highlights for row in rows}["own"] == {"epochs"}
    joint = [past("joint", 0.3, 0.2, kind="ensemble", index=value, members=members, names=value)
             for members in (value, f'["{own.id}"]')]  # fmt: skip
    texts = [row.model["members"] for row in ensembles([*joint, past("bare", kind="ensemble")], rows, None)]
    assert texts == ["([1])+({})" if value.startswith("[[1]") else "", "(7)", ""]


@pytest.mark.parametrize(("move", "name"), [(shutil.copytree, "runs #1 50% ü"), (shutil.move, "mlruns")])
def test_a_store_that_was_moved_or_copied(
    tmp_path: Path, new_store: Callable[[Path], Path], move: Callable[..., Any], name: str
):
    """It is refused until it learns its new place; then it holds its own files, and the original is unchanged."""
    old, new = tmp_path / "a" / name, tmp_path / "b"
    old.mkdir(parents=True)
    shutil.copy(new_store(tmp_path), old / "mlflow.db")
    settings = Tracking(f"sqlite:///{old}/mlflow.db", str(old / "artifacts"), str(tmp_path / "journal"), 60)
    with run(settings, "tests", "a run") as opened:
        opened.text("a: 1\n", "config.yaml")
        opened.tags({"descriptors": "<artifacts>/d"})
    before = sorted(old.rglob("*"))
    move(old, new)
    uri = f"sqlite:///{new}/mlflow.db"
    settings = Tracking(uri, str(new / "artifacts"), str(tmp_path / "journal"), 60)
    begun = False
    with pytest.raises(GlrError, match=r"glr\.record store=moved tracking\.uri="), run(settings, "tests", "other"):
        begun = True
    assert not begun
    assert "are rewritten; they were in" in here("record", "store=moved", f"tracking.uri={uri}", cwd=tmp_path)
    client = connect(uri)
    record = recorded(uri)
    place = f"{new.as_uri()}/artifacts/{record.info.run_id}/artifacts"
    assert (record.info.artifact_uri, record.data.tags["descriptors"]) == (place, f"{place}/d")
    assert Path(client.download_artifacts(record.info.run_id, "config.yaml")).read_text() == "a: 1\n"
    with run(settings, "tests", "other") as other:
        other.text("a: 2\n", "config.yaml")
    assert (new / f"artifacts/{other.id}/artifacts/config.yaml").exists()
    if move is shutil.copytree:
        assert sorted(old.rglob("*")) == before
        assert connect(f"sqlite:///{old}/mlflow.db")
    assert "are right" in here("record", "store=moved", f"tracking.uri={uri}", cwd=tmp_path)


@pytest.mark.parametrize("place", ["gs://b/runs #1", "gs://b/runs?x", "s3://b/a%20b", "gs://b/#"])
def test_a_place_of_files_that_mlflow_changes(work: Path, place: str):
    settings = Tracking(local(work), place, str(work / "journal"), 60)
    with (
        pytest.raises(GlrError, match=r"tracking\.artifacts=.*: MLflow cuts or changes"),
        run(settings, "tests", "a run"),
    ):
        pass


@pytest.mark.parametrize(("uri", "why"), [
    ("postgresql://user:word@host/base", "its driver is missing: pip install psycopg"),
    ("mysql://host/base", "its driver is missing: pip install "),
    ("http://[::1", "Invalid url"),
    ("SILENT", "timed out"),
])  # fmt: skip
def test_an_address_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, why: str):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setattr("glr.tracking.store._PATIENCE", 1, raising=False)
    silent = socket.create_server(("127.0.0.1", 0))
    uri = uri.replace("SILENT", f"http://127.0.0.1:{silent.getsockname()[1]}")
    settings = tracking(uri, tmp_path)
    started = time.monotonic()
    with pytest.raises(GlrError) as refusal, run(settings, "tests", "a run"):
        pass
    assert why in str(refusal.value)
    assert "word" not in str(refusal.value)
    assert time.monotonic() - started < 15
    silent.close()

"""Records reach MLflow or wait, whatever a proxy answers and whatever is deleted or lost."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.errors import GlrError
from glr.tracking.entries import Artifact, DatasetUse, End, Metrics, Params, Tags
from glr.tracking.journal import Journal
from glr.tracking.run import Run, run
from glr.tracking.sender import send_left_behind
from glr.tracking.sending import Sending
from glr.tracking.store import connect
from tests.attacks.records import HTML, LOGIN, journal_of, local, recorded, steps, tracking
from tests.processes.mlflow_app import Answer, ProxiedMlflow


@pytest.mark.parametrize(("path", "answer"), [
    ("log-batch", (400, HTML, "<html>bad request</html>")),
    ("log-batch", (400, "application/json", '{"error_code": 400, "message": "bad"}')),
    ("log-batch", (302, HTML, "")),
    ("log-batch", (303, HTML, "")),
    ("runs/update", (302, HTML, LOGIN)),
    ("PUT /api/2.0/mlflow-artifacts", (302, HTML, "")),
    ("PUT /api/2.0/mlflow-artifacts", (303, HTML, "")),
    ("PUT /api/2.0/mlflow-artifacts", (200, HTML, LOGIN)),
    ("log-inputs", (400, HTML, "<html>bad request</html>")),
])  # fmt: skip
def test_a_proxys_answer_is_no_refusal(server: ProxiedMlflow, tmp_path: Path, path: str, answer: Answer):
    """The proxy answers so twice; a login page to which it redirects accepts everything."""
    given = []

    def proxy(request: str, _size: int) -> Answer | None:
        if request.endswith("/login"):
            return 200, "application/json", "{}"
        if path not in request or len(given) == 2:
            return None
        given.append(request)
        return answer

    journal = journal_of(
        tmp_path, server.uri, Params({"seed": "1"}), Metrics({"loss": 0.5}, 1), Tags({"device": "CPU"})
    )
    journal.append(DatasetUse("Demo", "abc", "data/demo", "training", {"images": 5}))
    journal.append(Artifact(journal.keep(b"a: 1\n", "config.yaml"), None))
    journal.append(End("FINISHED", {}))
    server.proxy = proxy
    journal.close()
    client = connect(server.uri)
    journal = Journal(tmp_path / "journal", "j")
    sending = Sending(journal)
    for _ in range(30):
        sending.advance(client)
    assert sending.unsent == 0
    record = recorded(server.uri)
    assert (steps(server.uri), record.info.status, record.data.params) == ([1], "FINISHED", {"seed": "1"})
    assert record.data.tags["device"] == "CPU"
    assert len(record.inputs.dataset_inputs) == 1
    assert [(file.path, file.file_size) for file in client.list_artifacts(record.info.run_id)] == [("config.yaml", 5)]
    assert len(given) == 2


EVIL = "evil"  # what a firewall takes for an attack


@pytest.mark.parametrize(("path", "limit", "status", "entries", "waiting"), [
    ("log-inputs", 0, 404, [DatasetUse("Demo", "abc", "data/demo", "training", {})], 1),
    ("log-inputs", 0, 501, [DatasetUse("Demo", "abc", "data/demo", "training", {})], 1),
    ("log-batch", 3000, 413, [Tags({"device": "x" * 4000})], 1),
    ("log-batch", 3000, 413, [Params({"device": "x" * 4000})], 1),
    ("log-batch", 3000, 403, [Metrics({f"loss{number}": 0.5 for number in range(99)}, 3)], 1),
    ("log-batch", 3000, 413, [Metrics({f"loss{number}": 0.5}, 3) for number in range(99)], 0),
    ("PUT ", 1000, 413, [b"x" * 2000, b"a", b"b", b"c"], 1),
    ("PUT ", 1000, 403, [b"a", b"x" * 2000, b"b", b"x" * 3000, b"c"], 2),
    ("", 0, 200, [Metrics({"not@allowed": 0.5}, 1), Metrics({"loss": 0.25}, 7)], 0),
    ("", 0, 200, [Metrics({"loss": 0.25}, 7), Metrics({"x" * 300: 0.5}, 1), Metrics({"loss": 0.25}, 8)], 0),
    ("", 0, 200, [Metrics({"loss": 0.25}, 10**30), Metrics({"loss": 0.25}, 8)], None),
])  # fmt: skip
def test_a_record_that_is_never_taken_blocks_nothing(
    server: ProxiedMlflow, tmp_path: Path, path: str, limit: int, status: int, entries: list[Any], waiting: int | None
):
    """The losses before and after the record arrive, and the end; a proxy refuses what exceeds the limit."""
    uploads = [entry for entry in entries if isinstance(entry, bytes)]

    def proxy(request: str, size: int) -> Answer | None:
        """Refuse what is large, and each upload once."""
        if path and path in request and (size > limit or (uploads and uploads.pop())):
            return status, HTML, LOGIN
        return None

    server.proxy = proxy
    journal = journal_of(tmp_path, server.uri, Metrics({"loss": 0.5}, 1))
    files = {}
    for entry in entries:
        if isinstance(entry, bytes):
            files[f"{len(files)}.txt"] = len(entry)
            entry = Artifact(journal.keep(entry, f"{len(files) - 1}.txt"), "files")
        journal.append(entry)
    journal.append(Tags({"behind": "1"}))
    journal.append(Metrics({"loss": 0.5}, 2))
    journal.append(End("FINISHED", {}))
    journal.close()
    _, left = send_left_behind(tmp_path / "journal", server.uri)
    record = recorded(server.uri)
    assert (record.info.status, record.data.tags["behind"]) == ("FINISHED", "1")
    taken = {1, 2} | {e.step for e in entries if isinstance(e, Metrics) and "loss" in e.values and e.step < 10**20}
    assert set(steps(server.uri)) == taken
    stored = MlflowClient(server.uri).list_artifacts(record.info.run_id, "files")
    assert {file.path for file in stored} == {f"files/{name}" for name, size in files.items() if size <= limit}
    if waiting is not None:
        assert [line.count(f"{waiting} records wait") for line in left if "records wait" in line] == [1] * bool(waiting)


@pytest.mark.parametrize(("version", "sentence"), [
    ("2.2.2", "the server is MLflow 2.2; glr needs 2.4 or later"),
    ("1.30.0", "the server is MLflow 1.30; glr needs"),
])  # fmt: skip
def test_a_server_that_is_too_old(server: ProxiedMlflow, tmp_path: Path, version: str, sentence: str):
    server.proxy = lambda request, _size: (200, HTML, version) if request.endswith("/version") else None
    with pytest.raises(GlrError, match=sentence), run(tracking(server.uri, tmp_path), "tests", "a run"):
        pass


@pytest.mark.parametrize(("uri", "answer"), [
    ("http://[::1", None),
    ("postgresql://user:word@host/base", None),
    ("mysql://host/base", None),
    ("oracle://host/base", None),
    ("sqlite:////proc/none/mlflow.db", None),
    ("SERVER", (200, "application/json", "5")),
    ("SERVER", (200, "application/json", '{"experiments": 5}')),
    ("SERVER", (200, "application/json", '{"experiment": {"experiment_id": []}}')),
    ("SERVER", (200, "application/json", '{"experiment": {}}')),
    ("SERVER", (500, HTML, LOGIN)),
])  # fmt: skip
def test_a_store_of_odd_answers_ends_no_training(
    server: ProxiedMlflow, tmp_path: Path, uri: str, answer: Answer | None
):
    """A run that is continued trains to its end, and its records wait."""
    server.proxy = lambda _request, _size: answer
    settings = tracking(uri.replace("SERVER", server.uri), tmp_path, patience=0.5)
    with pytest.raises(GlrError, match=r"records of run a run wait in .*\.jsonl \("):
        train(settings, lambda _opened, _step: time.sleep(0.1), attempt=2, continued=True)
    waiting = Journal(tmp_path / "journal", "j", wait=5)
    assert [entry.step for entry in waiting.entries if isinstance(entry, Metrics)] == list(range(6))
    waiting.close()


def train(settings: Tracking, step_of: Callable[[Run, int], None], **options: Any) -> None:
    """A run of six steps."""
    with run(settings, "tests", "a run", journal="j", **options) as opened:
        for step in range(6):
            step_of(opened, step)
            opened.metrics({"loss": 0.5}, step)


def until_sent(opened: Run) -> None:
    """Wait until the store has every record."""
    deadline = time.monotonic() + 30
    while opened._sender.sending.unsent and time.monotonic() < deadline:
        time.sleep(0.02)


def delete_run(client: MlflowClient, run_id: str) -> Callable[[], None]:
    client.delete_run(run_id)
    return lambda: client.restore_run(run_id)


def delete_study(client: MlflowClient, run_id: str) -> Callable[[], None]:
    study = client.get_run(run_id).info.experiment_id
    client.delete_experiment(study)
    return lambda: client.restore_experiment(study)


Delete = Callable[[MlflowClient, str], Callable[[], None]]


@pytest.mark.parametrize(("delete", "moment"), [
    (delete_run, "at first"), (delete_run, "in the middle"), (delete_run, "at last"),
    (delete_study, "at first"), (delete_study, "in the middle"), (delete_study, "at last"),
])  # fmt: skip
def test_a_run_that_is_deleted_while_it_trains(work: Path, delete: Delete, moment: str, capsys: pytest.CaptureFixture):
    uri = local(work)
    restore: list[Callable[[], None]] = []

    def step_of(opened: Run, step: int) -> None:
        if step == {"at first": 0, "in the middle": 3, "at last": 5}[moment]:
            until_sent(opened)
            restore.append(delete(MlflowClient(uri), opened.wait()))
        opened.text("a: 1\n", f"{step}.yaml")

    with pytest.raises(GlrError, match=r"wait in .* was deleted.*; restore it with: MLFLOW_TRACKING_URI=.* mlflow "):
        train(tracking(uri, work), step_of)
    assert "refused" not in capsys.readouterr().err
    restore[0]()
    assert send_left_behind(work / "journal", uri) == (1, [])
    assert (steps(uri), recorded(uri).info.status) == (list(range(6)), "FINISHED")
    assert len(MlflowClient(uri).list_artifacts(recorded(uri).info.run_id)) == 6


def test_a_run_restored_while_it_trains_goes_on(work: Path):
    uri = local(work)
    with run(tracking(uri, work), "tests", "a run") as opened:
        restore = delete_run(MlflowClient(uri), opened.wait())
        opened.metrics({"loss": 0.5}, 1)
        time.sleep(1)
        restore()
        opened.metrics({"loss": 0.5}, 2)
        until_sent(opened)
    assert (steps(uri), recorded(uri).info.status) == ([1, 2], "FINISHED")


@pytest.mark.parametrize(("delete", "options"), [
    (delete_run, {"journal": "j", "attempt": 2, "continued": True}),
    (delete_study, {"journal": "j", "attempt": 2, "continued": True}),
    (delete_study, {"journal": "k"}),
    (delete_study, {"journal": "k", "parent": "0" * 32}),
])  # fmt: skip
def test_what_was_deleted_before_is_said_before(work: Path, delete: Delete, options: dict[str, Any]):
    uri = local(work)
    journal = journal_of(work, uri, Metrics({"loss": 0.5}, 1))
    sending = Sending(journal)
    while sending.advance(MlflowClient(uri)):
        pass
    journal.close()
    restore = delete(MlflowClient(uri), str(sending.writer and sending.writer.run_id))
    begun = False
    with pytest.raises(GlrError, match="was deleted"), run(tracking(uri, work), "tests", "a run", **options):
        begun = True
    assert not begun
    assert not (work / "journal/k.jsonl").exists()
    restore()
    with run(tracking(uri, work), "tests", "a run", **options):
        pass


@pytest.mark.parametrize("lost", ["empty", "older", "empty, and a note of before", "while it trains"])
def test_a_database_that_is_lost_gets_everything(
    work: Path, tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path], lost: str
):
    """An empty database replaces the lost one, or an older copy does."""
    uri, other = local(work), tmp_path_factory.mktemp("other")
    new_store(other)
    journal = journal_of(work, uri, Metrics({"loss": 0.5}, 1))
    sending = Sending(journal)
    client = MlflowClient(uri)
    while sending.advance(client):
        pass
    if lost == "older":
        shutil.copy(work / "mlruns/mlflow.db", other / "mlruns/mlflow.db")
    journal.append(Metrics({"loss": 0.5}, 2))
    while sending.advance(client):
        pass
    if "note" in lost:
        (work / "journal/j/sent.json").write_text('{"next": 4, "later": []}')
    if lost == "while it trains":
        for experiment_id in (e.experiment_id for e in client.search_experiments() if e.name == "tests"):
            client.delete_experiment(experiment_id)
        with closing(sqlite3.connect(work / "mlruns/mlflow.db")) as store, store:  # as `mlflow gc` does
            for table in ("tags", "metrics", "latest_metrics", "params", "runs", "experiments"):
                store.execute(f"DELETE FROM {table}" + (" WHERE name = 'tests'" if table == "experiments" else ""))
        other = work
        journal.append(Metrics({"loss": 0.5}, 3))
        for _ in range(30):
            sending.advance(client)
    journal.close()
    options = {"journal": "j", "attempt": 2, "continued": True}
    with run(tracking(local(other), work), "tests", "a run", **options) as opened:
        opened.metrics({"loss": 0.5}, 3)
    assert (steps(local(other)), recorded(local(other)).info.status) == ([1, 2, 3], "FINISHED")

"""What was recorded reaches MLflow or waits, whatever becomes of journals, databases, servers and proxies."""

import json
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
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
from glr.tracking.entries import Artifact, Continue, DatasetUse, End, Entry, Metrics, Open, Params, Tags, as_json
from glr.tracking.journal import Journal
from glr.tracking.run import Run, run
from glr.tracking.sender import Sending, send_left_behind
from glr.tracking.store import connect
from tests.conftest import here
from tests.processes.mlflow_app import Answer, ProxiedMlflow

HTML = "text/html"
LOGIN = "<html>log in</html>"


def local(folder: Path) -> str:
    return f"sqlite:///{folder}/mlruns/mlflow.db"


def tracking(uri: str, folder: Path, patience: float = 60) -> Tracking:
    return Tracking(uri, None, str(folder / "journal"), patience)


def recorded(uri: str) -> Any:
    """The only run of the study tests."""
    client = MlflowClient(uri)
    (only,) = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    return only


def steps(uri: str) -> list[int]:
    """Of the metric loss of that run."""
    return sorted(metric.step for metric in MlflowClient(uri).get_metric_history(recorded(uri).info.run_id, "loss"))


def journal_of(folder: Path, uri: str, *entries: Entry, name: str = "j") -> Journal:
    """A journal that a dead process left, with a file."""
    journal = Journal(folder / "journal", name)
    artifacts = None if uri.startswith("http") else f"{folder}/files"
    for entry in (Open(uri, "tests", "a run", artifacts, {"journal": name}), Continue({}, 1), *entries):
        journal.append(entry)
    return journal


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
    ("000001/../../../secret", None, "is outside of"),
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


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Iterator[ProxiedMlflow]:
    folder = tmp_path_factory.mktemp("server")
    new_store(folder)
    server = ProxiedMlflow(folder)
    yield server
    server.close()


@pytest.fixture
def server(mlflow: ProxiedMlflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedMlflow]:
    """The server, with the study tests still to come."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient(mlflow.uri)
    if old := client.get_experiment_by_name("tests"):
        client.rename_experiment(old.experiment_id, f"tests of {time.time()}")
    yield mlflow
    mlflow.proxy = lambda _request, _size: None


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
    """It gives it twice, and the login page that it may lead to takes everything."""
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
    """The losses before and behind it arrive, and the end; a proxy refuses what is larger than the limit."""
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
    """Wait until the store has all that is recorded."""
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
    """An empty one stands in its place, or an older copy."""
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


@pytest.mark.parametrize(("table", "event"), [("runs", "INSERT"), ("experiments", "INSERT")])
def test_a_database_without_permission_to_write(work: Path, table: str, event: str):
    """It is said before anything is trained."""
    with closing(sqlite3.connect(work / "mlruns/mlflow.db")) as store, store:
        refusal = "SELECT RAISE(ABORT, 'attempt to write a readonly database')"
        store.execute(f"CREATE TRIGGER readonly BEFORE {event} ON {table} BEGIN {refusal}; END")
    begun = False
    with (
        pytest.raises(GlrError, match=r"tracking\.uri=.*takes no run \(.*attempt to write a readonly database"),
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
        pytest.raises(GlrError, match=r"takes no run \(.*(denied|not authenticated)"),
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


@pytest.mark.parametrize(("move", "name"), [(shutil.copytree, "runs #1 50% ü"), (shutil.move, "mlruns")])
def test_a_store_that_was_moved_or_copied(
    tmp_path: Path, new_store: Callable[[Path], Path], move: Callable[..., Any], name: str
):
    """It is refused until it is told; then it holds its own files, and the original is as it was."""
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

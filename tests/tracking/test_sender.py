"""With a real MLflow server that is down, slow or restarted, a run loses neither time nor records."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.errors import GlrError
from glr.tracking.entries import Continue, Metrics, Open, Tags
from glr.tracking.journal import Journal
from glr.tracking.run import run
from glr.tracking.sender import send_left_behind
from glr.tracking.writer import RunWriter
from tests.conftest import here
from tests.processes.forks import Forks
from tests.processes.mlflow_server import MlflowServer, SlowProxy


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, processes: Forks, new_store: Callable[[Path], Path]
) -> Iterator[MlflowServer]:
    folder = tmp_path_factory.mktemp("server")
    new_store(folder)
    started = MlflowServer(processes, folder)
    started.start()
    yield started
    started.kill()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch):
    """A dead server is known to be dead at the first try."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def history(uri: str, run_id: str | None, name: str) -> list[tuple[int, float]]:
    assert run_id
    return [(metric.step, metric.value) for metric in MlflowClient(uri).get_metric_history(run_id, name)]


def options(uri: str, folder: Path, name: str = "a run", *, patience: float = 60, **more: Any) -> dict[str, Any]:
    artifacts = str(folder / "artifacts") if uri.startswith("sqlite") else None  # a server decides itself
    return {
        "tracking": Tracking(uri, artifacts, str(folder / "journal"), patience),
        "study": "tests",
        "name": name,
    } | more


@pytest.mark.slow
def test_a_server_that_is_killed_and_started_again(server: MlflowServer, tmp_path: Path):
    slowest = 0.0
    (tmp_path / "plot.png").write_bytes(b"picture")
    with run(**options(server.uri, tmp_path)) as opened:
        opened.wait()
        for step in range(60):
            if step == 10:
                server.kill()
            if step == 30:
                opened.file(tmp_path / "plot.png", "plots")
            if step == 50:
                server.start()
            started = time.monotonic()
            opened.metrics({"loss": step / 7, "accuracy": 1.0}, step)
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(0.05)
    assert slowest < 0.5  # a local write; a request to a dead server alone takes MLflow seconds
    assert history(server.uri, opened.id, "loss") == [(step, step / 7) for step in range(60)]
    client = MlflowClient(server.uri)
    assert opened.id
    assert client.get_run(opened.id).info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(opened.id, "plots")] == ["plots/plot.png"]
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.slow
def test_a_server_that_answers_slowly(server: MlflowServer, tmp_path: Path):
    with run(**options(SlowProxy(server.port, 0.3).uri, tmp_path)) as opened:
        opened.wait()
        started = time.monotonic()
        for step in range(200):
            opened.metrics({"loss": float(step)}, step)
        recording = time.monotonic() - started
    assert recording < 200 * 0.3 / 10  # one request each would take a minute
    assert history(server.uri, opened.id, "loss") == [(step, float(step)) for step in range(200)]


@pytest.mark.slow
def test_what_a_dead_server_did_not_get_is_sent_at_the_next_chance(
    server: MlflowServer, tmp_path: Path, capsys: pytest.CaptureFixture
):
    with run(**options(server.uri, tmp_path, name="first", patience=1)) as first:
        first.wait()
        server.kill()
        first.metrics({"loss": 0.5}, 1)
    output = capsys.readouterr().err
    assert re.search(rf"\b[23] records of run first wait in {tmp_path}/journal/", output)
    assert f"send them with: python -m glr.record journal={tmp_path}/journal" in output
    with pytest.raises(GlrError, match="the MLflow store cannot be opened"):
        run(**options(server.uri, tmp_path)).__enter__()  # a new run fails at once if no server answers
    answer = here("record", f"journal={tmp_path}/journal", f"tracking.uri={server.uri}", cwd=tmp_path)
    assert "the MLflow store cannot be opened" in answer
    server.start()
    with run(**options(server.uri, tmp_path, name="second")) as second:
        deadline = time.monotonic() + 30
        while history(server.uri, first.id, "loss") != [(1, 0.5)] and time.monotonic() < deadline:
            second.metrics({"loss": 1.0}, 1)
            time.sleep(0.1)
    assert history(server.uri, first.id, "loss") == [(1, 0.5)]
    assert history(server.uri, second.id, "loss") == [(1, 1.0)]  # however often it was recorded


KILLED = """
import os, signal, sys, time
from glr.config.schema import Tracking
from glr.tracking.run import run
with run(Tracking(sys.argv[1], None, sys.argv[2], 60), "tests", "killed", journal="fixed") as opened:
    print(opened.wait(), flush=True)
    for step in range(int(sys.argv[3])):
        opened.metrics({"loss": step + 0.5, "seconds": time.time()}, step)
    if sys.argv[4] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_killed_run_is_marked_and_goes_on_as_one(processes: Forks, server: MlflowServer, tmp_path: Path):
    def go(steps: int, end: str) -> str:
        line = [KILLED, server.uri, str(tmp_path / "journal"), str(steps), end]
        done = processes.output(*line, command="-c", cwd=tmp_path, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
        assert done.returncode == (-signal.SIGKILL if end == "die" else 0), done.stderr
        return done.stdout.strip()

    client = MlflowClient(server.uri)
    first = go(3, "die")
    assert client.get_run(first).info.status == "RUNNING"
    answer = here("record", f"journal={tmp_path}/journal", f"tracking.uri={server.uri}", cwd=tmp_path)
    assert answer == f"1 journal of {tmp_path}/journal sent to {server.uri}\n"
    record = client.get_run(first)
    assert (record.info.status, record.data.tags["failure"]) == ("KILLED", "the process was killed")
    assert list((tmp_path / "journal").iterdir()) == []
    assert go(5, "die") == first  # repeats the first three steps, as after a checkpoint
    assert go(6, "live") == first
    record = client.get_run(first)
    assert record.info.status == "FINISHED"
    assert "failure" not in record.data.tags
    for name in ("loss", "seconds"):
        assert [step for step, _ in history(server.uri, first, name)] == list(range(6))


def test_a_refused_record_stops_no_other(work: Path, capsys: pytest.CaptureFixture):
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    with run(**options(uri, work)) as opened:
        opened.metrics({"recall@1": 0.5}, 1)  # MLflow takes no @
        opened.params({"seed": 0})
    assert 'a record of run a run was refused: Invalid value "recall@1"' in capsys.readouterr().err
    assert opened.id
    record = MlflowClient(uri).get_run(opened.id)
    assert (record.info.status, record.data.params) == ("FINISHED", {"seed": "0"})
    assert [path.suffix for path in (work / "journal").iterdir() if path.is_file()] == [".refused"]
    assert send_left_behind(work / "journal", uri) == (0, [])


def test_a_machine_that_comes_back_changes_no_status_of_a_run_that_went_on_elsewhere(work: Path):
    """Two machines, each with journals of its own; the first was lost with records that were never sent."""
    uri, one, two = f"sqlite:///{work}/mlruns/mlflow.db", work / "one", work / "two"
    lost = Journal(one / "journal", "shared")
    with run(**options(uri, work, journal="shared", attempt=1)) as first:
        first.tags({"device": "first"})
    lost.append(Open(uri, "tests", "a run", None, {"journal": "shared"}))
    lost.append(Continue({"device": "lost"}, 1))
    lost.append(Metrics({"loss": 0.5}, 1))
    lost.append(Tags({"device": "lost"}))
    lost.close()
    with run(**options(uri, two, journal="shared", attempt=2)) as second:
        second.metrics({"loss": 0.25}, 2)
        second.tags({"device": "second"})
    assert second.id == first.id
    assert send_left_behind(one / "journal", uri) == (1, [])
    record = MlflowClient(uri).get_run(str(second.id))
    assert (record.info.status, record.data.tags["device"]) == ("FINISHED", "second")
    assert "failure" not in record.data.tags
    assert sorted(history(uri, second.id, "loss")) == [(1, 0.5), (2, 0.25)]


def test_a_file_that_takes_longer_than_the_patience_is_waited_for(work: Path, monkeypatch: pytest.MonkeyPatch):
    """The patience is for a store that fails, not for one that works."""
    uri, stored = f"sqlite:///{work}/mlruns/mlflow.db", RunWriter.store
    (work / "large.h5").write_bytes(b"weights")

    def slowly(self: RunWriter, file: Path, folder: str | None) -> None:
        time.sleep(2.5)
        stored(self, file, folder)

    monkeypatch.setattr(RunWriter, "store", slowly)
    with run(**options(uri, work, patience=1)) as opened:
        opened.file(work / "large.h5")
    assert opened.complete
    assert list((work / "journal").iterdir()) == []


def test_what_is_no_journal_keeps_nobodys_records_back(work: Path, capsys: pytest.CaptureFixture):
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    (work / "journal/aa.jsonl").mkdir(parents=True)
    (work / "journal/bb.jsonl").write_text('{"kind": "open"}\n')
    dead = Journal(work / "journal", "zz")
    dead.append(Open(uri, "tests", "dead", None, {"journal": "zz"}))
    dead.close()
    sent, left = send_left_behind(work / "journal", uri)
    assert (sent, len(left)) == (1, 1)
    assert "bb.jsonl is no journal" in left[0]
    assert "a journal was skipped: " in capsys.readouterr().err


def test_an_address_without_work_behind_it_is_refused_each_time(work: Path):
    for attempt in (1, 2):
        with pytest.raises(GlrError, match="the MLflow store cannot be opened"):
            run(**options("http://127.0.0.1:9", work, journal="j", attempt=attempt)).__enter__()

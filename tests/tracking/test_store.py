"""The MLflow store is created once and completely; one sentence says why it cannot be opened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from glr.errors import GlrError
from glr.tracking.store import connect, experiment, page_of, pages
from tests.conftest import ROOT
from tests.processes.forks import Forks


def test_a_new_store_survives_several_processes_at_once_and_the_death_of_its_maker(processes: Forks, tmp_path: Path):
    """MLflow itself would leave a partial database, which it then refuses for ever."""
    code = (
        "import sys; from glr.tracking.store import connect, experiment; "
        "client = connect(sys.argv[1]); print(experiment(client, 'study', 'artifacts'))"
    )
    folder, log = tmp_path / "new", ["ids", "errors"]
    uri, part = f"sqlite:///{folder}/mlflow.db", folder / "mlflow.db.part"
    started = [processes.start(code, uri, command="-c", cwd=tmp_path, log=log) for _ in range(3)]
    deadline = time.monotonic() + 60
    while not (makers := [process for process in started if has_begun(process, part)]) and time.monotonic() < deadline:
        time.sleep(0.005)
    (maker,) = makers
    os.kill(maker, signal.SIGKILL)
    assert processes.wait(maker) == -signal.SIGKILL
    assert not (folder / "mlflow.db").exists()
    others = [processes.wait(process) for process in started if process != maker]
    assert others == [0, 0], (tmp_path / "errors").read_text()
    assert [path.name for path in folder.glob("mlflow.db*")] == ["mlflow.db"]
    one, other = (tmp_path / "ids").read_text().split()
    assert one == other == experiment(connect(uri), "study", None)


def has_begun(process: int, file: Path) -> bool:
    """A process has the file open and has written to it."""
    try:
        opened = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
        return str(file) in opened and file.stat().st_size > 0
    except FileNotFoundError:  # it closed one meanwhile
        return False


def test_a_read_only_store_raises_without_a_traceback_of_its_own(
    new_store: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)  # MLflow makes a folder `file:` where it runs
    file = new_store(tmp_path)
    connect(f"sqlite:///{file}")
    with pytest.raises(MlflowException, match="attempt to write a readonly database"):
        MlflowClient(f"sqlite:///file:{file}?mode=ro&uri=true").create_experiment("new")
    assert capfd.readouterr().err == ""


def test_a_store_that_cannot_be_opened_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GlrError, match=r"tracking\.uri=sqlite:.*/file/mlflow\.db: the MLflow store cannot be opened"):
        connect(f"sqlite:///{tmp_path}/file/mlflow.db")
    (tmp_path / "mlflow.db").write_text("no database at all, but long enough to be looked at" * 10)
    with pytest.raises(GlrError, match=r"cannot be opened .*file is not a database"):
        connect(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(GlrError, match=r"tracking\.uri=http://127\.0\.0\.1:9: the MLflow store cannot be opened"):
        connect("http://127.0.0.1:9")


def test_a_deleted_experiment_is_said(work: Path):
    client = connect(f"sqlite:///{work}/mlruns/mlflow.db")
    client.delete_experiment(experiment(client, "gone", None))
    with pytest.raises(GlrError, match="study=gone: this MLflow experiment was deleted"):
        experiment(client, "gone", None)


def test_files_of_a_new_study_lie_where_it_is_told(work: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(work)
    client = connect(f"sqlite:///{work}/mlruns/mlflow.db")
    for study, given, place in (("one", "files", f"{work.as_uri()}/files"), ("two", "gs://b/files", "gs://b/files")):
        number = experiment(client, study, given)
        assert experiment(client, study, "elsewhere") == number
        assert client.get_experiment(number).artifact_location == place


def test_where_a_browser_shows_runs():
    path = "/#/experiments/7/runs?workflowType=machine_learning"
    assert pages("http://host:5000/", "7") == f"http://host:5000{path}"
    served = f"mlflow ui --backend-store-uri sqlite:///a.db, then http://localhost:5000{path}"
    assert pages("sqlite:///a.db", "7") == served


@pytest.mark.parametrize(("variables", "expected"), [({}, "None"), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "client")])
def test_mlflows_telemetry_is_off_unless_the_user_wants_it(variables: dict[str, str], expected: str, tmp_path: Path):
    """The test needs its own environment: on CI machines and under pytest, MLflow has no telemetry."""
    code = "import glr.tracking.store; from mlflow.telemetry.client import get_telemetry_client; "
    code += "print(get_telemetry_client() and 'client')"
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **variables}
    run = subprocess.run(
        [sys.executable, "-c", code], env=own, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{expected}\n"


def test_the_address_of_a_run_has_no_password():
    assert (
        page_of("https://me:secret@host:8080/mlflow/", "7", "ab") == "https://host:8080/mlflow/#/experiments/7/runs/ab"
    )

"""`-m` through the real command line: what is skipped, continued and new; what is left when it is stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.config.check import composed
from glr.sweeping.job import Job
from glr.tracking.store import connect, experiment
from hydra_plugins.glr_subprocess import SubprocessLauncher
from tests.sweeping.conftest import runs, until

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{ROOT}"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow store: to make one takes longer than all else."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{file}")
    return file


@pytest.fixture
def folder(tmp_path: Path, store: Path) -> Path:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(store, tmp_path / "mlruns/mlflow.db")
    return tmp_path


def client(folder: Path) -> MlflowClient:
    return connect(f"sqlite:///{folder}/mlruns/mlflow.db")


def launch(folder: Path, *overrides: str, **environment: str) -> subprocess.Popen:
    line = [sys.executable, "-m", "fake", *overrides, "-m"]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, cwd=folder, env=ENVIRONMENT | environment, **output)


def swept(folder: Path, *overrides: str, **environment: str) -> tuple[int, str, str]:
    """Run a sweep: its exit code, stdout and stderr."""
    with launch(folder, *overrides, **environment) as process:
        output, errors = process.communicate()
    record(folder)
    return process.returncode, output, errors


def record(folder: Path) -> None:
    """Write into MLflow what the jobs would have."""
    store = client(folder)
    for file in sorted((folder / "ended").glob("*.json"), key=lambda file: int(file.stem.split(".")[1])):
        ended = json.loads(file.read_text())
        study = experiment(store, ended["study"], str(folder / "artifacts"))
        run = store.create_run(study, tags={"kind": "train", "key": ended["key"]})
        if ended["score"] is not None:
            store.log_metric(run.info.run_id, "public_score", ended["score"])
        if "failure" in ended:
            store.set_tag(run.info.run_id, "failure", ended["failure"])
        store.set_terminated(run.info.run_id, ended["status"])
        file.rename(file.with_suffix(".recorded"))


def started(folder: Path) -> int:
    """How many jobs have started since the last time this was asked."""
    files = [file for file in (folder / "started").glob("*") if file.suffix != ".seen"]
    for file in files:
        file.rename(file.with_suffix(f"{file.suffix}.seen"))
    return len(files)


def parent(folder: Path, study: str = "demo"):
    """The only parent run."""
    store = client(folder)
    (found,) = store.search_runs([store.get_experiment_by_name(study).experiment_id], "tags.kind = 'sweep'")
    return found


def states(output: str) -> dict[str, str]:
    """The last table of all jobs: settings -> state."""
    rows = re.findall(r"^ *\d+  (?:0\.\d+| +)  (\w+(?: \w+)?) {2,}(\S.*)$", output, re.MULTILINE)
    return {settings: state for state, settings in rows}


def test_four_of_eight_come_to_grief_and_the_next_time_only_what_is_needed_runs(folder: Path):
    names = ["finish-1", "raise", "finish-2", "hang", "die", "finish-3", "diverge", "finish-4"]
    line = ["sweep.jobs=3", "sweep.minutes=0.2", "sweep.retries=1", "sweep.backoff=0.1", "train.epochs=7"]
    code, output, errors = swept(folder, f"name={','.join(names)}", *line)
    assert code == 1
    assert errors == "error: 4 of 8 jobs failed: 2 (name=raise); 4 (name=hang); 5 (name=die); 7 (name=diverge)\n"
    expected = {"raise": "failed", "hang": "time limit", "die": "failed", "diverge": "failed"}
    assert states(output) == {f"name={name}": expected.get(name, "finished") for name in names}
    assert "job 2 failed: ValueError: no such luck (log: mlruns/outputs/demo/" in output
    assert "job 4 failed: exceeded sweep.minutes=0.2 (log: " in output
    assert "job 5 failed: killed by SIGKILL (out of memory?), 2 times (log: " in output
    assert "job 7 failed: the loss is nan in epoch 1 (log: " in output
    assert output.count("finished after") == output.count(": score 0.07000") == 4
    assert started(folder) == 9  # the one that was killed, twice
    first = parent(folder)
    assert first.info.status == "FAILED"

    code, output, _ = swept(folder, f"name={','.join(names)}", *line, "sweep.jobs=4", KIND="yes")
    assert code == 1  # two fail again
    assert started(folder) == 4
    expected = {"raise": "failed", "hang": "finished", "die": "finished", "diverge": "failed"}
    assert states(output) == {f"name={name}": expected.get(name, "skipped") for name in names}
    assert "job 1 of 8 has finished before, score 0.07000: name=finish-1" in output
    assert parent(folder).info.run_id == first.info.run_id

    code, output, _ = swept(folder, f"name={','.join(names)},finish-5", *line, "sweep.rerun=none")
    assert code == 1
    assert started(folder) == 1
    expected = {"raise": "failed before", "diverge": "failed before", "finish-5": "finished"}
    assert states(output) == {f"name={name}": expected.get(name, "skipped") for name in [*names, "finish-5"]}
    assert "job 2 failed: ValueError: no such luck\n" in output


def test_a_sweep_that_is_killed_three_times_does_each_job_once(folder: Path):
    statuses = []
    for number, hold in ((signal.SIGKILL, 3), (signal.SIGTERM, 6), (signal.SIGINT, 9)):
        with launch(folder, "sweep=heads", "sweep.jobs=2", HOLD=str(hold)) as process:
            until((folder / "held").exists, 60)
            pids = [int(file.read_text()) for file in (folder / "started").iterdir()]
            process.send_signal(number)
            output, errors = process.communicate()
        until(lambda pids=pids: not any(map(runs, pids)))
        (folder / "held").unlink()
        record(folder)
        statuses.append((process.returncode, parent(folder).info.status))
        if number != signal.SIGKILL:
            ended = sum(state in ("skipped", "finished") for state in states(output).values())
            assert f"{ended} of 8 jobs ended, {8 - ended} are left: the same command continues" in output
            assert ended > 0
            assert errors == ("interrupted\n" if number == signal.SIGINT else "")
    assert statuses == [(-signal.SIGKILL, "RUNNING"), (75, "KILLED"), (130, "KILLED")]
    code, output, errors = swept(folder, "sweep=heads", "sweep.jobs=2")
    assert (code, errors, parent(folder).info.status) == (0, "", "FINISHED")
    assert set(states(output).values()) == {"finished", "skipped"}
    ended = [json.loads(file.read_text()) for file in (folder / "ended").iterdir()]
    finished = [end["key"] for end in ended if end["status"] == "FINISHED"]
    assert len(finished) == len(set(finished)) == 8
    assert 3 <= started(folder) - 8 <= 6  # one or two jobs were running at each kill


def test_a_job_that_is_run_anew_continues_after_a_kill(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("glr.train", None))
    launcher = SubprocessLauncher()
    launcher.config, _ = composed("train", ["sweep.rerun=all"])
    job = Job(3, ["seed=1"], "seed=1", Path("out/2"), key="k", starts=1)
    end = ["hydra.mode=RUN", "hydra.run.dir=out/2", "hydra.job.num=2"]
    assert launcher._command(job) == [sys.executable, "-m", "glr.train", "seed=1", "resume=never", *end]
    job.starts = 2
    assert launcher._command(job) == [sys.executable, "-m", "glr.train", "seed=1", *end]

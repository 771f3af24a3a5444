"""`-m` through the real command line: what is skipped, continued and new; what is left when it is stopped."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobStatus
from mlflow import MlflowClient

from glr.config.check import composed
from glr.config.command import command
from glr.config.identity import Identity, settings_of
from glr.config.installation import CONF
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.storage.lock import held
from glr.sweep.job import Job
from glr.tracking.store import connect, experiment
from hydra_plugins.glr_subprocess import SubprocessLauncher
from tests.conftest import ROOT
from tests.processes.forks import Forks
from tests.sweep.conftest import runs, until

FAKE = "tests.sweep.fake"  # the command whose jobs do as their name says


@pytest.fixture
def folder(store: Path) -> Path:
    """A folder to work in: the store is in its mlruns."""
    return store.parents[1]


def client(folder: Path) -> MlflowClient:
    return connect(f"sqlite:///{folder}/mlruns/mlflow.db")


def swept(processes: Forks, folder: Path, *overrides: str, **environment: str) -> tuple[int, str, str]:
    """Run a sweep: its exit code, stdout and stderr."""
    done = processes.output(*overrides, "-m", command=FAKE, cwd=folder, **environment)
    record(folder)
    return done.returncode, done.stdout, done.stderr


def record(folder: Path) -> None:
    """Write into MLflow what the jobs would have."""
    store = client(folder)
    for file in sorted((folder / "ended").glob("*.json")):
        ended = json.loads(file.read_text())
        config, _ = composed("train", [text for text in ended["line"] if not text.startswith("hydra.")])
        study = experiment(store, config.study, str(folder / "artifacts"))
        key, digest = Identity(settings_of(config), "").key, PreparedData(folder / config.data.path).digest
        run = store.create_run(study, tags={"kind": "train", "key": key, "data_digest": digest}).info.run_id
        if "score" in ended:
            store.log_metric(run, "public_score", ended["score"])
        if "failure" in ended:
            store.set_tag(run, "failure", ended["failure"])
        store.set_terminated(run, ended["status"])
        file.rename(file.with_suffix(".recorded"))


def parent(folder: Path, study: str = "demo"):
    """Return the only parent run of the study."""
    store = client(folder)
    (run,) = store.search_runs([store.get_experiment_by_name(study).experiment_id], "tags.kind = 'sweep'")
    return run


def states(output: str) -> dict[str, str]:
    """The last table of all jobs: settings -> state."""
    rows = re.findall(r"^ *\d+  (?:0\.\d+| +)  (\w+(?: \w+)?) {2,}(\S.*)$", output, re.MULTILINE)
    return {settings: state for state, settings in rows}


def test_four_of_six_come_to_grief_and_the_next_time_only_what_is_needed_runs(processes: Forks, folder: Path):
    names = ["finish", "raise", "hang", "die", "good", "diverge"]
    line = ["sweep.jobs=3", "sweep.minutes=0.08", "sweep.retries=1", "sweep.backoff=0.1", "train.epochs=7"]
    code, output, errors = swept(processes, folder, f"name={','.join(names)}", *line)
    assert code == 1
    assert errors == "error: 4 of 6 jobs failed: 2 (name=raise); 3 (name=hang); 4 (name=die); 6 (name=diverge)\n"
    expected = {"raise": "failed", "hang": "time limit", "die": "failed", "diverge": "failed"}
    assert states(output) == {f"name={name}": expected.get(name, "finished") for name in names}
    assert "job 2 failed: ValueError: no such luck (log: mlruns/outputs/demo/" in output
    assert "job 3 failed: exceeded sweep.minutes=0.08 (log: " in output
    assert "job 4 failed: killed by SIGKILL (out of memory?), 2 times (log: " in output
    assert "job 6 failed: the loss is nan in epoch 1 (log: " in output
    assert output.count("finished after") == output.count(": score 0.07000") == 2
    before = len(list((folder / "started").iterdir()))
    assert before == 7  # the one that was killed, twice
    first = parent(folder)
    assert first.info.status == "FAILED"

    code, output, _ = swept(processes, folder, f"name={','.join(names)},new", *line, "sweep.jobs=4", HEALED="yes")
    assert code == 1  # two fail again
    assert len(list((folder / "started").iterdir())) - before == 5
    expected = {"raise": "failed", "hang": "finished", "die": "finished", "diverge": "failed", "new": "finished"}
    assert states(output) == {f"name={name}": expected.get(name, "skipped") for name in [*names, "new"]}
    assert "job 1 of 7 has finished before, score 0.07000: name=finish" in output


def test_a_sweep_that_is_killed_three_times_does_each_job_once(processes: Forks, folder: Path):
    line = ["sweep=l2", "sweep.jobs=2"]
    ids, statuses = set(), []
    for number, hold in ((signal.SIGKILL, 3), (signal.SIGTERM, 5), (signal.SIGINT, 6)):
        logs = folder / f"output{hold}", folder / f"errors{hold}"
        process = processes.start(*line, "-m", command=FAKE, cwd=folder, log=list(map(str, logs)), HOLD=str(hold))
        until((folder / "held").exists, 60)
        os.kill(process, number)
        code = processes.wait(process)
        output, errors = (log.read_text() for log in logs)
        pids = [int(file.read_text()) for file in (folder / "started").iterdir()]
        until(lambda pids=pids: not any(map(runs, pids)))  # no job outlives its launcher
        (folder / "held").unlink()
        record(folder)
        statuses.append((code, parent(folder).info.status))
        ids.add(parent(folder).info.run_id)
        if number != signal.SIGKILL:
            ended = sum(state in ("skipped", "finished") for state in states(output).values())
            assert f"{ended} of 4 jobs ended; the same command continues" in output
            assert ended > 0
            assert errors == ("interrupted\n" if number == signal.SIGINT else "")
    assert statuses == [(-signal.SIGKILL, "RUNNING"), (75, "KILLED"), (130, "KILLED")]
    code, output, errors = swept(processes, folder, *line)
    assert (code, errors, parent(folder).info.status) == (0, "", "FINISHED")
    assert ids == {parent(folder).info.run_id}
    assert set(states(output).values()) == {"finished", "skipped"}
    ended = [json.loads(file.read_text()) for file in (folder / "ended").iterdir()]
    finished = [tuple(end["line"][:3]) for end in ended if end["status"] == "FINISHED"]
    assert len(finished) == len(set(finished)) == 4
    assert 3 <= len(list((folder / "started").iterdir())) - 4 <= 6  # one or two jobs were running at each kill


def test_a_job_that_is_run_anew_continues_after_a_kill():
    launcher = SubprocessLauncher()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        launcher.config = compose("train", ["sweep.rerun=all"], return_hydra_config=True)
    job = Job(3, ["seed=1"], "seed=1", Path("out/2"), identity=Identity({}, "k"), starts=1)
    end = ["hydra.mode=RUN", "hydra.run.dir=out/2", "hydra.job.num=2"]
    assert launcher._command(job) == [sys.executable, "-m", "glr.train", "seed=1", "resume=never", *end]
    job.starts = 2
    assert launcher._command(job) == [sys.executable, "-m", "glr.train", "seed=1", *end]


@pytest.mark.parametrize("place", ["é/0", "a(b), c", "it's", 'say "hi" #1', "x=y"])
def test_a_jobs_folder_is_written_for_hydra(place: str):
    launcher = SubprocessLauncher()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        launcher.config = compose("train", return_hydra_config=True)
    line = launcher._command(Job(1, [], "", Path(place)))
    (override,) = (text for text in line if text.startswith("hydra.run.dir="))
    assert OverridesParser.create().parse_override(override).value() == place


def test_names_and_folders_of_a_sweep_may_hold_any_character(processes: Forks, folder: Path):
    line = ["name=é,a(b)", "study=it's", "hydra.sweep.dir=my out (1)", "hydra.sweep.subdir=${name}-${hydra.job.num}"]
    code, output, errors = swept(processes, folder, *line)
    assert (code, errors) == (0, "")
    assert output.count("finished after") == 2
    assert (folder / "my out (1)/é-0/log.txt").read_text() == "this is 'é'\n"
    assert (folder / "my out (1)/a(b)-1/log.txt").read_text() == "this is 'a(b)'\n"
    assert parent(folder, "it's").info.status == "FINISHED"


@contextmanager
def launcher(folder: Path, monkeypatch: pytest.MonkeyPatch, sweep: str, *hydras: str) -> Iterator[SubprocessLauncher]:
    """The launcher as Hydra's sweepers see it, of the sweep that these overrides make."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec(FAKE, None))
    monkeypatch.setattr(sys.modules["__main__"], "main", command("train")(print), raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(folder)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        # MLflow keeps stores open by their address, which is therefore not to be the same in two tests.
        common = ["hydra.sweep.dir=out", f"tracking.uri=sqlite:///{folder}/mlruns/mlflow.db"]
        config = compose("train", [*common, *hydras], return_hydra_config=True)
        config.hydra.overrides.task = [sweep]
        made = SubprocessLauncher()
        made.setup(hydra_context=None, task_function=None, config=config)
        yield made


def test_a_failure_in_one_batch_keeps_none_of_the_others_from_running(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with launcher(folder, monkeypatch, "name=raise,a,b", "hydra.sweeper.max_batch_size=2") as hydras:
        first = hydras.launch([["name=raise"], ["name=a"]], 0)
        assert [job.return_value for job in first] == [None, 0.07]
        with pytest.raises(GlrError, match=r"1 of 3 jobs failed: 1 \(name=raise\)"):
            hydras.launch([["name=b"]], 2)
    assert len(list((folder / "started").iterdir())) == 3
    assert (folder / "out/2/log.txt").read_text() == "this is b\n"


def test_a_search_is_told_scores_and_failures(folder: Path, monkeypatch: pytest.MonkeyPatch):
    sweeper = "hydra.sweeper._target_=hydra_plugins.somebodys.Search"
    with launcher(folder, monkeypatch, "seed=interval(1,9)", sweeper) as hydras:
        good, bad = hydras.launch([["name=a"], ["name=diverge"]], 0)
        assert (good.return_value, good.status) == (0.07, JobStatus.COMPLETED)
        with pytest.raises(GlrError, match="job 2 failed: the loss is nan in epoch 1"):
            _ = bad.return_value
        record(folder)
        (again,) = hydras.launch([["name=a"]], 2)
        assert again.return_value == 0.07
    assert len(list((folder / "started").iterdir())) == 2


def test_another_sweep_in_the_same_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with launcher(folder, monkeypatch, "name=a") as hydras:
        (folder / "out").mkdir()
        with held(folder / "out/.lock"), pytest.raises(GlrError, match="dir=out: another sweep uses it"):
            hydras.launch([["name=a"]], 0)
        assert not (folder / "started").exists()


def test_jobs_get_the_flags_and_the_hydra_settings_of_their_sweep(processes: Forks, folder: Path):
    choice = folder / "choices/head/mine.yaml"
    choice.parent.mkdir(parents=True)
    choice.write_text((CONF / "head/arcface.yaml").read_text())
    line = ["--config-dir", "choices", "hydra.searchpath=[.]", "hydra.verbose=true", "head=mine,cosface"]
    done = processes.output(*line, "-m", command=FAKE, cwd=folder)
    assert done.returncode == 0, done.stderr
    jobs = [json.loads(file.read_text())["line"] for file in sorted((folder / "ended").glob("*.json"))]
    assert [job[:5] for job in jobs] == [
        ["--config-dir", f"{folder}/choices", "hydra.searchpath=[.]", "hydra.verbose=true", f"head={head}"]
        for head in ("mine", "cosface")
    ]


def test_a_sweep_that_cannot_work_is_refused_before_its_first_job(processes: Forks, folder: Path):
    code, _, errors = swept(processes, folder, "train.batch_size=8,100000")
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(
        "error: job 2 of 2 (train.batch_size=100000): train.batch_size=100000, but data/demo has only"
    )
    assert not (folder / "started").exists()
    assert client(folder).get_experiment_by_name("demo") is None

"""A sweep's parent run in a real store: one for the same sweep, which says how it ended."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from mlflow import MlflowClient
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from glr.config.installation import CONF
from glr.config.run_names import SWEEP_VARIABLE, VARYING_VARIABLE
from glr.sweep.job import Job, JobState
from glr.sweep.parent import SweepRun, _key, leave, record, report
from glr.tracking.run import PARENT_VARIABLE


@pytest.fixture(autouse=True)
def _undone(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(store.parents[1])  # which holds the data set that the jobs name
    monkeypatch.setenv(PARENT_VARIABLE, "")
    monkeypatch.setenv(VARYING_VARIABLE, "")
    monkeypatch.setenv(SWEEP_VARIABLE, "")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def config(work: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        uri = f"tracking.uri=sqlite:///{work}/mlruns/mlflow.db"
        composed = compose("train", [uri, "study=swept"], return_hydra_config=True)
    composed.hydra.overrides.task = [uri, "study=swept", *overrides]
    return composed


def begun(work: Path, *overrides: str) -> tuple[SweepRun, str]:
    callback = SweepRun()
    callback.on_multirun_start(config(work, *overrides))
    return callback, os.environ[PARENT_VARIABLE]


def test_a_sweep_over_other_data_is_another_run(monkeypatch: pytest.MonkeyPatch, work: Path):
    monkeypatch.chdir(work)
    one = _key(["data.path=sets/one", "head=arcface,cosface", "sweep.jobs=2"])
    assert _key([f"data.path={work}/sets/./one", "head=arcface,cosface"]) == one
    assert _key(["data.path=sets/two", "head=arcface,cosface"]) != one


def parent(work: Path, run_id: str) -> Run:
    return MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db").get_run(run_id)


def test_the_same_sweep_is_the_same_run_until_it_finishes(work: Path):
    swept, first = begun(work, "seed=1,2")
    run = parent(work, first)
    assert (run.info.status, run.data.tags["kind"]) == ("RUNNING", "sweep")
    assert run.info.run_name == "seed: 2 runs"
    assert json.loads(os.environ[VARYING_VARIABLE]) == {"seed": "seed"}
    assert os.environ[SWEEP_VARIABLE] == "seed: 2 runs"
    swept._close()  # as at exit, after a failed job
    assert parent(work, first).info.status == "FAILED"
    swept, again = begun(work, "seed=choice(1,2)", "sweep.jobs=2")  # where and how many at a time does not count
    assert parent(work, again).info.status == "RUNNING"
    swept.on_multirun_end(config(work))
    assert parent(work, again).info.status == "FINISHED"
    other, another = begun(work, "seed=1,3")
    other.on_multirun_end(config(work))
    assert another != first
    assert parent(work, another).info.run_name == "seed: 2 runs (3)"  # each new sweep has a name of its own


def test_a_sweep_whose_jobs_go_on_elsewhere_is_left_to_the_same_command(work: Path):
    swept, first = begun(work, "seed=1,2")
    leave()
    swept.on_multirun_end(config(work))
    assert parent(work, first).info.status == "SCHEDULED"
    swept, again = begun(work, "seed=1,2")
    assert again == first
    swept.on_multirun_end(config(work))
    assert parent(work, first).info.status == "FINISHED"


def test_ray_gives_its_workers_what_other_processes_inherit(work: Path):
    of_ray, callback = config(work, "seed=1,2"), SweepRun()
    remote = {"num_cpus": 2, "runtime_env": {"env_vars": {"A": "b"}, "pip": ["c"]}}
    of_ray.hydra.launcher = {"_target_": "x.RayLauncher", "ray": {"init": {}, "remote": remote}}
    of_ray.sweep.name = "${seed}"
    callback.on_multirun_start(of_ray)
    names = (PARENT_VARIABLE, VARYING_VARIABLE, SWEEP_VARIABLE)
    variables = {"A": "b"} | {name: os.environ[name] for name in names}
    given = OmegaConf.to_container(of_ray.hydra.launcher.ray.remote, resolve=True)
    assert given == {"num_cpus": 2, "runtime_env": {"env_vars": variables, "pip": ["c"]}}
    callback.on_multirun_end(of_ray)


def test_a_signal_is_noted_and_left_to_its_handler(work: Path):
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("stop"))
    swept, run_id = begun(work, "seed=1,2")
    os.kill(os.getpid(), signal.SIGTERM)
    swept._close()
    assert told == ["stop"]
    assert parent(work, run_id).info.status == "KILLED"


def test_the_outcome_of_the_jobs_is_recorded(work: Path):
    swept, run_id = begun(work, "seed=1,2")
    jobs = [Job(1, [], "seed=1", work, state=JobState.FINISHED, score=0.5), Job(2, [], "seed=2", work)]
    record(jobs)
    jobs[1].state = JobState.FAILED
    time.sleep(1)  # the steps are seconds
    record(jobs)
    swept.on_multirun_end(config(work))
    record([])  # no sweep is open
    run = parent(work, run_id)
    assert run.data.metrics == {"jobs_finished": 1, "jobs_failed": 1, "best_score": 0.5}
    assert "1 job finished, 1 failed; best score **0.50000**" in run.data.tags["mlflow.note.content"]
    stored = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db").download_artifacts(run_id, "jobs.csv")
    assert Path(stored).read_text().splitlines()[2] == "2,seed=2,failed,,0.0,"
    assert (
        "mlflow.sharedViewState.glr"
        in MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db").get_experiment(run.info.experiment_id).tags
    )


@pytest.mark.parametrize(("overrides", "studies"), [([], ["swept", "swept"]), (["sweep.report=false"], [])])
def test_a_sweep_reports_on_its_study_at_its_end_and_before_its_error(
    work: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], studies: list[str]
):
    reported = []
    monkeypatch.setattr(
        "glr.sweep.ending.report", lambda *arguments: reported.append(arguments[2]) or "A | B is better."
    )
    report()  # outside a sweep
    swept = SweepRun()
    settings = config(work, "seed=1,2", *overrides)
    settings.sweep.report = not overrides
    swept.on_multirun_start(settings)
    report()  # as a launcher before it raises
    swept.on_multirun_end(settings)
    assert ("A \\| B is better" in parent(work, swept.run.id).data.tags["mlflow.note.content"]) == settings.sweep.report
    report()  # the sweep has ended
    assert reported == studies

"""Sweeps by the launchers of others: joblib's reused workers, and submitit's process per job."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.processes.forks import Forks
from tests.test_main import SCRIPT, started

SMALL = [
    *["backbone=small_cnn", "backbone.width=8", "model.embedding_size=16", "data=folder", "data.image_size=16"],
    *["study=two", "data.source.retrieval_classes=0.5", "train.batch_size=12", "train.epochs=1", "evaluate.gallery=0"],
]


def runs(work: Path) -> tuple[Run, list[Run]]:
    """Return the only parent run of a folder's store, and its jobs' runs."""
    client = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db")
    all_runs = client.search_runs([client.get_experiment_by_name("two").experiment_id])
    (parent,) = (run for run in all_runs if run.data.tags["kind"] == "sweep")
    jobs = [run for run in all_runs if run is not parent]
    for run in jobs:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["mlflow.source.name"] == "python -m glr.train"
        assert run.data.tags["command"].startswith("python -m glr.train backbone=small_cnn ")
    return parent, jobs


@pytest.mark.slow
def test_joblibs_worker_runs_the_jobs(processes: Forks, class_folders: Path, work: Path):
    """One worker, so that the second job meets the TensorFlow state that the failed first job left."""
    settings = [f"data.source.path={class_folders}", "optimizer.learning_rate=1e6,1e-2"]
    settings += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    done = started("-m", "glr.train", *SMALL, *settings, "-m", cwd=work)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 2 jobs failed: 1 (optimizer.learning_rate=1000000.0)"
    assert "\njob 1 failed: the head's weights exploded" in done.stdout
    parent, jobs = runs(work)
    by_rate = {float(run.data.params["optimizer.learning_rate"]): run for run in jobs}
    assert {rate: run.info.status for rate, run in by_rate.items()} == {1e6: "FAILED", 1e-2: "FINISHED"}
    assert parent.info.status == "FAILED"
    assert by_rate[1e6].data.tags["diverged"] == "True"
    assert by_rate[1e-2].data.tags["command"].endswith("optimizer.learning_rate=0.01")
    again = processes.output(*SMALL, *settings, "sweep.rerun=none", "-m", cwd=work)
    assert again.returncode == 1
    assert [line.split()[1:4] for line in again.stdout.splitlines() if " optimizer.learning_rate=" in line] == [
        [f"{by_rate[1e-2].data.metrics['public_score']:.5f}", "skipped", "optimizer.learning_rate=0.01"],
        ["failed", "before", "optimizer.learning_rate=1000000.0"],
    ]
    assert len(runs(work)[1]) == 2


@pytest.mark.slow
def test_submitits_processes_run_the_jobs(class_folders: Path, work: Path):
    """The first job diverges."""
    swept = [f"data.source.path={class_folders}", "optimizer.learning_rate=1e30,0.01"]
    done = started(*SCRIPT, "train", *SMALL, *swept, "hydra/launcher=submitit_local", "-m", cwd=work)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 of 2 jobs failed: 1 (optimizer.learning_rate=1e+30)"
    assert "or set optimizer.global_clipnorm" in done.stdout
    parent, jobs = runs(work)
    ended = {job.info.status: job.data.tags["command"] for job in jobs}
    assert (sorted(ended), parent.info.status) == (["FAILED", "FINISHED"], "FAILED")
    assert ended["FINISHED"].endswith(" optimizer.learning_rate=0.01")

"""Sweeps by the launchers of others: joblib's reused workers, and submitit's process per job."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.test_main import SCRIPT, started

SMALL = [
    *["backbone=small_cnn", "backbone.width=8", "model.embedding_size=16", "data=folder", "data.image_size=16"],
    *["data.source.retrieval_classes=0.5", "train.batch_size=12", "train.epochs=1", "evaluate.gallery=0"],
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "start"), [("joblib", ["-m", "glr.train"]), ("submitit_local", [*SCRIPT, "train"])]
)
def test_a_launcher_of_others_runs_a_sweep(launcher: str, start: list[str], class_folders: Path, work: Path):
    """One worker of joblib's, so that its second job finds what the first, which fails, has left of TensorFlow."""
    settings = [f"data.source.path={class_folders}", "study=two", "optimizer.learning_rate=1e6,1e-2"]
    settings += [f"hydra/launcher={launcher}", *(["hydra.launcher.n_jobs=1"] if launcher == "joblib" else [])]
    done = started(*start, *SMALL, *settings, "-m", cwd=work)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: the head's weights exploded")
    client = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db")
    found = client.search_runs([client.get_experiment_by_name("two").experiment_id])
    (parent,) = (run for run in found if run.data.tags["kind"] == "sweep")
    jobs = {float(run.data.params["optimizer.learning_rate"]): run for run in found if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in jobs.values()} == {parent.info.run_id}
    assert {rate: run.info.status for rate, run in jobs.items()} == {1e6: "FAILED", 1e-2: "FINISHED"}
    assert parent.info.status == "FAILED"
    assert jobs[1e6].data.tags["diverged"] == "True"
    for run in jobs.values():
        assert run.data.tags["mlflow.source.name"] == "python -m glr.train"
        assert run.data.tags["command"].startswith("python -m glr.train backbone=small_cnn ")
    assert jobs[1e-2].data.tags["command"].endswith("optimizer.learning_rate=0.01")

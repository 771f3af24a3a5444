"""Runs that an earlier version trained, before its modules moved, are still evaluated, exported, joined and compared.

tests/past_runs/ holds two of them as MLflow stored them (2026-11, commit a427895), with their small data set. Expected
scores are what that version printed.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from glr.tracking.store import connect, experiment
from tests.conftest import here

STORED = Path(__file__).parent / "past_runs"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Path:
    """A folder with the data set and a new store that holds the runs."""
    folder = tmp_path_factory.mktemp("past")
    shutil.copytree(STORED / "data", folder / "data")
    new_store(folder)
    client = connect(f"sqlite:///{folder}/mlruns/mlflow.db")
    for run in json.loads((STORED / "runs.json").read_text()):
        bring(client, folder, run)
    return folder


def bring(client: MlflowClient, folder: Path, run: dict) -> None:
    """Write a stored run into a store."""
    study = experiment(client, run["study"], str(folder / "mlruns/artifacts"))
    made = client.create_run(study, run_name=run["name"]).info
    tags = {key: value.replace("<artifacts>", made.artifact_uri) for key, value in run["tags"].items()}
    metrics = [Metric(key, value, time, step) for key, each in run["metrics"].items() for step, value, time in each]
    params = [Param(key, value) for key, value in run["params"].items()]
    client.log_batch(made.run_id, metrics, params, [RunTag(key, value) for key, value in tags.items()])
    client.log_artifacts(made.run_id, str(STORED / "artifacts" / run["name"]))
    client.set_terminated(made.run_id, run["status"])


def scores(printed: str) -> dict[str, list[float]]:
    """The table of scores: metric -> public and private."""
    rows = [line.split() for line in printed.splitlines()]
    return {row[0]: [float(value) for value in row[1:]] for row in rows if row and row[0] in ("gap", "map_at_100")}


def test_it_is_compared(past: Path):
    assert here("compare", "study=before", "output=-", cwd=past) == (STORED / "table.md").read_text()


@pytest.mark.slow
def test_it_is_evaluated(past: Path):
    printed = here("evaluate", "run=one", "tta=flip", "gallery=0", cwd=past)
    assert scores(printed) == {"map_at_100": [0.4700, 0.5666], "gap": [0.5, 0.75]}


@pytest.mark.slow
def test_its_own_scores_come_out_again(past: Path):
    """The other run's head, pooling and number of neighbours: what training printed in its end."""
    printed = here("evaluate", "run=two", "gallery=0", cwd=past)
    assert scores(printed) == {"map_at_100": [0.4535, 0.4788], "gap": [0.125, 0.75]}


@pytest.mark.slow
def test_it_is_exported(past: Path):
    printed = here("export", "run=two", "output=exported", cwd=past)
    assert "largest difference from the descriptors of training" in printed
    assert (past / "exported/submission.zip").is_file()


def test_it_is_joined_to_an_ensemble(past: Path):
    printed = here("ensemble", "study=before", "members=[1,2]", cwd=past)
    assert scores(printed) == {"map_at_100": [0.4694, 0.5612], "gap": [0.125, 0.125]}
    assert "ensemble one + two of 28 dimensions" in printed

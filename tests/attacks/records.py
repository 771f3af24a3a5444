"""Journals of dead processes, and the records of their run in a store."""

from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.tracking.entries import Continue, Entry, Open
from glr.tracking.journal import Journal

HTML = "text/html"
LOGIN = "<html>log in</html>"


def local(folder: Path) -> str:
    return f"sqlite:///{folder}/mlruns/mlflow.db"


def tracking(uri: str, folder: Path, patience: float = 60) -> Tracking:
    artifacts = str(folder / "artifacts") if uri.startswith("sqlite") else None  # a server decides itself
    return Tracking(uri, artifacts, str(folder / "journal"), patience)


def recorded(uri: str) -> Any:
    """Return the only run of the study `tests`."""
    client = MlflowClient(uri)
    (only,) = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    return only


def steps(uri: str) -> list[int]:
    """Return the steps at which that run recorded the metric `loss`."""
    return sorted(metric.step for metric in MlflowClient(uri).get_metric_history(recorded(uri).info.run_id, "loss"))


def journal_of(folder: Path, uri: str, *entries: Entry, name: str = "j") -> Journal:
    """A journal that a dead process left, with a file."""
    journal = Journal(folder / "journal", name)
    artifacts = None if uri.startswith("http") else f"{folder}/files"
    for entry in (Open(uri, "tests", "a run", artifacts, {"journal": name}), Continue({}, 1), *entries):
        journal.append(entry)
    return journal

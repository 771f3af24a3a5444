"""No two runs of a study have the same name: a number is added to a name that another run has."""

import random
import time
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run

from glr.tracking.query import equals

_LONGEST_WAIT = 0.2  # seconds


def create_named(client: MlflowClient, study: str, name: str, started: int, tags: Mapping[str, str]) -> Run:
    """Create a run under a name or, if other runs of the study have it, as `name (2)`, `name (3)`, ...

    MLflow accepts any name, and processes on several machines may create runs at the same time. So a process looks for
    the name again after it has written it: the later of two writers sees the other, and both move on. A random wait
    before the next try separates them.

    Args:
        client: the store's client.
        study: the id of the MLflow experiment.
        name: the name that the run asks for.
        started: the time of its start in ms since 1970.
        tags: the run's tags.
    """
    own = _free(client, study, name, None)
    run = client.create_run(study, started, tags=dict(tags), run_name=own)
    while _is_taken(client, study, own, run.info.run_id):
        time.sleep(random.uniform(0, _LONGEST_WAIT))
        own = _free(client, study, name, run.info.run_id)
        client.update_run(run.info.run_id, name=own)
    return run


def _free(client: MlflowClient, study: str, name: str, run_id: str | None) -> str:
    """The first free name, or one of the first; with n runs of the name it takes about 2 log n requests."""
    if not _is_taken(client, study, name, run_id):
        return name
    taken, free = 1, 2
    while _is_taken(client, study, f"{name} ({free})", run_id):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if _is_taken(client, study, f"{name} ({middle})", run_id):
            taken = middle
        else:
            free = middle
    return f"{name} ({free})"


def _is_taken(client: MlflowClient, study: str, name: str, run_id: str | None) -> bool:
    """Return whether a run other than `run_id` has the name."""
    runs = client.search_runs([study], equals("attributes.run_name", name), max_results=100)
    return any(run.info.run_name == name and run.info.run_id != run_id for run in runs)

"""Runs that were recorded: all of a study's, or the one that a user names."""

import gc
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from glr.errors import GlrError

_PAGE = 1000


@dataclass(frozen=True)
class PastRun:
    """What MLflow holds of a run."""

    id: str
    name: str
    study: str
    status: str  # RUNNING, FINISHED, FAILED, KILLED
    started: int  # ms
    params: dict[str, str]
    metrics: dict[str, float]  # the last value of each
    tags: dict[str, str]

    @property
    def kind(self) -> str | None:
        """train, ensemble or sweep; None: not one of glr's."""
        return self.tags.get("kind")


def runs_of(client: MlflowClient, studies: Iterable[str], query: str | None = None) -> list[PastRun]:
    """All runs of some studies, in order of start.

    Args:
        client: of the store.
        studies: MLflow experiments.
        query: in MLflow's search syntax; None: all.

    Raises:
        GlrError: there is no such study, or the query is wrong.
    """
    names = {}
    for study in studies:
        experiment = client.get_experiment_by_name(study)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            there = ", ".join(sorted(e.name for e in client.search_experiments())) or "none"
            raise GlrError(f"study={study}: there is no such study in {client.tracking_uri}; those there: {there}")
        names[experiment.experiment_id] = study
    found: list[PastRun] = []
    token: str | None = ""
    with _without_collection():
        while token is not None:
            try:
                page = client.search_runs(
                    list(names), query or "", ViewType.ACTIVE_ONLY, _PAGE, page_token=token or None
                )
            except MlflowException as error:
                raise GlrError(f"filter={query}: {str(error).splitlines()[0]}") from error
            found += [_past(run, names[run.info.experiment_id]) for run in page]
            token = page.token
    return sorted(found, key=lambda run: run.started)


def find(client: MlflowClient, name: str, studies: Iterable[str] | None = None) -> PastRun:
    """The run with this id, or with this name.

    Args:
        client: of the store.
        name: an id or a name.
        studies: where to look for the name; None: everywhere.

    Raises:
        GlrError: there is none, or the name is that of several.
    """
    with_id = None
    if len(name) == 32:
        try:
            with_id = client.get_run(name)
        except MlflowException:
            with_id = None
    if with_id is not None:
        return _past(with_id, client.get_experiment(with_id.info.experiment_id).name)
    if studies is None:
        studies = [experiment.name for experiment in client.search_experiments()]
    quoted = name.replace("'", "\\'")
    found = [run for run in runs_of(client, studies, f"attributes.run_name = '{quoted}'") if run.kind != "sweep"]
    if not found:
        raise GlrError(f"there is no run with the id or the name {name} in {', '.join(studies)}")
    if len(found) > 1:
        ids = "; ".join(f"{run.id} ({run.status.lower()}, study {run.study})" for run in found[-5:])
        raise GlrError(f"{len(found)} runs are named {name}; give an id: {ids}")
    return found[0]


def _past(run: Run, study: str) -> PastRun:
    info, data = run.info, run.data
    name = info.run_name or info.run_id
    return PastRun(
        info.run_id, name, study, info.status, info.start_time, dict(data.params), dict(data.metrics), dict(data.tags)
    )


@contextmanager
def _without_collection():
    """No garbage collection meanwhile: SQLAlchemy's many small objects make it two thirds of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

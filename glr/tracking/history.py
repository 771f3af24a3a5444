"""Past runs: all runs of a study, or the run that a user names."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from glr.config.installation import SWEEPS
from glr.errors import GlrError
from glr.tracking.query import begins, equals
from glr.tracking.recorder import recorded
from glr.tracking.search import searched
from glr.tracking.store import page_of, reason
from glr.tracking.writer import RunWriter, order

WEIGHTS = "weights/{}.weights.h5"  # path of a run's file; {} is last or best
_AT_ONCE = 8  # requests


@dataclass(frozen=True)
class PastRun:
    """A run in MLflow."""

    id: str
    name: str
    study: str
    status: str  # RUNNING, FINISHED, FAILED, KILLED
    started: int  # ms
    params: dict[str, str]
    metrics: dict[str, float]  # the last value of each metric
    tags: dict[str, str]
    store: str = field(repr=False)  # the store's address, which may hold a password

    @property
    def kind(self) -> str | None:
        """train, debug, ensemble, evaluation, preflight or sweep; None: glr did not record the run."""
        return self.tags.get("kind")

    @property
    def settings(self) -> dict[str, str]:
        """The parameters and the labels: tags, but parameters in runs of earlier versions."""
        return {key: text for key, text in self.tags.items() if key.endswith(".label")} | self.params

    @property
    def init_from(self) -> str | None:
        """The run or file that gave this run its initial weights, as the run's user named it; None: there is none."""
        given = (self.params.get(key, "null") for key in ("init_from.run", "init_from.file", "init_from"))
        return next((text for text in given if text != "null"), None)

    def stored(self, name: str, copies: Path | None = None) -> Path:
        """A file or folder that the run stored: the original if it lies on this machine, else a copy.

        Args:
            name: its path among the run's files.
            copies: folder for a copy; None: the system's folder for temporary files, where it stays.

        Raises:
            GlrError: the run has no file of this name, or the file cannot be fetched.
        """
        with suppress(Exception):  # each kind of storage has its own errors
            client = MlflowClient(self.store)
            place = str(client.get_run(self.id).info.artifact_uri)
            if urlsplit(place).scheme in ("", "file"):  # the client would copy it
                return Path(get_artifact_repository(place).download_artifacts(name))
            folder = None if copies is None else copies / self.id
            if folder is not None:
                folder.mkdir(exist_ok=True)
            file = Path(client.download_artifacts(self.id, name, folder and str(folder)))
            if file.exists():
                return file
        raise GlrError(f"run {self.name} ({self.id}, {self.status.lower()}) has no {name}")

    def keep(self, file: Path) -> None:
        """Store a file with the run, which has ended.

        Raises:
            GlrError: the store does not take the file.
        """
        try:
            RunWriter(MlflowClient(self.store), self.id, fresh=False).store(file, None)
        except Exception as error:  # each kind of storage has its own errors
            raise GlrError(f"{file.name} cannot be stored with run {self.name} ({reason(error)})") from error


def runs_of(
    client: MlflowClient, studies: Iterable[str], query: str = "", *, missing_ok: bool = False
) -> list[PastRun]:
    """All runs of some studies, in order of start.

    Args:
        client: the store's client.
        studies: names of MLflow experiments.
        query: a filter in MLflow's search syntax.
        missing_ok: skip a study that does not exist; False: raise a GlrError.

    Raises:
        GlrError: a study does not exist.
    """
    names = {}
    for study in studies:
        experiment = client.get_experiment_by_name(study)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            if missing_ok:
                continue
            of_mlflow = [] if client.search_runs(["0"], max_results=1) else ["0"]  # Default, which every store has
            made = sorted(e.name for e in client.search_experiments() if e.experiment_id not in of_mlflow)
            names_of_all = ", ".join(made) or "none"
            published = study in {file.parent.name for file in SWEEPS.glob("*/leaderboard.yaml")}
            first = f"; write it first: python -m glr.record study={study}" if published else ""
            raise GlrError(f"study={study}: {client.tracking_uri} has no such study (it has {names_of_all}){first}")
        names[experiment.experiment_id] = study
    runs = searched(client, list(names), query, partial(_past, client.tracking_uri, names))
    return sorted(runs, key=lambda run: order(run.tags, run.started))


def matching(runs: list[PastRun], wanted: Mapping[str, object]) -> list[PastRun]:
    """The runs that have these values of parameters or tags.

    Raises:
        GlrError: no run has a parameter or tag of this name.
    """
    for name in wanted:
        known = {key for run in runs for key in (*run.params, *run.tags)}
        if runs and name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise GlrError(f"where={name}: no run has such a parameter or tag{hint}")
    return [run for run in runs if all(run.params.get(k, run.tags.get(k)) == recorded(v) for k, v in wanted.items())]


def curves(client: MlflowClient, runs: Iterable[PastRun], metric: str) -> dict[str, list[tuple[int, float]]]:
    """The values of a metric by epoch, for each run that has it, by the run's id.

    An epoch that was recorded twice, by a run that continued, has its last value.
    """
    wanted = [run.id for run in runs if metric in run.metrics]

    def curve(run_id: str) -> list[tuple[int, float]]:
        history = sorted(client.get_metric_history(run_id, metric), key=lambda each: (each.step, each.timestamp))
        return sorted({each.step: each.value for each in history}.items())

    with ThreadPoolExecutor(_AT_ONCE) as pool:  # a server answers for one run at a time
        return dict(zip(wanted, pool.map(curve, wanted), strict=True))


def addresses(client: MlflowClient, runs: Iterable[PastRun]) -> dict[str, str]:
    """The address of each run's page for a browser, by the run's id; see `glr.tracking.store.page_of`."""
    runs = list(runs)
    experiments = {study: client.get_experiment_by_name(study) for study in dict.fromkeys(run.study for run in runs)}
    ids = {study: experiment.experiment_id for study, experiment in experiments.items() if experiment is not None}
    return {run.id: page_of(client.tracking_uri, ids[run.study], run.id) for run in runs if run.study in ids}


def find(client: MlflowClient, name: str) -> PastRun:
    """The run with this id, or the only run with this name; `study/name` looks in one study.

    Raises:
        GlrError: there is no such run, or several runs have the name.
    """
    if (run := _with_id(client, name)) is not None:
        return run
    named = _named(client, name, *(experiment.name for experiment in client.search_experiments()))
    study, _, short = name.partition("/")
    if not named and short:
        named = _named(client, short, study)
    if not named:
        raise GlrError(f"there is no run with the id or the name {name} in {client.tracking_uri}")
    return _only(named)


def stored_weights(client: MlflowClient, name: str, study: str) -> tuple[PastRun, Path]:
    """The last weights of the run with this id, or of the only finished run that asked for this name in a study.

    `study/name` names another study, as in `find`.

    Raises:
        GlrError: there is no such run, several finished runs have the name, or the run stored no weights.
    """
    run = _with_id(client, name)
    if run is None:
        other, _, short = name.partition("/")
        finished = _finished(client, name, study) or (_finished(client, short, other) if short else [])
        if not finished:
            elsewhere = _finished(client, name, *(experiment.name for experiment in client.search_experiments()))
            hint = f"; did you mean init_from={elsewhere[-1].study}/{name}?" if elsewhere else ""
            raise GlrError(
                f"init_from.run={name}: neither a run's id, nor a finished run of study {study}; a file does not exist "
                f"under this name either{hint}"
            )
        run = _only(finished, f"init_from.run={name}: ")
    try:
        return run, run.stored(WEIGHTS.format("last"))
    except GlrError as error:
        raise GlrError(f"init_from.run={name}: {error}") from error


def _only(named: list[PastRun], where: str = "") -> PastRun:
    """The only run; raise a GlrError if several runs have its name, as in studies of earlier versions."""
    if len(named) > 1:
        ids = "; ".join(f"{run.id} ({run.status.lower()}, study {run.study})" for run in named[-5:])
        needed = "an id" if len({run.study for run in named}) == 1 else "an id or study/name"
        raise GlrError(f"{where}{len(named)} runs are named {named[0].name}; give {needed}; the newest are {ids}")
    return named[0]


def _with_id(client: MlflowClient, text: str) -> PastRun | None:
    if not re.fullmatch("[0-9a-f]{32}", text):
        return None
    try:
        run = client.get_run(text)
    except MlflowException:
        return None
    experiment = run.info.experiment_id
    return _past(client.tracking_uri, {experiment: client.get_experiment(experiment).name}, run)


def _named(client: MlflowClient, name: str, *studies: str) -> list[PastRun]:
    runs = runs_of(client, studies, equals("attributes.run_name", name), missing_ok=True)
    return [run for run in runs if run.name == name and run.kind not in ("sweep", "evaluation")]


def _finished(client: MlflowClient, name: str, *studies: str) -> list[PastRun]:
    """The finished runs that asked for a name. A failed run may have it: the next one is then called `name (2)`."""
    if finished := [run for run in _named(client, name, *studies) if run.status == "FINISHED"]:
        return finished
    numbered = re.compile(rf"{re.escape(name)} \(\d+\)")
    runs = runs_of(client, studies, begins("attributes.run_name", f"{name} ("), missing_ok=True)
    return [run for run in runs if numbered.fullmatch(run.name) and run.kind == "train" and run.status == "FINISHED"]


def _past(uri: str, studies: Mapping[str, str], run: Run) -> PastRun:
    """Keep what glr reads of a run; `studies` has the names of experiments by their ids."""
    info, data = run.info, run.data
    name, values = info.run_name or info.run_id, (dict(data.params), dict(data.metrics), dict(data.tags))
    return PastRun(info.run_id, name, studies[info.experiment_id], info.status, info.start_time, *values, store=uri)

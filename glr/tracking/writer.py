"""Writes records to MLflow; writing the same record again changes nothing."""

import json
import posixpath
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from glr.tracking.description import NOTE, may_write, written
from glr.tracking.entries import (
    Continue,
    Damaged,
    DatasetUse,
    End,
    Entry,
    Metrics,
    Open,
    Params,
    RecordError,
    StudyPage,
    Tags,
    now,
)
from glr.tracking.names import create_named
from glr.tracking.query import equals
from glr.tracking.store import DeletedError, experiment, is_missing, restoring
from glr.tracking.study_page import show

JOURNAL = "journal"  # the tag that names a run's journal
ORDER = "order"  # the tag that replaces a run's start time as its sort key, if clocks disagree
ATTEMPT = "attempt"  # the tag with the number of the latest process that worked on the run
ARTIFACTS = "<artifacts>"  # in a tag's value: stands for the place of the run's files
_BATCH = 900  # metrics per request; MLflow's limit is 1,000
# MLflow's error codes for a record that it will never accept; other errors may be temporary.
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}


def is_refusal(error: Exception) -> bool:
    """Return True if the store will never accept the record; only MLflow's own JSON counts, not a proxy's page."""
    if isinstance(error, RestException) and error.json.get("error_code") == "BAD_REQUEST":
        return True  # read from the JSON: MLflow's client gives this code to every answer with status 400
    return isinstance(error, RecordError) or (isinstance(error, MlflowException) and error.error_code in _REFUSALS)


def order(tags: Mapping[str, str], started: int) -> int:
    """Return a run's sort key: a later start gives a higher key."""
    noted = tags.get(ORDER, "")
    return int(noted) if noted.isdecimal() else started


def _order(client: MlflowClient, study: str, key: str | None) -> dict[str, str]:
    """The tag that sorts a new run after earlier runs of the same job from machines whose clocks were ahead."""
    if key is None:
        return {}
    runs = client.search_runs([study], equals("tags.key", key))
    latest = max((order(run.data.tags, run.info.start_time) for run in runs), default=0)
    return {ORDER: str(latest + 1)} if latest > now() else {}


class RunWriter:
    """Writes the records of one run.

    A parameter or a step's metric that MLflow already has keeps its value: a killed run repeats the steps after its
    last checkpoint, and its history must hold each step once. The latest attempt sets status and tags: records that an
    earlier attempt left on another machine only add parameters, metrics and files.

    Args:
        client: the store's client.
        run_id: the run.
        fresh: MLflow has no records of the run.

    Attributes:
        fresh: MLflow had no records of the run when this writer was made.
        name: the run's name.
        has_view: this writer has seen that the study has a saved view.
        attempt: the attempt that wrote these records (see `glr.tracking.run.begin`); None: not counted.
    """

    def __init__(self, client: MlflowClient, run_id: str, *, fresh: bool):
        self.client = client
        self.run_id = run_id
        info = client.get_run(run_id).info
        self.experiment_id: str = info.experiment_id
        self.artifacts = str(info.artifact_uri)
        self.name: str = info.run_name or run_id
        self.fresh = fresh
        self._params: dict[str, str] | None = {} if fresh else None
        self._steps: dict[str, set[int]] = {}
        self.attempt: int | None = None
        self.has_view = False

    @classmethod
    def opened(cls, client: MlflowClient, entry: Open, known: str | None = None) -> "RunWriter":
        """The writer of the run that the record opens: found by its id or its journal's name, or created.

        Args:
            client: the store's client.
            entry: opens the run.
            known: the id of the run that received earlier records of the journal, if any.

        Raises:
            DeletedError: the run or its study was deleted.
        """
        target = experiment(client, entry.study, entry.artifacts)
        if known is not None:
            try:
                writer = cls(client, known, fresh=False)
            except MlflowException as error:
                if not is_missing(error):
                    raise  # if the run is missing, the database was replaced
            else:
                writer.verify()
                return writer
        journal = entry.tags[JOURNAL]
        runs = client.search_runs([target], equals(f"tags.{JOURNAL}", journal), max_results=1)
        if runs:
            return cls(client, runs[0].info.run_id, fresh=False)
        tags = entry.tags | _order(client, target, entry.tags.get("key"))
        created = create_named(client, target, entry.name, entry.time, tags)
        return cls(client, created.info.run_id, fresh=True)

    def verify(self) -> None:
        """Make sure that MLflow has the run.

        Raises:
            DeletedError: the run was deleted; it can be restored.
            MlflowException: MLflow no longer has the run (see `is_missing`), or does not answer.
        """
        info = self.client.get_run(self.run_id).info
        if info.lifecycle_stage == "deleted":
            raise DeletedError(
                f"run {info.run_name} was deleted in MLflow; restore it with: "
                f"{restoring(self.client, f'runs restore --run-id {self.run_id}')}"
            )

    def has(self, entry: Metrics) -> bool:
        """Return whether MLflow has the metrics of a record."""
        return all(entry.step in self._seen(key) for key in entry.values)

    def write(self, entry: Entry) -> None:
        """Write any record except an `Artifact`, which `store` writes.

        Raises:
            RecordError: the record is damaged.
            ValueError: this version cannot read the record.
        """
        match entry:
            case Open():
                pass  # `opened` has created the run
            case Continue():
                self._continue(entry)
            case Params(values):
                self._add_params(values)
            case Tags(values):
                if not self._is_superseded():
                    self._set_tags(values)
            case Metrics():
                self.write_metrics([entry])
            case DatasetUse():
                self._use(entry)
            case StudyPage():
                self.has_view = show(self.client, self.experiment_id, entry)
            case End(status, values, time):
                if not self._is_superseded():
                    self._set_tags(values)
                    self.client.set_terminated(self.run_id, status, time)
            case Damaged(line):
                raise RecordError(f"line {line} of the journal is damaged")
            case _:
                raise ValueError(f"this version of glr does not know the record {entry}")

    def write_metrics(self, entries: Iterable[Metrics]) -> None:
        """Write the metrics of several records in as few requests as possible."""
        new: dict[tuple[str, int], Metric] = {}
        for entry in entries:
            for key, value in entry.values.items():
                if entry.step not in self._seen(key) and (key, entry.step) not in new:
                    new[key, entry.step] = Metric(key, value, entry.time, entry.step)
        metrics = list(new.values())
        for start in range(0, len(metrics), _BATCH):
            self.client.log_batch(self.run_id, metrics[start : start + _BATCH])
        for key, step in new:
            self._steps[key].add(step)

    def store(self, file: Path, folder: str | None) -> None:
        """Store a file with the run, unless a later attempt has stored it; a failure leaves no part in the store.

        Raises:
            RecordError: the folder is outside of the run's files.
            OSError: a server or a proxy accepted the file but did not store it.
        """
        name = posixpath.normpath(f"{folder or '.'}/{file.name}")
        if name.startswith(("/", "../")):
            raise RecordError(f"the file {name} is outside of the run's files")
        if self._is_superseded() and name in {info.path for info in self.client.list_artifacts(self.run_id, folder)}:
            return
        try:
            self.client.log_artifact(self.run_id, str(file), folder)
            if self.artifacts.startswith(("mlflow-artifacts:", "http")):
                sizes = {info.path: info.file_size for info in self.client.list_artifacts(self.run_id, folder)}
                if sizes.get(name) != file.stat().st_size:
                    raise OSError(f"the server accepted {name} but did not store it")
        except Exception:
            with suppress(Exception):
                get_artifact_repository(self.artifacts).delete_artifacts(name)
            raise

    def _continue(self, entry: Continue) -> None:
        """Set the status to RUNNING again, and set the attempt's tags."""
        self.attempt = entry.attempt
        if self._is_superseded():
            return
        if not self.fresh:
            self.client.update_run(self.run_id, "RUNNING")
            tags = self.client.get_run(self.run_id).data.tags
            for tag in {"failure", "diverged", "pruned"} & set(tags):
                self.client.delete_tag(self.run_id, tag)
        self._set_tags(entry.values | ({} if self.attempt is None else {ATTEMPT: str(self.attempt)}))

    def _is_superseded(self) -> bool:
        """Return whether a later attempt has worked on the run."""
        if self.attempt is None:
            return False
        return int(self.client.get_run(self.run_id).data.tags.get(ATTEMPT, 0)) > self.attempt

    def _add_params(self, values: dict[str, str]) -> None:
        if self._params is None:
            self._params = dict(self.client.get_run(self.run_id).data.params)
        new = {key: value for key, value in values.items() if key not in self._params}
        self.client.log_batch(self.run_id, params=[Param(key, value) for key, value in new.items()])
        self._params |= new

    def _set_tags(self, values: dict[str, str]) -> None:
        tags = {key: value.replace(ARTIFACTS, self.artifacts) for key, value in values.items()}
        if NOTE in tags:
            text, own = tags.pop(NOTE), may_write(self.client.get_run(self.run_id).data.tags)
            tags |= written(text, self.experiment_id, self.run_id) if own else {}
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _seen(self, key: str) -> set[int]:
        if key not in self._steps:
            history = [] if self.fresh else self.client.get_metric_history(self.run_id, key)
            self._steps[key] = {metric.step for metric in history}
        return self._steps[key]

    def _use(self, entry: DatasetUse) -> None:
        source = json.dumps({"uri": entry.path})
        dataset = Dataset(entry.name, entry.digest, "local", source, profile=json.dumps(entry.profile))
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", entry.context)])])

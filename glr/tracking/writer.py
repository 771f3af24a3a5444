"""Writes records to MLflow: a record that is written again changes nothing."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from glr.tracking.entries import Continue, DatasetUse, End, Entry, Metrics, Open, Params, Tags
from glr.tracking.store import experiment

JOURNAL = "journal"  # the tag that names a run's journal
ATTEMPT = "attempt"  # the tag with the number of the latest process that worked at the run
ARTIFACTS = "<artifacts>"  # in a tag's value: stands for the place of the run's files
_BATCH = 900  # metrics per request; MLflow takes 1,000
# MLflow's answers to a record that it will never take; other errors may pass.
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"}


def is_refusal(error: Exception) -> bool:
    """Whether MLflow will never take the record."""
    return isinstance(error, MlflowException) and error.error_code in _REFUSALS


class RunWriter:
    """Writes the records of one run.

    A parameter that MLflow has keeps its value, and so does a metric of a step: a killed run repeats the steps after
    its last checkpoint, and its history shall hold each step once. Status and tags are those of the latest attempt:
    records that an earlier one left on a lost machine add parameters, metrics and files only.

    Args:
        client: of the store.
        run_id: the run.
        fresh: MLflow has no records of it.

    Attributes:
        attempt: whose records these are (see `glr.tracking.run.begin`); None: nobody counts.
    """

    def __init__(self, client: MlflowClient, run_id: str, *, fresh: bool):
        self.client = client
        self.run_id = run_id
        info = client.get_run(run_id).info
        self.experiment_id: str = info.experiment_id
        self.artifacts = str(info.artifact_uri)
        self._fresh = fresh
        self._params: dict[str, str] | None = {} if fresh else None
        self._steps: dict[str, set[int]] = {}
        self.attempt: int | None = None

    @classmethod
    def opened(cls, client: MlflowClient, entry: Open) -> "RunWriter":
        """The writer of the run that the record opens: found by its journal's name, or created."""
        target = experiment(client, entry.study, entry.artifacts)
        journal = entry.tags[JOURNAL]
        found = client.search_runs([target], f"tags.{JOURNAL} = '{journal}'", max_results=1)
        if found:
            return cls(client, found[0].info.run_id, fresh=False)
        created = client.create_run(target, entry.time, tags=entry.tags, run_name=entry.name)
        return cls(client, created.info.run_id, fresh=True)

    def write(self, entry: Entry) -> None:
        """Write a record of any kind but `Artifact`, which `store` takes.

        Raises:
            ValueError: this version cannot read the record.
        """
        match entry:
            case Open():
                pass  # `opened` has done it
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
            case End(status, values, time):
                if not self._is_superseded():
                    self._set_tags(values)
                    self.client.set_terminated(self.run_id, status, time)
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
        """Store a file with the run; if that fails, no part of it stays in the store."""
        try:
            self.client.log_artifact(self.run_id, str(file), folder)
        except Exception:
            with suppress(Exception):
                get_artifact_repository(self.artifacts).delete_artifacts(f"{folder or '.'}/{file.name}")
            raise

    def _continue(self, entry: Continue) -> None:
        """Set the status to RUNNING again."""
        self.attempt = entry.attempt
        if self._is_superseded():
            return
        if not self._fresh:
            self.client.update_run(self.run_id, "RUNNING")
            tags = self.client.get_run(self.run_id).data.tags
            for tag in {"failure", "diverged", "pruned"} & set(tags):
                self.client.delete_tag(self.run_id, tag)
        self._set_tags(entry.values | ({} if self.attempt is None else {ATTEMPT: str(self.attempt)}))

    def _is_superseded(self) -> bool:
        """Return whether a later attempt has worked at the run."""
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
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _seen(self, key: str) -> set[int]:
        if key not in self._steps:
            history = [] if self._fresh else self.client.get_metric_history(self.run_id, key)
            self._steps[key] = {metric.step for metric in history}
        return self._steps[key]

    def _use(self, entry: DatasetUse) -> None:
        source = json.dumps({"uri": entry.path})
        dataset = Dataset(entry.name, entry.digest, "local", source, profile=json.dumps(entry.profile))
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", entry.context)])])

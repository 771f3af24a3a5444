"""Records into MLflow: each may be written any number of times, and stands there once."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from glr.tracking.journal import Entry
from glr.tracking.store import experiment

JOURNAL = "journal"  # the tag that names a run's journal
ATTEMPT = "attempt"  # the tag that counts the processes that have worked at a run, one after the other
ARTIFACTS = "<artifacts>"  # in a tag's value: where the run's files lie
_BATCH = 900  # metrics a request; MLflow takes 1,000
# What MLflow answers to a record that it will never take; all else may pass.
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"}


def is_refusal(error: Exception) -> bool:
    """Whether MLflow will answer the same whenever it is asked again."""
    return isinstance(error, MlflowException) and error.error_code in _REFUSALS


class Writer:
    """Writes the records of one run.

    A parameter, and a metric of a step, that is there already stays as it is: a run that was killed repeats what it did
    after its last checkpoint, and each step shall stand in its history once. Status and tags are those of the latest
    attempt: what an earlier one, on a machine that was lost, has left unsent adds metrics and files alone.

    Args:
        client: of the store.
        run_id: the run.
        fresh: nothing has been recorded of it.

    Attributes:
        attempt: whose records these are (`glr.tracking.run.begin`); None: nobody counts.
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
    def opened(cls, client: MlflowClient, entry: Entry) -> "Writer":
        """Of the run that an `open` record describes: found by its journal's name, or created."""
        target = experiment(client, entry["study"], entry["artifacts"])
        journal = entry["tags"][JOURNAL]
        found = client.search_runs([target], f"tags.{JOURNAL} = '{journal}'", max_results=1)
        if found:
            return cls(client, found[0].info.run_id, fresh=False)
        created = client.create_run(target, entry["time"], tags=entry["tags"], run_name=entry["name"])
        return cls(client, created.info.run_id, fresh=True)

    def write(self, entries: Iterable[Entry]) -> None:
        """Write records, metrics that stand together in as few requests as possible."""
        metrics: list[Entry] = []
        for entry in entries:
            if entry["kind"] == "metrics":
                metrics.append(entry)
                continue
            self._write_metrics(metrics)
            metrics = []
            if entry["kind"] != "open":  # `opened` has done it
                getattr(self, f"_write_{entry['kind']}")(entry)
        self._write_metrics(metrics)

    def store(self, file: Path, folder: str | None) -> None:
        """Store a file with the run; what fails leaves no part of it."""
        try:
            self.client.log_artifact(self.run_id, str(file), folder)
        except Exception:
            with suppress(Exception):
                get_artifact_repository(self.artifacts).delete_artifacts(f"{folder or '.'}/{file.name}")
            raise

    def _write_continue(self, entry: Entry) -> None:
        """Make it a running run again."""
        self.attempt = entry["attempt"]
        if self._is_superseded():
            return
        if not self._fresh:
            self.client.update_run(self.run_id, "RUNNING")
            tags = self.client.get_run(self.run_id).data.tags
            for tag in {"failure", "diverged", "pruned"} & set(tags):
                self.client.delete_tag(self.run_id, tag)
        self._set_tags(entry["values"] | ({} if self.attempt is None else {ATTEMPT: str(self.attempt)}))

    def _write_end(self, entry: Entry) -> None:
        if self._is_superseded():
            return
        self._set_tags(entry["values"])
        self.client.set_terminated(self.run_id, entry["status"], entry["time"])

    def _is_superseded(self) -> bool:
        """Whether a later attempt has been at the run."""
        if self.attempt is None:
            return False
        return int(self.client.get_run(self.run_id).data.tags.get(ATTEMPT, 0)) > self.attempt

    def _write_params(self, entry: Entry) -> None:
        if self._params is None:
            self._params = dict(self.client.get_run(self.run_id).data.params)
        new = {key: value for key, value in entry["values"].items() if key not in self._params}
        self.client.log_batch(self.run_id, params=[Param(key, value) for key, value in new.items()])
        self._params |= new

    def _write_tags(self, entry: Entry) -> None:
        if not self._is_superseded():
            self._set_tags(entry["values"])

    def _set_tags(self, values: dict[str, str]) -> None:
        tags = {key: value.replace(ARTIFACTS, self.artifacts) for key, value in values.items()}
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def _write_metrics(self, entries: list[Entry]) -> None:
        found = [
            (key, entry["step"], value, entry["time"]) for entry in entries for key, value in entry["values"].items()
        ]
        new: dict[tuple[str, int], Metric] = {}
        for key, step, value, time in found:
            if step not in self._seen(key) and (key, step) not in new:
                new[key, step] = Metric(key, value, time, step)
        metrics = list(new.values())
        for start in range(0, len(metrics), _BATCH):
            self.client.log_batch(self.run_id, metrics[start : start + _BATCH])
        for key, step in new:
            self._steps[key].add(step)

    def _seen(self, key: str) -> set[int]:
        if key not in self._steps:
            history = [] if self._fresh else self.client.get_metric_history(self.run_id, key)
            self._steps[key] = {metric.step for metric in history}
        return self._steps[key]

    def _write_dataset(self, entry: Entry) -> None:
        source = json.dumps({"uri": entry["path"]})
        dataset = Dataset(entry["name"], entry["digest"], "local", source, profile=json.dumps(entry["profile"]))
        self.client.log_inputs(
            self.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", entry["context"])])]
        )

"""One run's record in MLflow: parameters, tags, metrics, files, and how it ended."""

import getpass
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from omegaconf import DictConfig, OmegaConf

from glr.config.identity import flattened
from glr.errors import DivergedError, GlrError
from glr.tracking.store import connect, experiment, pages
from glr.tracking.sweep import PARENT_VARIABLE

_LIBRARIES = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "keras", "numpy", "mlflow", "hydra-core", "glr")


class Run:
    """An open run."""

    def __init__(self, client: MlflowClient, run_id: str):
        self._client = client
        self.id = run_id

    @property
    def pages(self) -> str:
        """What shows the run's study in a browser."""
        return pages(self._client.tracking_uri, self._client.get_run(self.id).info.experiment_id)

    @property
    def artifacts(self) -> str:
        """Where the run's files lie."""
        return str(self._client.get_run(self.id).info.artifact_uri)

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters: nested ones flattened with dots, a list as JSON, None as null."""
        params = [Param(key, recorded(value)) for key, value in flattened(values)]
        self._client.log_batch(self.id, params=params)

    def config(self, config: DictConfig, choices: Mapping[str, Any]) -> None:
        """Record a composed config: its choices and settings as parameters, and all of it as config.yaml.

        Args:
            config: resolved, of conf/train.yaml; where it is tracked is no hyperparameter.
            choices: group -> choice, of this config's groups and of Hydra's own.
        """
        settings: Any = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
        self.text(OmegaConf.to_yaml(OmegaConf.create(settings)), "config.yaml")
        del settings["tracking"]
        chosen = {group: name for group, name in choices.items() if group in {*settings, "experiment"} and name}
        self.params(chosen)
        self.params(settings)

    def tags(self, values: Mapping[str, Any]) -> None:
        """Record tags."""
        self._client.log_batch(self.id, tags=[RunTag(key, str(value)) for key, value in values.items()])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of a step in one write."""
        now = int(time.time() * 1000)
        self._client.log_batch(self.id, [Metric(key, float(value), now, step) for key, value in values.items()])

    def file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run.

        Raises:
            GlrError: it could not be written; no part of it is left.
        """
        try:
            self._client.log_artifact(self.id, str(path), folder)
        except Exception as error:  # each kind of artifact store has errors of its own
            with suppress(Exception):
                get_artifact_repository(self.artifacts).delete_artifacts(f"{folder or '.'}/{path.name}")
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise GlrError(f"{path.name} could not be stored with the run in {self.artifacts}: {reason}") from error

    def text(self, content: str, name: str) -> None:
        """Store a text as a file of the run."""
        self._client.log_text(self.id, content, name)

    def dataset(self, name: str, digest: str, path: str, context: str, profile: Mapping[str, Any]) -> None:
        """Record a data set that the run used, `context` being training or evaluation."""
        dataset = Dataset(name, digest, "local", json.dumps({"uri": path}), profile=json.dumps(profile))
        self._client.log_inputs(self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


@contextmanager
def run(
    uri: str, study: str, name: str, artifacts: str | None, *, kind: str = "train", parent: str | None = None
) -> Iterator[Run]:
    """Open a run, below the sweep's parent if there is one, and close it as it ended.

    An exception marks it FAILED (Ctrl-C: KILLED), with the reason in the tag `failure` and, in the tag `diverged`,
    whether training diverged.

    Args:
        uri: of the store.
        study: the MLflow experiment.
        name: the run's name.
        artifacts: where a new experiment puts its files; None leaves it to the server.
        kind: train, ensemble or evaluation.
        parent: the id of the run that it belongs to; None: the sweep's, if there is one.
    """
    client = connect(uri)
    tags = {"mlflow.user": getpass.getuser(), "mlflow.source.name": f"python -m {_module()}", "kind": kind}
    tags["mlflow.source.type"] = "LOCAL"
    if parent := parent or os.environ.get(PARENT_VARIABLE):
        tags["mlflow.parentRunId"] = parent
    record = client.create_run(experiment(client, study, artifacts), tags=tags, run_name=name)
    opened = Run(client, record.info.run_id)
    try:
        yield opened
    except BaseException as error:
        reason = str(error) if isinstance(error, GlrError) else f"{type(error).__name__}: {error}"
        opened.tags({"failure": reason[:5000], "diverged": isinstance(error, DivergedError)})
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        client.set_terminated(opened.id, "KILLED" if killed else "FAILED")
        raise
    client.set_terminated(opened.id, "FINISHED")


def recorded(value: Any) -> str:
    """A parameter's value as it is recorded: None and lists as JSON, all else as Python prints it."""
    return json.dumps(value) if value is None or isinstance(value, list) else str(value)


def environment() -> dict[str, str]:
    """The code and the machine, as tags: git commit, library versions, Python, platform."""
    tags = {"python": platform.python_version(), "platform": platform.platform()}
    tags["command"] = shlex.join(["python", "-m", _module(), *sys.argv[1:]])
    for library in _LIBRARIES:
        try:
            tags[f"version.{library}"] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    root = Path(__file__).parents[2]
    if (commit := _git(root, "rev-parse", "HEAD")) is not None:
        tags["mlflow.source.git.commit"] = commit
        tags["git.uncommitted_changes"] = str(bool(_git(root, "status", "--porcelain", "--untracked-files=no")))
    return tags


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _module() -> str:
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else Path(sys.argv[0]).name

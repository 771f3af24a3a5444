"""The interface for recording a run: to a journal, to MLflow at once, or not at all."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from glr.config.component import class_of
from glr.config.identity import flattened
from glr.config.secrets import redacted, without_secrets
from glr.tracking.entries import DatasetUse, Entry, Metrics, Params, Tags, from_json
from glr.tracking.environment import environment
from glr.tracking.writer import ARTIFACTS, RunWriter


class Recorder(ABC):
    """Records one run; secrets are removed from its records.

    Attributes:
        complete: the run has ended, and MLflow has all of its records.
    """

    complete = False

    @property
    def id(self) -> str | None:
        """The run's id in MLflow; None: this process does not know it."""
        return None

    @property
    def name(self) -> str:
        """The run's name in MLflow, which may have a number added; empty: this process does not know it."""
        return ""

    @property
    def pages(self) -> str:
        """The address of the run's study for a browser; empty: this process does not know it."""
        return ""

    @abstractmethod
    def record(self, entry: Entry) -> None:
        """Record an entry."""

    @abstractmethod
    def file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run; the caller may then delete or replace the file, but not write into it.

        Raises:
            GlrError: the disk has no room for it.
        """

    @abstractmethod
    def text(self, content: str, name: str) -> None:
        """Store a text as a file of the run.

        Raises:
            GlrError: the disk has no room for it.
        """

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters: nested mappings are flattened with dots, a list becomes JSON, None becomes null."""
        visible = without_secrets(dict(values))
        self.record(Params({key: recorded(value) for key, value in flattened(visible)}))

    def tags(self, values: Mapping[str, object]) -> None:
        """Record tags."""
        self.record(Tags({key: redacted(str(value)) for key, value in values.items()}))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of a step."""
        self.record(Metrics({key: float(value) for key, value in values.items()}, step))

    def metrics_so_far(self) -> list[object]:
        """All recorded metrics as JSON values, to be saved in a checkpoint, which outlives this machine's journal."""
        return []

    def restore(self, metrics: Iterable[object]) -> None:
        """Record the metrics of a checkpoint that this journal lacks: another machine may never have sent them."""
        known = {json.dumps(entry) for entry in self.metrics_so_far()}
        for entry in metrics:
            if json.dumps(entry) not in known:
                self.record(from_json(entry))

    def dataset(self, name: str, digest: str, path: str, context: str, profile: Mapping[str, object]) -> None:
        """Record a data set that the run used; `context` is training or evaluation."""
        self.record(DatasetUse(redacted(name), digest, redacted(path), context, dict(profile)))

    def descriptors(self, folder: Path) -> None:
        """Store the files of a folder as the run's descriptors, and tag the run with their location.

        Raises:
            GlrError: the disk has no room for them.
        """
        for file in sorted(folder.iterdir()):
            self.file(file, "descriptors")
        self.tags({"descriptors": f"{ARTIFACTS}/descriptors"})

    def config(self, config: DictConfig, choices: Mapping[str, object]) -> None:
        """Record a composed config: its choices and settings as parameters, and the whole config as config.yaml.

        Labels, which only tables print, become tags. The choice tells a component's class; a class that no choice of
        glr names, such as a user's own, is the parameter `<component>.class`.

        Args:
            config: the config; its sections `tracking` and `sweep` are not recorded as parameters.
            choices: group -> choice, of this config's groups and of Hydra's own.
        """
        settings = without_secrets(OmegaConf.to_container(config, resolve=True, enum_to_str=True))
        self.text(OmegaConf.to_yaml(OmegaConf.create(settings)), "config.yaml")
        # MLflow lists parameters as they were recorded: the choices first, in the order of the config.
        self.params({group: choices[group] for group in (*settings, "experiment") if choices.get(group)})
        labels, params = {}, {}
        for key, value in flattened(
            {key: value for key, value in settings.items() if key not in ("tracking", "sweep")}
        ):
            place, _, name = key.rpartition(".")
            if name == "label":
                labels[key] = value
            elif name != "_target_":
                params[key] = value
            elif class_of(place, value) == value:
                params[f"{place}.class"] = value
        self.params(params)
        self.tags({key: label for key, label in labels.items() if label is not None})

    def provenance(self, config: DictConfig, choices: Mapping[str, object]) -> None:
        """Record where the results come from: the config (see `config`), the code, the machine, the command line."""
        self.config(config, choices)
        self.tags(environment())


class DirectRun(Recorder):
    """Writes a run to MLflow at once, without a journal: for an import, which can be repeated."""

    def __init__(self, writer: RunWriter):
        self._writer = writer

    def record(self, entry: Entry) -> None:
        """Write an entry to MLflow."""
        self._writer.write(entry)

    def file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run."""
        self._writer.store(path, folder)

    def text(self, content: str, name: str) -> None:
        """Store a text as a file of the run."""
        self._writer.client.log_text(self._writer.run_id, content, name)


class Unrecorded(Recorder):
    """Records nothing: every worker uses it except the chief, which records the run."""

    def record(self, entry: Entry) -> None:
        """Do nothing."""

    def file(self, path: Path, folder: str | None = None) -> None:
        """Do nothing."""

    def text(self, content: str, name: str) -> None:
        """Do nothing."""


def recorded(value: object) -> str:
    """The text of a parameter in MLflow: None and lists as JSON, all other values as Python prints them."""
    return json.dumps(value) if value is None or isinstance(value, list) else str(value)

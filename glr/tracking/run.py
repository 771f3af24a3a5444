"""One run's record in MLflow: parameters, tags, metrics, files, and how it ended."""

import getpass
import importlib.metadata
import json
import os
import platform
import secrets
import shlex
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from glr.config.identity import flattened
from glr.config.schema import Tracking
from glr.errors import DivergedError, GlrError
from glr.tracking.journal import Entry, Journal
from glr.tracking.secrets import redacted, without_secrets
from glr.tracking.sender import Sender
from glr.tracking.store import connect, pages
from glr.tracking.sweep import PARENT_VARIABLE
from glr.tracking.writer import JOURNAL, Writer

_LIBRARIES = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "keras", "numpy", "mlflow", "hydra-core", "glr")


class Recorder(ABC):
    """What can be recorded of a run, as journal entries; no secret is among it."""

    @abstractmethod
    def record(self, entry: Entry) -> None:
        """Record an entry."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters: nested ones flattened with dots, a list as JSON, None as null."""
        visible = without_secrets(dict(values))
        self.record({"kind": "params", "values": {key: recorded(value) for key, value in flattened(visible)}})

    def tags(self, values: Mapping[str, Any]) -> None:
        """Record tags."""
        self.record({"kind": "tags", "values": {key: redacted(str(value)) for key, value in values.items()}})

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record the metrics of a step."""
        numbers = {key: float(value) for key, value in values.items()}
        self.record({"kind": "metrics", "values": numbers, "step": step, "time": _now()})

    def dataset(self, name: str, digest: str, path: str, context: str, profile: Mapping[str, Any]) -> None:
        """Record a data set that the run used, `context` being training or evaluation."""
        fields = {"name": name, "digest": digest, "path": redacted(path), "context": context}
        self.record({"kind": "dataset", **fields, "profile": dict(profile)})


class DirectRun(Recorder):
    """A run that is written to MLflow at once: an import, which is done again where it was interrupted."""

    def __init__(self, writer: Writer):
        self._writer = writer

    def record(self, entry: Entry) -> None:
        """Write it."""
        self._writer.write([entry])

    def config(self, config: DictConfig, choices: Mapping[str, Any]) -> None:
        """Record a composed config: see `Run.config`."""
        text, chosen, settings = _settings(config, choices)
        self._writer.client.log_text(self._writer.run_id, text, "config.yaml")
        self.params(chosen)
        self.params(settings)


class Run(Recorder):
    """An open run: what is recorded stands in its journal at once, and in MLflow soon after.

    Attributes:
        complete: it has ended, and MLflow knows all of it.
    """

    def __init__(self, journal: Journal, sender: Sender):
        self.complete = False
        self._journal = journal
        self._sender = sender
        self.name: str = journal.entries[0]["name"]

    @property
    def id(self) -> str | None:
        """The run's id in MLflow; None while the store has not answered."""
        writer = self._sender.sending.writer
        return None if writer is None else writer.run_id

    @property
    def pages(self) -> str:
        """What shows the run's study in a browser."""
        opening, writer = self._journal.entries[0], self._sender.sending.writer
        return opening["uri"] if writer is None else pages(opening["uri"], writer.experiment_id)

    def wait(self, seconds: float = 60.0) -> str:
        """Wait until MLflow knows the run: its id.

        Raises:
            GlrError: the store does not answer.
        """
        deadline = time.monotonic() + seconds
        while self.id is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if self.id is None:
            raise GlrError(f"tracking.uri: no run could be created in {seconds:.0f} s ({self._sender.sending.trouble})")
        return self.id

    def metrics_so_far(self) -> list[Entry]:
        """All metrics recorded, for a checkpoint: with it they outlive this machine."""
        return [entry for entry in self._journal.entries if entry["kind"] == "metrics"]

    def record(self, entry: Entry) -> None:
        """Write it to the journal."""
        self._journal.append(entry)
        self._sender.notify()

    def config(self, config: DictConfig, choices: Mapping[str, Any]) -> None:
        """Record a composed config: its choices and settings as parameters, and all of it as config.yaml.

        Args:
            config: resolved, of conf/train.yaml; how it is tracked and launched is no hyperparameter.
            choices: group -> choice, of this config's groups and of Hydra's own.
        """
        text, chosen, settings = _settings(config, choices)
        self.text(text, "config.yaml")
        self.params(chosen)
        self.params(settings)

    def file(self, path: Path, folder: str | None = None) -> None:
        """Store a file with the run; it may be deleted or replaced afterwards, but not written into.

        Raises:
            GlrError: there is no room for it.
        """
        self._keep(path, path.name, folder)

    def text(self, content: str, name: str) -> None:
        """Store a text as a file of the run.

        Raises:
            GlrError: there is no room for it.
        """
        self._keep(content.encode(), name, None)

    def end(self, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Say how it ended, and wait for MLflow to know; what could not be sent is said, and waits in the journal."""
        self.record({"kind": "end", "status": status, "time": _now(), "values": dict(tags or {})})
        self.complete = self._sender.finish()
        sending, path = self._sender.sending, self._journal.path
        if self.complete:
            for refusal in sending.refused:
                print(f"MLflow refused a record: {refusal}; see {path.with_suffix('.refused')}", file=sys.stderr)
            return
        print(
            f"{sending.unsent} records of run {self.name} wait in {path} ({sending.trouble or 'the store is slow'}); "
            f"send them with: python -m glr.record journal={path.parent} "
            f"tracking.uri={shlex.quote(self._journal.entries[0]['uri'])}",
            file=sys.stderr,
        )

    def _keep(self, content: Path | bytes, name: str, folder: str | None) -> None:
        place = self._journal.keep(content, name)
        self.record({"kind": "file", "place": place, "folder": folder})


def begin(
    tracking: Tracking,
    study: str,
    name: str,
    *,
    kind: str = "train",
    parent: str | None = None,
    journal: str | None = None,
    attempt: int | None = None,
    continued: bool = False,
    tags: Mapping[str, str] | None = None,
) -> Run:
    """Open a run, below the sweep's parent if there is one; it has to be ended.

    Args:
        tracking: where it is recorded.
        study: the MLflow experiment.
        name: the run's name.
        kind: train, ensemble, evaluation or sweep.
        parent: the id of the run that it belongs to; None: the sweep's, if there is one.
        journal: the name of the journal of a run that is continued, or may be; None: a new one.
        attempt: of a run that several processes work at, one after the other and on any machine: which of them this
            is, from 1; the records of an earlier one change neither status nor tags.
        continued: there is work to lose: a store out of reach is waited for.
        tags: more of them.

    Raises:
        GlrError: the store cannot be opened, or the journal cannot be written.
    """
    parent = parent or os.environ.get(PARENT_VARIABLE)
    # Whoever sends what an earlier attempt has left may be at a large file.
    again = attempt is not None and attempt > 1
    written = Journal(Path(tracking.journal), journal or new_journal(), wait=600.0 if again else 30.0)
    if parent is None and not written.entries and not continued:
        try:
            connect(tracking.uri)  # somebody is there to correct the address; a job of a sweep goes on without
        except GlrError:
            written.remove()
            raise
    mine = {"mlflow.user": _user(), "mlflow.source.name": f"python -m {_module()}", "kind": kind}
    mine |= {"mlflow.source.type": "LOCAL", JOURNAL: written.name, **(tags or {})}
    if parent:
        mine["mlflow.parentRunId"] = parent
    mine = {key: redacted(value) for key, value in mine.items()}
    if not written.entries:
        place = {"uri": redacted(tracking.uri), "study": study, "name": redacted(name)}
        place |= {"artifacts": tracking.artifacts}
        written.append({"kind": "open", **place, "tags": mine, "time": _now()})
    written.append({"kind": "continue", "values": mine, "attempt": attempt})
    if written.failure:
        written.close()
        raise GlrError(f"{written.failure}; make room, or give another tracking.journal")
    sender = Sender(tracking.uri, written, tracking.patience)
    sender.start()
    return Run(written, sender)


@contextmanager
def run(tracking: Tracking, study: str, name: str, **options: Any) -> Iterator[Run]:
    """Open a run as `begin` does, and end it as it ended.

    An exception marks it FAILED (Ctrl-C and SIGTERM: KILLED), with the reason in the tag `failure` and, in the tag
    `diverged`, whether training diverged.
    """
    opened = begin(tracking, study, name, **options)
    try:
        yield opened
    except BaseException as error:
        killed = isinstance(error, KeyboardInterrupt | SystemExit)
        why = {"failure": _reason(error)[:5000], "diverged": str(isinstance(error, DivergedError))}
        opened.end("KILLED" if killed else "FAILED", why)
        raise
    opened.end("FINISHED")


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by Ctrl-C"
    if isinstance(error, SystemExit):
        return "stopped by SIGTERM" if error.code == os.EX_TEMPFAIL else f"ended with exit code {error.code}"
    return redacted(str(error) if isinstance(error, GlrError) else f"{type(error).__name__}: {error}")


def new_journal() -> str:
    """A name for a journal."""
    return secrets.token_hex(8)


def _settings(config: DictConfig, choices: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A config as YAML; the choice of each group; and every setting but those of tracking and sweep."""
    settings: Any = without_secrets(OmegaConf.to_container(config, resolve=True, enum_to_str=True))
    text = OmegaConf.to_yaml(OmegaConf.create(settings))
    chosen = {group: name for group, name in choices.items() if group in {*settings, "experiment"} and name}
    return text, chosen, {key: value for key, value in settings.items() if key not in ("tracking", "sweep")}


def _now() -> int:
    return int(time.time() * 1000)


def recorded(value: Any) -> str:
    """A parameter's value as it is recorded: None and lists as JSON, all else as Python prints it."""
    return json.dumps(value) if value is None or isinstance(value, list) else str(value)


def environment() -> dict[str, str]:
    """The code and the machine, as tags: git commit, library versions, Python, platform."""
    tags = {"python": platform.python_version(), "platform": platform.platform()}
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else sys.argv[1:]
    tags["command"] = shlex.join(["python", "-m", _module(), *overrides])
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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        return str(os.getuid())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _module() -> str:
    """The command's module; the main module of a launcher's worker is the launcher's own."""
    if HydraConfig.initialized():
        return f"glr.{HydraConfig.get().job.config_name}"
    spec = sys.modules["__main__"].__spec__
    return spec.name if spec else Path(sys.argv[0]).name

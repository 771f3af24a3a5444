"""The parent run of a sweep: a Hydra callback that opens it before the first job and closes it after the last."""

import atexit
import hashlib
import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from glr import storage
from glr.config.printing import say
from glr.config.secrets import redacted
from glr.config.signals import handle, restore
from glr.errors import GlrError
from glr.sweep.job import Job
from glr.sweep.outcome import metrics, table


class SweepRun(Callback):
    """Opens one MLflow run per sweep, the same run if the sweep starts again; the jobs, its children, read its id.

    Hydra does not call `on_multirun_end` after a failed job, so the run is also closed at exit: as KILLED after SIGINT,
    SIGTERM or SIGHUP, else as FAILED.

    Attributes:
        current: the sweep that this process runs; None: it runs none.
        key: a hash of the sweep's overrides, the same if the sweep starts again.
    """

    current: "SweepRun | None" = None

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Refuse a sweep that cannot work; open its parent run, which is created if it does not exist yet."""
        # Hydra builds this callback in every command: MLflow's import must wait until there is a sweep.
        from glr.config.jobs import given, settings_of_job
        from glr.config.run_names import SWEEP_VARIABLE, VARYING_VARIABLE, sweep_name, varying
        from glr.sweep.inputs import refuse
        from glr.tracking.description import NOTE, of_sweep
        from glr.tracking.entries import StudyPage
        from glr.tracking.run import PARENT_VARIABLE, begin

        overrides = [re.sub(r"=choice\(([^,()]*)\)$", r"=\1", text) for text in given(config.hydra)]
        key = _key(overrides)
        try:
            jobs = refuse(config)
            first = settings_of_job(config, jobs[0])
            different = varying(jobs, first)
            self.run = begin(
                config.tracking,
                first.study,  # a swept experiment may name its own study
                sweep_name(overrides, different, _counted(config, len(jobs)), config.sweep.name),
                kind="sweep",
                journal=f"sweep-{key}",
                tags={"key": key, "overrides": " ".join(overrides)},
            )
            parent = self.run.wait()
            self._page = StudyPage(redacted(_command(config, overrides)), different)
            self.run.record(self._page)
            self.run.tags({NOTE: of_sweep(self._page.command)})
            self.key = key
        except GlrError as error:
            sys.exit(f"error: {error}")  # Hydra turns any other exception into a warning
        variables = {
            PARENT_VARIABLE: parent,
            VARYING_VARIABLE: json.dumps(different),
            SWEEP_VARIABLE: self.run.name,
        }
        os.environ.update(variables)
        _give_to_ray(config, variables)
        self._config, self._study, SweepRun.current = config, first.study, self
        self._outcome: dict[str, float] | None = None
        self._status = "FAILED"
        atexit.register(self._close)
        self._handlers = handle(self._note, signal.SIGINT)

    def on_multirun_end(self, config: DictConfig, **_: object) -> None:  # noqa: ARG002
        """Report on the study, and close the parent run, unless jobs go on elsewhere."""
        if self._status != "SCHEDULED":
            self.report()
            self._status = "FINISHED"
        self._close()

    def leave(self) -> None:
        """Leave the run to a later sweep, which reports on the jobs that go on elsewhere."""
        self._status = "SCHEDULED"

    def record(self, jobs: Sequence[Job]) -> None:
        """Record the outcome of the jobs so far."""
        from glr.tracking.description import NOTE, of_sweep

        # A sweep that starts again has the same run, whose metrics keep the first value of a step.
        self._outcome = metrics(jobs)
        self.run.metrics(self._outcome, int(time.time()))
        self.run.tags({NOTE: of_sweep(self._page.command, self._outcome)})
        try:
            self.run.text(table(jobs), "jobs.csv")
        except GlrError as error:  # a full disk
            say(f"jobs.csv is not stored with the sweep's run: {error}", file=sys.stderr)

    def report(self) -> None:
        """Store the study's report with the run, and print its answer, unless the settings say no."""
        from glr.sweep.ending import report
        from glr.tracking.description import NOTE, of_sweep

        config = self._config
        if config.sweep.report:
            answer = report(self.run, config.tracking, self._study, Path(config.hydra.sweep.dir))
            self.run.tags({NOTE: of_sweep(self._page.command, self._outcome, answer)})

    def __getstate__(self) -> dict[str, object]:
        """Pickle nothing: launchers send callbacks to their workers, which must not end the parent run."""
        return {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Note the signal, unless the jobs go on elsewhere, then call the earlier handler."""
        self._status = self._status if self._status == "SCHEDULED" else "KILLED"
        handler = self._handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def _close(self) -> None:
        from glr.config.run_names import SWEEP_VARIABLE, VARYING_VARIABLE
        from glr.tracking.run import PARENT_VARIABLE

        atexit.unregister(self._close)
        SweepRun.current = None
        restore(self._handlers)
        for variable in (PARENT_VARIABLE, VARYING_VARIABLE, SWEEP_VARIABLE):
            os.environ.pop(variable, None)
        self.run.record(self._page)
        try:
            self.run.end(self._status)
        except GlrError as lost:
            say(str(lost), file=sys.stderr)
        except KeyboardInterrupt:  # a further Ctrl-C while the store does not answer: its journal keeps the records
            say("interrupted", file=sys.stderr)
        say(f"\ncompare runs: {self.run.pages}")


def record(jobs: Sequence[Job]) -> None:
    """Record the outcome of jobs with the run of the sweep that this process runs, if it has one."""
    if SweepRun.current is not None:
        SweepRun.current.record(jobs)


def leave() -> None:
    """Leave the run of the sweep that this process runs to a later sweep, since its jobs go on elsewhere."""
    if SweepRun.current is not None:
        SweepRun.current.leave()


def report() -> None:
    """Report on the study of the sweep that this process runs, if it has one; for a sweep that ends with an error."""
    if SweepRun.current is not None:
        SweepRun.current.report()


def _give_to_ray(config: DictConfig, variables: Mapping[str, str]) -> None:
    """Let Ray give variables to the jobs: the workers of a cluster do not inherit those of this process."""
    if config.hydra.launcher._target_.endswith(".RayLauncher"):
        plain = {name: value.replace("${", "\\${") for name, value in variables.items()}  # no interpolation
        OmegaConf.update(config, "hydra.launcher.ray.remote.runtime_env.env_vars", plain, force_add=True)


def _command(config: DictConfig, overrides: list[str]) -> str:
    """The command line that repeats the sweep."""
    return shlex.join(["python", "-m", f"glr.{config.hydra.job.config_name}", *overrides, "-m"])


def _counted(config: DictConfig, jobs: int) -> str:
    """The number of a sweep's runs in words."""
    trials = config.hydra.sweeper.get("n_trials")  # a search
    return f"search of {trials} runs" if trials else f"{jobs} runs"


def _key(overrides: list[str]) -> str:
    """A hash of a sweep's overrides, without the overrides for where and how the sweep runs."""
    from glr.config.identity import is_circumstance

    lasting = []
    for text in overrides:
        key, _, value = text.lstrip("+~").partition("=")
        if key in ("data.path", "data.source.path"):  # kept, since a sweep's key has no digest of the data
            lasting.append(f"{key}={','.join(map(storage.normalized, value.split(',')))}")
        elif not is_circumstance(key):
            lasting.append(text)
    lasting.sort()
    return hashlib.blake2b("\n".join(lasting).encode(), digest_size=8).hexdigest()

"""Hydra launcher `subprocess`: runs each job of a sweep in a process of its own, `sweep.jobs` at a time.

Jobs in one process would affect each other: TensorFlow keeps memory, seeds and (on a TPU) the device until the process
ends, and a crash ends the process. Hydra finds launchers only in hydra_plugins; glr.sweep does the work.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from glr.config.command import Command
from glr.config.grammar import in_grammar
from glr.config.jobs import for_each_job, jobs_of
from glr.errors import GlrError
from glr.storage.lock import acquire
from glr.sweep.job import UNSUCCESSFUL, Job
from glr.sweep.parent import record, report
from glr.sweep.past import planned
from glr.sweep.pool import JobLimits
from glr.sweep.summary import failure, left, summary


@dataclass
class SubprocessLauncherConfig:
    """The settings of hydra/launcher=subprocess."""

    _target_: str = "hydra_plugins.glr_subprocess.SubprocessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="subprocess", node=SubprocessLauncherConfig, provider="glr")


class SubprocessLauncher(Launcher):
    """Runs `python -m <this command> <the job's overrides>` for each job; a failure does not stop the others."""

    config: DictConfig
    sums_up = True  # it skips finished jobs and prints the summary, so the sweeper `grid` does neither

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:  # noqa: ARG002
        """Keep the sweep's config."""
        self.config = config
        self.jobs: list[Job] = []  # jobs of all batches

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs: the whole sweep, unless the sweeper makes several batches.

        A search, such as Optuna's, gets failures as results, and decides how to continue.

        Raises:
            GlrError: a job failed (raised after the last job), or another sweep runs in this folder.
            KeyboardInterrupt: the sweep was stopped; after SIGTERM or SIGHUP, SystemExit instead.
        """
        from glr.sweep.sweep import run  # imports rich, which only a sweep needs

        sweep = self.config.sweep
        limits = JobLimits(sweep.jobs, sweep.minutes, sweep.retries, sweep.backoff)
        searching = not self.config.hydra.sweeper._target_.endswith((".BasicSweeper", ".GridSweeper"))
        total = None if searching else len(jobs_of(self.config))
        with self._alone():
            batch = planned(self.config, job_overrides, initial_job_idx)
            self.jobs += batch
            stopped = run(batch, self._command, limits, total)
        record(self.jobs)
        if stopped or len(self.jobs) == total:
            self._conclude(stopped, total)
        return [self._returned(job, searching) for job in batch]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the sweep's folder: two sweeps in one folder would mix their logs and their progress."""
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = acquire(folder / ".lock", wait=0)
        except BlockingIOError as error:
            raise GlrError(f"hydra.sweep.dir={folder}: another sweep uses it; give another folder") from error
        try:
            yield
        finally:
            os.close(lock)

    def _command(self, job: Job) -> list[str]:
        main = sys.modules["__main__"]  # a command, unless other code calls `glr.run`
        spec = main.__spec__ if isinstance(getattr(main, "main", None), Command) else None
        name = spec.name if spec else f"glr.{self.config.hydra.job.config_name}"
        # Only the first start begins from scratch: after a kill, the job continues.
        anew = job.identity is not None and self.config.sweep.rerun.name == "all" and job.starts == 1
        return [
            *[sys.executable, "-m", name.removesuffix(".__main__"), *for_each_job(self.config.hydra), *job.overrides],
            *(["resume=never"] if anew else []),
            *["hydra.mode=RUN", f"hydra.run.dir={in_grammar(str(job.folder))}", f"hydra.job.num={job.number - 1}"],
        ]

    def _conclude(self, stopped: int | None, total: int | None) -> None:
        """Print a summary; raise if the sweep was stopped or jobs failed."""
        if total != 1:
            print(f"\n{summary(self.jobs)}", flush=True)
        if stopped:
            anew = self.config.sweep.rerun.name == "all"
            print(f"\n{left(self.jobs, total, anew=anew)}", flush=True)
            signal.raise_signal(stopped)  # lets the handlers outside the pool run
            raise KeyboardInterrupt
        if failed := failure(self.jobs):
            report()
            raise failed

    def _returned(self, job: Job, searching: bool) -> JobReturn:
        # Hydra's own sweeper would end at the first failure; it gets None, and this launcher raises after the last job.
        raises = searching and job.state in UNSUCCESSFUL
        status = JobStatus.FAILED if raises else JobStatus.COMPLETED
        returned = JobReturn(overrides=job.overrides, working_dir=str(job.folder), status=status)
        returned.return_value = GlrError(f"job {job.number} failed: {job.reason}") if raises else job.score
        return returned

"""The part that glr's launchers share: plan a batch of jobs, run its pool, print the summary, report to the sweeper."""

import os
import signal
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from glr.config.jobs import jobs_of
from glr.errors import GlrError
from glr.storage.lock import acquire
from glr.sweep.job import UNFINISHED, UNSUCCESSFUL, Job
from glr.sweep.parent import record, report
from glr.sweep.past import planned
from glr.sweep.pool import JobLimits, Started, View
from glr.sweep.summary import failure, left, summary


class JobLauncher(Launcher):
    """Runs each job of a sweep by itself, `sweep.jobs` at a time; a failure does not stop the others."""

    config: DictConfig
    sums_up = True  # it skips finished jobs and prints the summary, so the sweeper `grid` does neither

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:  # noqa: ARG002
        """Keep the sweep's config."""
        self.config = config
        self.jobs: list[Job] = []  # jobs of all batches

    @staticmethod
    def refuse(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
        """Refuse a sweep that cannot work, before anything is recorded; raises a GlrError.

        Args:
            config: the config that Hydra gives a sweep's callbacks.
            jobs: each job's overrides.
        """

    @abstractmethod
    def opened(self, jobs: Sequence[Job]) -> AbstractContextManager[Callable[[Job, int], Started]]:
        """A context for a batch of jobs; it gives the function that starts one of them in a place of the pool."""

    def leaves(self, number: int, view: View) -> bool:  # noqa: ARG002
        """Return True to leave the running jobs alone after a signal; processes of this machine end with the sweep."""
        return False

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs: the whole sweep, unless the sweeper makes several batches.

        A search, such as Optuna's, gets failures as results, and decides how to continue.

        Raises:
            GlrError: a job failed (raised after the last job), another sweep runs in this folder, or the budget is
                spent.
            KeyboardInterrupt: the sweep was stopped; after SIGTERM or SIGHUP, SystemExit instead.
        """
        from glr.sweep.sweep import run  # imports rich, which only a sweep needs

        limits = self.limits()
        searching = not self.config.hydra.sweeper._target_.endswith((".BasicSweeper", ".GridSweeper"))
        total = None if searching else len(jobs_of(self.config))
        with self._alone():
            batch = planned(self.config, job_overrides, initial_job_idx)
            self.jobs += batch
            with self.opened(batch) as start:
                stopped = run(batch, start, limits, total, self.leaves)
        record(self.jobs)
        halted = limits.budget is not None and not stopped and any(job.state in UNFINISHED for job in batch)
        if stopped or halted or len(self.jobs) == total:
            self._conclude(stopped, total)
        if halted:
            raise GlrError(
                f"sweep.budget={limits.budget:g}: no further job fits into it; the same command with more continues"
            )
        return [self._returned(job, searching) for job in batch]

    def limits(self) -> JobLimits:
        """The limits of the pool, by the settings `sweep`."""
        sweep = self.config.sweep
        return JobLimits(sweep.jobs, sweep.minutes, sweep.retries, sweep.backoff, budget=sweep.get("budget"))

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

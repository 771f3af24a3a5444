"""Hydra sweeper `grid`: runs every combination of a sweep's values.

Hydra's own sweeper `basic` composes every job before it launches the first, which takes half a minute for 500 jobs.
This sweeper launches the combinations without composing them again: the command line has composed and checked them.

Finished jobs are skipped and a summary is printed with every launcher. The launcher `subprocess` does both itself; this
sweeper does both for other launchers.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from glr.config.jobs import jobs_of, keep_config
from glr.config.printing import counted, say
from glr.errors import GlrError
from glr.sweep.inputs import refuse_lost_runs
from glr.sweep.job import Job, JobState
from glr.sweep.outcome import settle
from glr.sweep.parent import leave, record, report
from glr.sweep.past import planned, skip
from glr.sweep.summary import failure, summary


@dataclass
class GridSweeperConfig:
    """The settings of hydra/sweeper=grid."""

    _target_: str = "hydra_plugins.glr_grid.GridSweeper"
    max_batch_size: int | None = None  # jobs that are launched together; null: all
    params: dict[str, str] = field(default_factory=dict)  # values to sweep over, as on a command line


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConfig, provider="glr")


class GridSweeper(Sweeper):
    """Launches the jobs in batches.

    Args:
        max_batch_size: jobs in a batch; None: all of them.
        params: unused here; `glr.config.jobs.jobs_of` reads them from the config.
    """

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None):  # noqa: ARG002
        self._batch = max_batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's config, and create its launcher."""
        self._config = config
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:  # noqa: ARG002
        """Run the jobs.

        Raises:
            GlrError: the batch size is below 1, a run to evaluate does not exist, or jobs failed.
        """
        keep_config(self._config)
        jobs = jobs_of(self._config)
        if self._config.hydra.job.config_name == "evaluate":
            refuse_lost_runs(self._config, jobs)
        size = len(jobs) if self._batch is None else self._batch
        if size < 1:
            raise GlrError(f"hydra.sweeper.max_batch_size={size}: expected at least 1")
        if getattr(self._launcher, "sums_up", False):  # Hydra imports plugins twice, so isinstance would fail
            for first in range(0, len(jobs), size):
                self._launcher.launch(jobs[first : first + size], initial_job_idx=first)
        else:
            self._launch(planned(self._config, jobs), size)

    def _launch(self, jobs: list[Job], size: int) -> None:
        """Run the WAITING jobs with a third-party launcher, and print a summary of all jobs."""
        config = self._config
        if config.hydra.launcher._target_.endswith(".SlurmLauncher"):
            self._through_slurm(jobs, size)
        else:
            self._batches(jobs, size)
        print(f"\n{summary(jobs)}", flush=True)
        if submitted := [job for job in jobs if job.state == JobState.SUBMITTED]:
            leave()
            count = f"{len(submitted)} of {len(jobs)} jobs are with SLURM"
            say(f"\n{count} (squeue --me); the same command reports on them and submits what is left")
        elif failed := failure(jobs):
            report()
            raise failed

    def _through_slurm(self, jobs: list[Job], size: int) -> None:
        """Submit the WAITING jobs and wait for them, and for those that an earlier sweep left; or detach from all."""
        from glr.sweep.slurm import Ledger, submitting, wait  # imports submitit

        config = self._config
        detach, ledger = config.sweep.get("detach", False), Ledger(Path(config.hydra.sweep.dir).parent)
        ledger.mark(jobs)
        self._batches(jobs, size, lambda batch: submitting(batch, ledger, detach=detach))
        while not detach and (left := [job for job in jobs if job.state == JobState.SUBMITTED]):
            say(f"waiting for jobs that an earlier sweep submitted: {counted(len(left), 'job')}")
            wait(left)
            skip(left, config.tracking.uri, config.sweep.rerun.name)
            self._batches(jobs, size, lambda batch: submitting(batch, ledger, detach=False))

    def _batches(
        self,
        jobs: list[Job],
        size: int,
        context: Callable[[Sequence[Job]], AbstractContextManager[None, bool | None]] = lambda batch: nullcontext(),  # noqa: ARG005
    ) -> None:
        """Launch the WAITING jobs in batches, each within a context; jobs that wait for others' weights come later."""
        first = 0
        while batch := [job for job in jobs if job.state == JobState.WAITING and not job.is_early][:size]:
            results: Sequence[JobReturn] = ()
            with context(batch):  # it ends before there are results if the jobs are only submitted
                results = self._launcher.launch([job.overrides for job in batch], initial_job_idx=first)
            for job, done in zip(batch, results, strict=bool(results)):
                settle(job, done)
            first += len(batch)
            record(jobs)

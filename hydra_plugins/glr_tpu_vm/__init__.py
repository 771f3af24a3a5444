"""Hydra launcher `tpu_vm`: runs each job of a sweep on a Cloud TPU slice of its own, `sweep.jobs` at a time.

Hydra finds launchers only in hydra_plugins, and imports every plugin at each start: glr.sweep does the work, and is
imported when a sweep begins.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from glr.config.printing import say
from glr.sweep.job import Job
from glr.sweep.launcher import JobLauncher
from glr.sweep.pool import JobLimits, Started, View
from glr.sweep.renting import TpuVmSettings

_QUESTION = "leave the slices at work, or stop them: save, and delete (leave/stop)? [leave] "
_GRACE = 360.0  # s: a slice has five minutes to save before it is given back


@dataclass
class TpuVmLauncherConfig(TpuVmSettings):
    """The settings of hydra/launcher=tpu_vm."""

    _target_: str = "hydra_plugins.glr_tpu_vm.TpuVmLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="tpu_vm", node=TpuVmLauncherConfig, provider="glr")


class TpuVmLauncher(JobLauncher):
    """Runs `python -m glr.train <the job's overrides>` on a slice for each job.

    Args:
        settings: see `TpuVmSettings`; they are read from the config.
    """

    def __init__(self, **settings: Any):  # noqa: ARG002
        self._left = False

    @contextmanager
    def opened(self, jobs: Sequence[Job]) -> Iterator[Callable[[Job, int], Started]]:
        """Send the code, find the slices at work; yield the function that starts a job on a slice."""
        from glr.sweep.fleet import Fleet
        from glr.sweep.queued import QueuedResources
        from glr.sweep.renting import Renting

        renting = Renting(self.config, jobs)
        queue = QueuedResources(self.config.hydra.launcher.project)
        for job in jobs:
            job.price = self.config.hydra.launcher.price_per_hour
        fleet = Fleet(queue, renting.terms(queue), jobs, renting.key, lambda job: renting.order(job, queue.project))
        if at_work := sum(job.at_work for job in jobs):
            say(f"{at_work} slices are at work already")
        try:
            yield fleet.start
        except BaseException:
            self._left = True
            raise
        finally:
            if self._left and (running := fleet.leave()):
                say(
                    f"\n{running} slices work on; the same command reports on them, and python -m glr.fleet "
                    "action=list|stop shows or ends them"
                )
            fleet.finish()

    def leaves(self, number: int, view: View) -> bool:
        """Leave the slices at work or stop them, as `sweep.on_interrupt` or the user says."""
        choice = self.config.sweep.on_interrupt
        if choice is not None:
            self._left = choice.value == "leave"
        elif number == signal.SIGINT and sys.stdin.isatty() and sys.stdout.isatty():
            self._left = not view.ask(_QUESTION).strip().lower().startswith("s")
        else:
            self._left = True
        return self._left

    def limits(self) -> JobLimits:
        """The limits of the pool, with time for a slice to save."""
        limits = super().limits()
        return JobLimits(limits.jobs, limits.minutes, limits.retries, limits.backoff, _GRACE, limits.budget)

"""Hydra launcher `tpu_vm`: runs each job of a sweep on a Cloud TPU slice of its own, `sweep.jobs` at a time.

Hydra finds launchers only in hydra_plugins, and imports every plugin at each start: glr.sweep does the work, and is
imported when a sweep begins.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from glr.config.jobs import differing
from glr.config.printing import counted, say
from glr.sweep.job import Job
from glr.sweep.launcher import JobLauncher
from glr.sweep.parent import leave
from glr.sweep.pool import JobLimits, Started, View

_QUESTION = "leave the slices at work, or stop them: save, and delete (leave/stop)? [leave] "
_GRACE = 360.0  # s: a slice has five minutes to save before it is given back


@dataclass
class TpuVmLauncherConfig:
    """The settings of hydra/launcher=tpu_vm."""

    _target_: str = "hydra_plugins.glr_tpu_vm.TpuVmLauncher"
    bucket: str | None = None  # gs://BUCKET/FOLDER: code, logs, checkpoints and records, in the region of the zones
    accelerator: str = "v3-8"  # v2-8, v3-8, v4-8, v5e-1, v5e-4, v5e-8, v5p-8, v6e-1, v6e-4 or v6e-8
    zones: list[str] = field(default_factory=lambda: ["europe-west4-a"])  # the best first; the next where one is full
    project: str | None = None  # null: that of the credentials
    capacity: str = "spot"  # spot, on_demand or reserved
    reservation: str | None = None  # the reservation's name, with capacity=reserved
    runtime_version: str | None = None  # the system image; null: the accelerator's usual one
    network: str | None = None  # null: the project's default network
    subnetwork: str | None = None
    external_ips: bool = True  # false: the network itself must lead to the package index and to MLflow
    service_account: str | None = None  # the VMs' identity; null: the project's default compute service account
    queue_minutes: float | None = 60.0  # the wait in one zone's queue before the next zone is asked; null: no limit
    boot_minutes: float = 20.0  # the wait for a VM's first report, and between two reports
    hours: float = 24.0  # a slice deletes itself after this time, whatever happens here; its job saves, and continues
    period: float = 5.0  # seconds between two reports
    price_per_hour: Any = None  # USD of one slice; or {accelerator: USD}, {accelerator: {capacity: USD}}; null: unknown
    preflight: bool = True  # with a price: estimate what each job costs, by python -m glr.preflight on this machine
    secrets: dict[str, str] = field(default_factory=dict)  # variable of the jobs: name of a secret of Secret Manager
    environment: dict[str, str] = field(default_factory=dict)  # variables of the jobs that are no secrets
    disk: str | None = None  # a disk of this name in each zone, with copies of the bucket's data sets; read-only
    mount: str = (
        "mount -o ro,noload /dev/disk/by-id/google-persistent-disk-1 disk"  # bash: mounts it at the folder `disk`
    )
    install: str = (  # bash: from $WHEEL and constraints.txt to venv/bin/python
        "python3 -m pip install --quiet uv\n"
        "python3 -m uv venv --quiet --clear --python 3.11 venv\n"
        'python3 -m uv pip install --quiet --python venv/bin/python --constraint constraints.txt "./$WHEEL[tpu]"'
    )


ConfigStore.instance().store(group="hydra/launcher", name="tpu_vm", node=TpuVmLauncherConfig, provider="glr")


class TpuVmLauncher(JobLauncher):
    """Runs `python -m glr.train <the job's overrides>` on a slice for each job.

    Args:
        settings: see `TpuVmLauncherConfig`; they are read from the config.
    """

    def __init__(self, **settings: Any):  # noqa: ARG002
        self._left = False

    @staticmethod
    def refuse(config: DictConfig, jobs: Sequence[Sequence[str]]) -> None:
        """Refuse wrong settings, jobs that need what only this machine has, and what this account may not use."""
        from glr.sweep.tpu.queued import QueuedResources
        from glr.sweep.tpu.renting import Renting

        shown = zip(jobs, differing(jobs), strict=True)
        batch = [Job(number, list(line), text, Path()) for number, (line, text) in enumerate(shown, start=1)]
        Renting(config, batch).check(QueuedResources(config.hydra.launcher.project))

    @contextmanager
    def opened(self, jobs: Sequence[Job]) -> Iterator[Callable[[Job, int], Started]]:
        """Send the code, find the slices at work; yield the function that starts a job on a slice."""
        from glr.sweep.tpu.estimates import Estimates
        from glr.sweep.tpu.fleet import Fleet
        from glr.sweep.tpu.queued import QueuedResources
        from glr.sweep.tpu.renting import Renting

        renting = Renting(self.config, jobs)
        queue = QueuedResources(self.config.hydra.launcher.project)
        settings = self.config.hydra.launcher
        for job in jobs:
            job.price = renting.price
        fleet = Fleet(queue, renting.terms(queue), jobs, renting.key, lambda job: renting.order(job, queue.project))
        if at_work := sum(job.at_work for job in jobs):
            say(f"{counted(at_work, 'slice')} at work already")
        estimated = jobs if settings.preflight and renting.price is not None else []
        estimates = Estimates(estimated, renting.estimate, Path(self.config.hydra.sweep.dir))
        try:
            yield fleet.start
        except BaseException:
            self._left = True
            raise
        finally:
            estimates.close()
            if self._left and (running := fleet.leave()):
                leave()
                say(
                    f"\n{counted(running, 'slice')} left at work; the same command reports on them, and "
                    "python -m glr.fleet action=list|stop shows or ends them"
                )
            fleet.finish()

    def leaves(self, number: int, view: View) -> bool:
        """Leave the slices at work or stop them, as `sweep.on_interrupt` or the user says."""
        choice = self.config.sweep.on_interrupt
        if choice is not None:
            self._left = choice.value == "leave"
        elif number == signal.SIGINT and sys.stdin.isatty() and sys.stdout.isatty():
            answer = ""
            with suppress(EOFError, OSError):  # Ctrl-D, or the terminal has closed
                answer = view.ask(_QUESTION)
            self._left = not answer.strip().lower().startswith("s")
        else:
            self._left = True
        return self._left

    def limits(self) -> JobLimits:
        """The limits of the pool, with time for a slice to save."""
        limits = super().limits()
        return JobLimits(limits.jobs, limits.minutes, limits.retries, limits.backoff, _GRACE, limits.budget)

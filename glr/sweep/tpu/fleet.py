"""The slices of a sweep: taken up from an earlier command or requested for its jobs, and given back at the end."""

import threading
from collections.abc import Callable, Sequence

from glr.config.printing import say
from glr.errors import GlrError
from glr.sweep.job import Job, JobState
from glr.sweep.tpu import attempt
from glr.sweep.tpu.attempt import Order
from glr.sweep.tpu.patience import Resting, delete, patiently
from glr.sweep.tpu.queued import TAKEN, QueuedResources, Rented
from glr.sweep.tpu.terms import Terms
from glr.sweep.tpu.vm import TpuVm

_LEAVING = 5.0  # s that a thread may take to end


class Fleet:
    """Starts jobs on slices; see `TpuVm`.

    Args:
        queue: Cloud TPU.
        terms: what the slices share.
        jobs: a sweep's jobs; they learn what earlier commands paid, and which of them are still at work.
        key: function that returns a job's key.
        order: function that returns what a job's machine is to run.

    Raises:
        GlrError: Cloud TPU refuses to list the slices: the API is disabled, a permission is missing, or a zone unknown.
    """

    def __init__(
        self,
        queue: QueuedResources,
        terms: Terms,
        jobs: Sequence[Job],
        key: Callable[[Job], str],
        order: Callable[[Job], Order],
    ):
        self._queue, self._terms, self._key, self._order = queue, terms, key, order
        self._lock = threading.Lock()
        self._given_back: dict[tuple[str, str], Rented] = {}  # slices that may still exist
        self._machines: list[TpuVm] = []
        self._found: dict[str, Rented] = {}  # by key of the job
        keyed: dict[str, Job] = {}
        for job in jobs:
            keyed.setdefault(key(job), job)  # a later one with the same key is its double
        rest = Resting(terms.period)
        for name, job in keyed.items():
            if job.price is not None:  # what earlier commands paid counts, also for jobs that are finished
                folder = attempt.job_folder(terms.bucket, name)
                job.spent = patiently(lambda folder=folder: attempt.spent(folder), rest)
        for zone in dict.fromkeys(terms.zones):
            self._take_up(patiently(lambda zone=zone: queue.rented(zone), rest), keyed)

    def start(self, job: Job, place: int) -> TpuVm:  # noqa: ARG002
        """Start a job, or follow it where it runs already."""
        key = self._key(job)
        found = self._found.pop(key, None)
        machine = TpuVm(self._queue, self._terms, key, self._order(job), job.log, found, self)
        self._machines.append(machine)
        return machine

    def give_back(self, rented: Rented) -> None:
        """Delete a slice; if Cloud TPU does not answer now, `finish` tries again."""
        with self._lock:
            self._given_back[rented.zone, rented.name] = rented
        try:
            self._queue.delete(rented)
        except GlrError:
            return

    def other(self, key: str) -> Rented | None:
        """Return a slice at work for a job that another command has requested; None: there is none.

        Raises:
            GlrError: Cloud TPU does not list the slices.
        """
        for zone in dict.fromkeys(self._terms.zones):
            for rented in self._queue.rented(zone):
                given_back = (rented.zone, rented.name) in self._given_back
                if rented.job == key and _is_at_work(rented) and not given_back:
                    return rented
        return None

    def leave(self) -> int:
        """Follow no slice any longer; they work on. Return how many may run."""
        running = [machine for machine in self._machines if machine.poll() is None]
        for machine in running:
            machine.leave()
        for machine in running:
            machine.join(_LEAVING)
        return len(running) + len(self._found)

    def finish(self) -> None:
        """Wait until the slices that were given back are gone; say which are not."""
        if (left := delete(self._queue, self._given_back.values(), min(self._terms.period, 5.0))) is not None:
            say(f"{left}; python -m glr.fleet action=clean deletes them")

    def _take_up(self, slices: Sequence[Rented], jobs: dict[str, Job]) -> None:
        """Follow the slices of a zone that are at work for the jobs, and give the jobs' other slices back."""
        for rented in sorted(slices, key=_number):
            if rented.job not in jobs:
                continue
            job = jobs[rented.job]
            if job.state != JobState.WAITING or not _is_at_work(rented):
                self.give_back(rented)
                continue
            if rented.job in self._found:
                self.give_back(self._found[rented.job])  # an earlier attempt
            self._found[rented.job] = rented
            job.at_work = True


def _is_at_work(rented: Rented) -> bool:
    """Return True if a slice runs its job, or may come to."""
    return not (rented.node_only or rented.trouble or rented.state in TAKEN)


def _number(rented: Rented) -> int:
    """The number of a slice's attempt."""
    number = rented.name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0

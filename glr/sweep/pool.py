"""The pool: runs a sweep's jobs, several at a time, with time limits and retries, until they end or are stopped."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from glr.config.signals import handle, restore
from glr.errors import NO_ROOM, is_no_room
from glr.sweep.job import UNSUCCESSFUL, Job, JobState
from glr.sweep.money import committed
from glr.sweep.process import Fate, described, fate, last_words

_TICK = 0.1  # s between two looks at the jobs
_LONGEST_PAUSE = 600.0  # s between two tries of a sweep whose disk is full, or of a job that is preempted each time


@dataclass(frozen=True)
class JobLimits:
    """The settings sweep.* of conf/, and the grace time."""

    jobs: int = 1  # at a time
    minutes: float | None = None  # the longest running time of one job; None: no limit
    retries: int = 3  # for a job that was killed
    backoff: float = 30.0  # s before the first retry, doubled for each later retry
    grace: float = 60.0  # s between SIGTERM and SIGKILL for a job over its time limit
    budget: float | None = None  # USD; no job starts that would exceed it; None: no limit


class Started(Protocol):
    """A job that was started: a process of this machine, or another machine. No method waits."""

    @property
    def seconds(self) -> float:
        """Seconds that it has run."""
        ...

    def poll(self) -> int | None:
        """Return the exit code, or None while the job runs; see `glr.sweep.process.fate`."""

    def progress(self) -> dict[str, Any]:
        """The job's latest report about itself; a machine adds its `stage`, and `spent` in USD."""
        ...

    def terminate(self) -> None:
        """Ask the job to save and to end."""

    def kill(self) -> None:
        """End the job at once."""


class View(Protocol):
    """A display of a sweep's jobs."""

    def changed(self, job: Job) -> None:
        """Show that a job's state or stage has changed."""

    def tick(self) -> None:
        """Bring the display up to date; called at short intervals."""

    def stopping(self, running: int) -> None:
        """Show that the sweep stops, and waits for `running` jobs."""

    def pausing(self, seconds: float) -> None:
        """Show that a disk is full, so that no job starts for `seconds`."""

    def ask(self, question: str) -> str:
        """Ask the user at the terminal, and return the answer."""
        ...


class Stopping:
    """A context that only notes SIGINT, SIGTERM and SIGHUP; at its end the earlier handlers are restored.

    A sweep that was started with `nohup` keeps ignoring SIGHUP.
    """

    signal: int | None = None  # the first signal that came
    times: int = 0

    def __enter__(self):
        self._before = handle(self._note, signal.SIGINT)
        return self

    def __exit__(self, *_: object) -> None:
        restore(self._before)

    def _note(self, number: int, _: object) -> None:
        if number != signal.SIGHUP or self.signal is None:  # a terminal that closes may send several
            self.signal, self.times = self.signal or number, self.times + 1


class Pool:
    """Runs a sweep's jobs, several at a time.

    Args:
        jobs: all jobs; the pool runs the WAITING jobs, in this order, but each after the job whose weights it needs.
        start: function that starts a job in a place from 0 to limits.jobs - 1.
        limits: the limits of simultaneous jobs, running time, retries and money.
        view: shows the changes.
        leaves: function that is asked at the first signal, with the signal: True leaves the running jobs alone.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        start: Callable[[Job, int], Started],
        limits: JobLimits,
        view: View,
        leaves: Callable[[int, View], bool] = lambda number, view: False,  # noqa: ARG005
    ):
        self._jobs, self._begin, self._limits, self._view = jobs, start, limits, view
        self._leaves = leaves
        self._running: dict[int, tuple[Job, Started]] = {}  # by place
        self._before: dict[int, float] = {}  # job number -> seconds of its earlier starts
        self._asked: dict[int, float] = {}  # job number -> time of SIGTERM after its time limit
        self._pauses = 0  # pauses since a job last finished
        self._paused = -inf  # no job starts before this time

    def run(self) -> int | None:
        """Run until no job is left, or none that the budget allows; return the signal that stopped the sweep, or None.

        At the first SIGINT, SIGTERM or SIGHUP, the pool sends SIGTERM to the running jobs and waits for them, unless
        they are left alone. At the second, it kills them.
        """
        handled = 0  # signals
        with Stopping() as stop:
            while True:
                if stop.times > handled:
                    if not handled and stop.signal is not None and self._leaves(stop.signal, self._view):
                        return stop.signal
                    self._stop(kill=handled > 0)
                    handled = stop.times
                for place in list(self._running):
                    self._look_at(place, stopping=bool(handled))
                if not handled:
                    self._start()
                self._view.tick()
                if not self._running and (handled or not any(map(self._may_start, self._jobs))):
                    return stop.signal
                time.sleep(_TICK)

    def _start(self) -> None:
        now = time.monotonic()
        if now < self._paused:
            return
        ready = [job for job in self._jobs if job.state == JobState.RETRYING and job.due <= now]
        ready += [job for job in self._jobs if job.state == JobState.WAITING and not job.is_early]
        ready.sort(key=lambda job: not job.at_work)
        free = [place for place in range(self._limits.jobs) if place not in self._running]
        for job in ready:
            if job.after is not None and job.after.state in UNSUCCESSFUL:
                job.reason = f"job {job.after.number}, which trains its initial weights, did not finish"
                self._change(job, JobState.FAILED)
            if not free or not self._may_start(job):
                continue
            place = free.pop(0)
            self._before[job.number] = job.seconds
            job.starts += 1
            job.stage = None
            try:
                process = self._begin(job, place)
            except OSError as error:
                if not is_no_room(error):
                    raise
                self._pause(job, described(NO_ROOM))
                return
            self._running[place] = job, process
            self._change(job, JobState.RUNNING)

    def _may_start(self, job: Job) -> bool:
        """Return True if a job waits for nothing but a place or its time, and the budget allows its start."""
        if job.state not in (JobState.WAITING, JobState.RETRYING) or job.is_early:
            return False
        return self._limits.budget is None or job.at_work or committed(self._jobs, job) < self._limits.budget

    def _look_at(self, place: int, stopping: bool) -> None:
        job, process = self._running[place]
        code = process.poll()  # first, so that the progress read afterwards is final if the job has ended
        report = process.progress()
        job.seconds = self._before[job.number] + process.seconds
        job.epoch, job.epochs = report.get("epoch", job.epoch), report.get("epochs", job.epochs)
        job.score, job.seconds_left = report.get("score", job.score), report.get("seconds_left")
        job.scores = report.get("scores", job.scores)
        job.spent = report.get("spent", job.spent)
        if (stage := report.get("stage")) != job.stage and code is None:
            job.stage, job.stage_since = stage, time.monotonic()
            self._view.changed(job)
        if code is not None:
            del self._running[place]
            self._settle(job, code, process.seconds, report.get("failure"), stopping)
        elif not stopping:
            self._watch(job, process)

    def _watch(self, job: Job, process: Started) -> None:
        """End a job over its time limit: send SIGTERM, then SIGKILL after the grace time."""
        if not self._is_overdue(job):
            return
        if job.number not in self._asked:
            self._asked[job.number] = time.monotonic()
            process.terminate()
        elif time.monotonic() > self._asked[job.number] + self._limits.grace:
            process.kill()

    def _is_overdue(self, job: Job) -> bool:
        return self._limits.minutes is not None and job.seconds >= self._limits.minutes * 60

    def _settle(self, job: Job, code: int, seconds: float, failure: str | None, stopping: bool) -> None:
        """Set the state of a job whose process has ended after `seconds`."""
        job.at_work = False
        ended = fate(code)
        if ended == Fate.FINISHED:
            job.reason, self._pauses = None, 0
            self._change(job, JobState.FINISHED)
        elif job.number in self._asked or (ended == Fate.KILLED and self._is_overdue(job)):
            job.reason = f"exceeded sweep.minutes={self._limits.minutes:g}"
            self._change(job, JobState.OVERDUE)
        elif ended == Fate.FAILED and not (stopping and code == 130):
            words = last_words(job.log)
            ending_words = f": {words}" if words else ""
            job.reason = failure or (words if words and code == 1 else f"{described(code)}{ending_words}")
            self._change(job, JobState.FAILED)
        elif stopping:
            self._change(job, JobState.STOPPED)
        elif ended == Fate.NO_ROOM:
            self._pause(job, described(code))
        elif ended == Fate.TAKEN_AWAY:
            # No number of preemptions speaks against the job, but a machine that lasts no longer than the wait for it
            # costs more than it yields: the waits grow until one lasts.
            job.preemptions += 1
            lasting = job.preemptions == 1 or seconds > job.wait
            self._retry(job, self._limits.backoff if lasting else min(2 * job.wait, _LONGEST_PAUSE), described(code))
        elif job.kills < self._limits.retries:
            self._retry(job, self._limits.backoff * 2**job.kills, described(code))
            job.kills += 1
        else:
            job.reason = f"{described(code)}, {job.kills + 1} times" if job.kills else described(code)
            self._change(job, JobState.FAILED)

    def _retry(self, job: Job, wait: float, reason: str) -> None:
        job.wait, job.due, job.reason = wait, time.monotonic() + wait, reason
        self._change(job, JobState.RETRYING)

    def _pause(self, job: Job, reason: str) -> None:
        """Start no job for a while, since the disk is full; then start this job again, without counting a retry."""
        now = time.monotonic()
        if now >= self._paused:  # else another job has begun this pause
            wait = min(self._limits.backoff * 2**self._pauses, _LONGEST_PAUSE)
            self._pauses, self._paused = self._pauses + 1, now + wait
            self._view.pausing(wait)
        self._retry(job, self._paused - now, reason)

    def _stop(self, kill: bool) -> None:
        if not kill:
            self._view.stopping(len(self._running))
        for _, process in self._running.values():
            if kill:
                process.kill()
            else:
                process.terminate()

    def _change(self, job: Job, state: JobState) -> None:
        job.state = state
        self._view.changed(job)

"""The texts of a job's row in any table, and a sweep's remaining time."""

import time
from collections.abc import Sequence

from glr.sweep.job import AT_WORK, UNFINISHED, Job, JobState


def duration(seconds: float) -> str:
    """A time in at most two units: 40 s, 12 min, 3 h 05 min, 2 d 04 h."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02} h"


def state(job: Job) -> str:
    """The job's state or stage, how long it waits there or for which job, and how often it was preempted."""
    now, words = time.monotonic(), job.state.value
    if job.state == JobState.RETRYING:
        words = f"retry in {duration(max(0.0, job.due - now))}"
    elif job.state == JobState.WAITING and job.after is not None and job.is_early:
        words = f"after job {job.after.number}"
    elif job.state == JobState.RUNNING and job.stage not in (None, AT_WORK):
        words = f"{job.stage} {duration(now - job.stage_since)}"
    if job.preemptions and job.state in UNFINISHED:
        times = {1: "once", 2: "twice"}.get(job.preemptions, f"{job.preemptions} times")
        words = f"{words}, preempted {times}"
    return words


def epoch(job: Job) -> str:
    """The job's epoch and its number of epochs, as 3/20; empty before its first report."""
    return "" if job.epoch is None else f"{job.epoch}/{job.epochs or '?'}"


def score(job: Job) -> str:
    """The job's latest score; empty before the first score."""
    return "" if job.score is None else f"{job.score:.5f}"


def seconds_left(jobs: Sequence[Job], places: int) -> float | None:
    """The sweep's remaining seconds with `places` jobs at a time; None before a job finishes or reports its time."""
    typical = typical_seconds(jobs)
    if typical is None:
        return None
    running = [job for job in jobs if job.state == JobState.RUNNING]
    left = [max(0.0, typical - job.seconds) if job.seconds_left is None else job.seconds_left for job in running]
    waiting = sum(job.state in UNFINISHED for job in jobs) - len(running)
    return max([(sum(left) + waiting * typical) / places, *left])


def typical_seconds(jobs: Sequence[Job]) -> float | None:
    """The mean running time of the jobs that have finished or report their remaining time; None: there is none yet."""
    lasting = [job.seconds for job in jobs if job.state == JobState.FINISHED]
    running = [job for job in jobs if job.state == JobState.RUNNING]
    lasting += [job.seconds + job.seconds_left for job in running if job.seconds_left is not None]
    return sum(lasting) / len(lasting) if lasting else None

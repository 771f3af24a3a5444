"""What a sweep's machines cost: what is spent, and what its jobs will still cost, by their prices per hour."""

from collections.abc import Sequence

from glr.sweep.job import UNFINISHED, Job, JobState
from glr.sweep.words import typical_seconds


def spent(jobs: Sequence[Job]) -> float | None:
    """USD that the jobs' machines have cost so far; None: no price is known."""
    known = [job.spent for job in jobs if job.spent is not None]
    return sum(known) if known else None


def committed(jobs: Sequence[Job], candidate: Job) -> float:
    """USD that are spent, and that the running jobs and a candidate will still cost, as far as this is known."""
    running, typical = [job for job in jobs if job.state == JobState.RUNNING], typical_seconds(jobs)
    return (spent(jobs) or 0.0) + sum(_to_come(job, typical) or 0.0 for job in [*running, candidate])


def expected(jobs: Sequence[Job]) -> float | None:
    """USD that the whole sweep will have cost; None while an unfinished job's time or price is unknown."""
    typical, total = typical_seconds(jobs), spent(jobs) or 0.0
    for job in jobs:
        if job.state in UNFINISHED:
            cost = _to_come(job, typical)
            if cost is None:
                return None
            total += cost
    return total


def in_words(jobs: Sequence[Job], budget: float | None) -> str | None:
    """The sweep's cost so far and in all, as `3.20 of 50.00 USD spent, about 41.00 in all`; None: no price is known."""
    if all(job.price is None for job in jobs):
        return None
    text = f"{spent(jobs) or 0.0:.2f}{'' if budget is None else f' of {budget:.2f}'} USD spent"
    if not any(job.state in UNFINISHED for job in jobs):
        return text
    whole = expected(jobs)
    return f"{text}, {'unknown' if whole is None else f'about {whole:.2f}'} in all"


def _to_come(job: Job, typical: float | None) -> float | None:
    """USD that a job will still cost; None: its time or its price is unknown.

    The job's own measured speed counts first, then the estimate for it, then how long the others take.
    """
    if job.price is None:
        return None
    whole = typical if job.estimate is None else job.estimate
    seconds = job.seconds_left
    if seconds is None and whole is not None:
        seconds = max(0.0, whole - job.seconds)
    return None if seconds is None else job.price * seconds / 3600

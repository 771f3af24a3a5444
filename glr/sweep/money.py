"""What a sweep's machines cost: what is spent, and what its jobs will still cost, by their prices per hour."""

from collections.abc import Sequence

from glr.sweep.job import UNFINISHED, Job, JobState


def spent(jobs: Sequence[Job]) -> float | None:
    """USD that the jobs' machines have cost so far; None: no price is known."""
    known = [job.spent for job in jobs if job.spent is not None]
    return sum(known) if known else None


def committed(jobs: Sequence[Job], candidate: Job) -> float:
    """USD that are spent, and that the running jobs and a candidate will still cost, as far as this is known."""
    running = [job for job in jobs if job.state == JobState.RUNNING]
    return (spent(jobs) or 0.0) + sum(_to_come(job) or 0.0 for job in [*running, candidate])


def expected(jobs: Sequence[Job]) -> float | None:
    """USD that the whole sweep will have cost; None while an unfinished job's time or price is unknown."""
    to_come = [_to_come(job) for job in jobs if job.state in UNFINISHED]
    if spent(jobs) is None or None in to_come:
        return None
    return (spent(jobs) or 0.0) + sum(cost for cost in to_come if cost is not None)


def in_words(jobs: Sequence[Job], budget: float | None) -> str | None:
    """The sweep's cost so far and in all, as `3.20 of 50.00 USD spent, about 41.00 in all`; None: no price is known."""
    if (so_far := spent(jobs)) is None:
        return None
    of = "" if budget is None else f" of {budget:.2f}"
    if not any(job.state in UNFINISHED for job in jobs):
        return f"{so_far:.2f}{of} USD spent"
    whole = expected(jobs)
    return f"{so_far:.2f}{of} USD spent, {'unknown' if whole is None else f'about {whole:.2f}'} in all"


def _to_come(job: Job) -> float | None:
    """USD that a job will still cost; None: its time or its price is unknown."""
    if job.price is None:
        return None
    seconds = job.seconds_left
    if seconds is None and job.estimate is not None:
        seconds = max(0.0, job.estimate - job.seconds)
    return None if seconds is None else job.price * seconds / 3600

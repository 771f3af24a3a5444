"""Run a sweep's jobs, shown in a live table on a terminal, else as lines."""

import sys
from collections.abc import Callable, Sequence

from glr.sweep.job import Job, JobState
from glr.sweep.lines import Lines
from glr.sweep.live import LiveTable
from glr.sweep.pool import JobLimits, Pool, Started, View


def run(
    jobs: Sequence[Job],
    start: Callable[[Job, int], Started],
    limits: JobLimits,
    total: int | None,
    leaves: Callable[[int, View], bool] = lambda number, view: False,  # noqa: ARG005
) -> int | None:
    """Run the WAITING jobs, and show their states.

    Args:
        jobs: all jobs; jobs that are not WAITING are only shown.
        start: see `Pool`.
        limits: the limits of simultaneous jobs, running time, retries and money.
        total: the number of all jobs; None if it is unknown.
        leaves: see `Pool`.

    Returns:
        The signal that stopped the sweep, or None.
    """
    follow = limits.jobs == 1
    if sys.stdout.isatty() and total != 1:
        with LiveTable(jobs, limits.jobs, follow, limits.budget) as view:
            stopped = Pool(jobs, start, limits, view, leaves).run()
    else:
        stopped = Pool(jobs, start, limits, Lines(jobs, total, follow), leaves).run()
    scored = {job.identity.folder: job for job in jobs if job.identity is not None and job.score is not None}
    for job in jobs:
        if job.state == JobState.SKIPPED and job.identity is not None:
            same = scored.get(job.identity.folder, job)
            job.score, job.scores = same.score, same.scores
    return stopped

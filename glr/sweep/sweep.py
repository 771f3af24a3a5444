"""Run a sweep's jobs, shown in a live table on a terminal, else as lines."""

import sys
from collections.abc import Callable, Sequence

from glr.sweep.gpus import dealt
from glr.sweep.job import Job, JobState
from glr.sweep.lines import Lines
from glr.sweep.live import LiveTable
from glr.sweep.pool import JobLimits, Pool


def run(
    jobs: Sequence[Job], command: Callable[[Job], Sequence[str]], limits: JobLimits, total: int | None
) -> int | None:
    """Run the WAITING jobs, and show their states.

    Args:
        jobs: all jobs; jobs that are not WAITING are only shown.
        command: function that returns a job's program and arguments.
        limits: the limits of simultaneous jobs, running time and retries.
        total: the number of all jobs; None if it is unknown.

    Returns:
        The signal that stopped the sweep, or None.
    """
    follow = limits.jobs == 1
    environment = dealt(limits.jobs).__getitem__
    if sys.stdout.isatty() and total != 1:
        with LiveTable(jobs, limits.jobs, follow) as view:
            stopped = Pool(jobs, command, limits, view, environment).run()
    else:
        stopped = Pool(jobs, command, limits, Lines(jobs, total, follow), environment).run()
    scored = {job.identity.folder: job for job in jobs if job.identity is not None and job.score is not None}
    for job in jobs:
        if job.state == JobState.SKIPPED and job.identity is not None:
            same = scored.get(job.identity.folder, job)
            job.score, job.scores = same.score, same.scores
    return stopped

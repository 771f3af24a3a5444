"""A sweep's end as text: every job by score, the failures with their reasons, and the number of ended jobs."""

from collections.abc import Sequence
from math import inf

from glr.errors import GlrError
from glr.report.study.words import metric_words
from glr.sweep import money, words
from glr.sweep.job import UNFINISHED, UNSUCCESSFUL, Job, JobState


def summary(jobs: Sequence[Job]) -> str:
    """Return the table of all jobs, a line for each failure, and what rented machines have cost.

    The best score comes first, jobs without a final score last. Each metric has a column, where all jobs name theirs:
    jobs of another launcher than glr's do not.
    """
    done = {job.number: job for job in jobs if job.state in (JobState.FINISHED, JobState.SKIPPED)}
    ranked = sorted(done.values(), key=lambda job: -inf if job.score is None else job.score, reverse=True)
    ranked += [job for job in jobs if job.number not in done]
    named = all(job.scores for job in done.values() if job.score is not None)
    names = list(dict.fromkeys(name for job in done.values() for name in job.scores)) if named else []
    rows = [("job", *(map(metric_words, names) if names else ["score"]), "state", "settings")]
    for job in ranked:
        scores = [f"{job.scores[name]:.5f}" if name in job.scores else "" for name in names] or [words.score(job)]
        rows.append(
            (str(job.number), *(scores if job.number in done else [""] * len(scores)), job.state.value, job.shown)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for *numbers, state, shown in rows:
        cells = [f"{text:>{width}}" for text, width in zip(numbers, widths, strict=False)]
        lines.append("  ".join([*cells, f"{state:<{widths[-2]}}", shown]))
    failures = [job for job in jobs if job.state in UNSUCCESSFUL]
    if failures:
        lines += ["", *(_failure(job) for job in failures)]
    if cost := money.in_words(jobs, None):
        lines += ["", cost]
    return "\n".join(lines)


def failure(jobs: Sequence[Job]) -> GlrError | None:
    """The error of a sweep with failed jobs; None: no job failed."""
    failed = [job for job in jobs if job.state in UNSUCCESSFUL]
    names = "; ".join(f"{job.number} ({job.shown})" for job in failed)
    return GlrError(f"{len(failed)} of {len(jobs)} jobs failed: {names}") if failed else None


def left(jobs: Sequence[Job], total: int | None, *, anew: bool) -> str:
    """Return a line for a stopped sweep: the number of ended jobs, and the command that continues the sweep.

    Args:
        jobs: the jobs planned so far.
        total: number of all jobs; None if it is unknown.
        anew: True if the same command would start all jobs over.
    """
    ended = sum(job.state not in UNFINISHED for job in jobs)
    command = "the same command with sweep.rerun=failed" if anew else "the same command"
    if total is None:
        return f"{ended} jobs ended; {command} continues"
    return f"{ended} of {total} jobs ended; {command} continues"


def _failure(job: Job) -> str:
    log = f" (log: {job.log})" if job.log.exists() else ""
    return f"job {job.number} failed: {job.reason or 'no reason is recorded'}{log}"

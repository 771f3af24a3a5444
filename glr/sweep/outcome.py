"""The outcome of a sweep's jobs, for its parent run: metrics and a table."""

import csv
import io
from collections.abc import Sequence

from hydra.core.utils import JobReturn

from glr.config.secrets import redacted
from glr.errors import in_words
from glr.sweep.job import UNSUCCESSFUL, Job, JobState

_DONE = (JobState.FINISHED, JobState.SKIPPED)


def settle(job: Job, done: JobReturn) -> None:
    """Set the state of a job that another launcher than glr's has run."""
    try:
        score = done.return_value
    except Exception as error:
        job.state = JobState.FAILED
        job.reason = redacted(in_words(error))
    else:
        job.state, job.score = JobState.FINISHED, score if isinstance(score, float) else None


def metrics(jobs: Sequence[Job]) -> dict[str, float]:
    """The numbers of finished jobs (skipped ones included) and of failed ones, and the best score if there is one."""
    done = [job for job in jobs if job.state in _DONE]
    scores = [job.score for job in done if job.score is not None]
    counts = {"jobs_finished": len(done), "jobs_failed": sum(job.state in UNSUCCESSFUL for job in jobs)}
    return counts | ({"best_score": max(scores)} if scores else {})


def table(jobs: Sequence[Job]) -> str:
    """The jobs as CSV, in order of their numbers."""
    names = list(dict.fromkeys(name for job in jobs for name in job.scores))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["job", "settings", "state", "score", *names, "minutes", "reason"])
    for job in jobs:
        scores = [job.score if job.state in _DONE else None, *(job.scores.get(name) for name in names)]
        shown = ["" if score is None else f"{score:.5f}" for score in scores]
        rows.writerow([job.number, job.shown, job.state.value, *shown, f"{job.seconds / 60:.1f}", job.reason or ""])
    return text.getvalue()

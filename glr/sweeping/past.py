"""Jobs that earlier runs make unnecessary: finished ones are skipped, failed ones on request."""

from collections.abc import Iterable, Sequence

from glr.sweeping.job import Job, State


def skip(jobs: Sequence[Job], uri: str, rerun: str) -> None:
    """Settle the jobs that need not run; the others stay WAITING.

    Args:
        jobs: with their keys and studies.
        uri: of the MLflow store.
        rerun: the ended jobs to run again: `failed`, `all` or `none`.
    """
    first: dict[str, Job] = {}
    for job in jobs:
        if job.key is not None and (same := first.setdefault(job.key, job)) is not job:
            job.state, job.reason = State.SKIPPED, f"the same as job {same.number}"
    if rerun == "all":
        return
    newest = _newest(uri, {job.study for job in jobs if job.study is not None})
    for job in jobs:
        run = newest.get(job.key or "")
        if run is None or job.state != State.WAITING:
            continue
        if run.status == "FINISHED" and "pruned" not in run.tags:
            job.state, job.score = State.SKIPPED, run.metrics.get("public_score")
        elif run.status == "FAILED" and rerun == "none":
            job.state, job.reason = State.LEFT, run.tags.get("failure")


def _newest(uri: str, studies: Iterable[str]):
    """The newest train run of each key."""
    from glr.tracking.history import runs_of
    from glr.tracking.store import connect

    runs = runs_of(connect(uri), studies, "tags.kind = 'train' and tags.key != ''", missing_ok=True)
    return {run.tags["key"]: run for run in runs}

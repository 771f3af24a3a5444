"""Jobs of a sweep in SLURM, through submitit: which are queued or running, and how each one ends.

submitit asks `sacct` for states and waits for ever for a cancelled job if SLURM keeps no accounts; `squeue` knows the
states without them. A file beside the sweeps' folders keeps the SLURM job of each job, so that no later sweep submits a
job twice.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import submitit
from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError
from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

from glr.errors import GlrError
from glr.sweep.job import Job, JobState

# The states before a job's end: https://slurm.schedmd.com/squeue.html, "Job State Codes"
_LIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"),
    *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESIZING", "RESV_DEL_HOLD"),
}
_PAUSE = 5.0  # s between two questions to SLURM


def states() -> dict[str, str]:
    """SLURM's state of each of the user's jobs that it still knows, such as RUNNING, by the id, such as 12_0.

    Raises:
        GlrError: `squeue` fails.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise GlrError(f"squeue does not answer: {said[-1] if said else error}") from error
    return dict(line.split() for line in done.stdout.splitlines())


class Ledger:
    """The SLURM job of each job that was submitted, in the file `slurm.jsonl`.

    Args:
        folder: holds the folders of the study's sweeps.
    """

    def __init__(self, folder: Path):
        self._file = folder / "slurm.jsonl"

    def add(self, job: Job, slurm_id: str) -> None:
        """Note a job as submitted; a job without an identity cannot be known again."""
        if job.identity is not None:
            with self._file.open("a") as file:
                file.write(f"{json.dumps({'job': job.identity.folder, 'slurm': slurm_id})}\n")

    def mark(self, jobs: Sequence[Job]) -> None:
        """Set the state SUBMITTED for the waiting jobs that are queued or running in SLURM."""
        if not self._file.exists():
            return
        lines = map(json.loads, self._file.read_text().splitlines())
        submitted, known = {line["job"]: line["slurm"] for line in lines}, states()
        for job in jobs:
            slurm_id = None if job.identity is None else submitted.get(job.identity.folder)
            if job.state == JobState.WAITING and slurm_id and known.get(slurm_id) in _LIVE:
                _submitted(job, slurm_id)


def wait(jobs: Sequence[Job]) -> None:
    """Wait until SLURM has ended the SUBMITTED jobs; they are then WAITING again, until the store says more."""
    left = [job for job in jobs if job.state == JobState.SUBMITTED]
    while left:
        known = states()
        for job in left:
            if known.get(str(job.reason).removeprefix("SLURM job ")) not in _LIVE:
                job.state, job.reason = JobState.WAITING, None
        left = [job for job in left if job.state == JobState.SUBMITTED]
        if left:
            time.sleep(_PAUSE)


@contextmanager
def submitting(batch: Sequence[Job], ledger: Ledger, *, detach: bool) -> Iterator[None]:
    """Let Hydra's launcher submit a batch so that each job has an end of its own; with `detach` it does not wait.

    Args:
        batch: the jobs, in the launcher's order; with `detach` they are SUBMITTED afterwards.
        ledger: notes the jobs.
        detach: end the context when the jobs are submitted.
    """

    class Executor(submitit.AutoExecutor):
        def map_array(self, fn: Any, *iterable: Any) -> Any:
            submitted = super().map_array(fn, *iterable)
            for job, of_slurm in zip(batch, submitted, strict=True):
                ledger.add(job, of_slurm.job_id)
                if detach:
                    _submitted(job, of_slurm.job_id)
            if detach:
                raise _Detached
            return [_Ending(*each) for each in zip(batch, submitted, strict=True)]

    before = submitit.AutoExecutor, SlurmJob.watcher
    submitit.AutoExecutor, SlurmJob.watcher = Executor, _Squeue()
    try:
        yield
    except _Detached:
        pass
    finally:
        submitit.AutoExecutor, SlurmJob.watcher = before


class _Detached(Exception):  # noqa: N818 (no error: it leaves the launcher)
    """The jobs are submitted."""


class _Squeue(SlurmInfoWatcher):
    """Asks squeue for the states of jobs."""

    def __init__(self):
        super().__init__()
        self._states, self._asked = dict[str, str](), 0.0

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        """The state of a job; GONE: SLURM has forgotten it, some minutes after its end."""
        if mode != "cache" and time.monotonic() > self._asked + _PAUSE:
            try:
                self._states, self._asked = {job_id: "GONE"} | states(), time.monotonic()
            except GlrError:  # the controller restarts, say; the job goes on
                return "UNKNOWN"
        return self._states.get(job_id, "GONE")


class _Ending:
    """A submitted job whose loss is its own failure: submitit would raise it for the whole batch."""

    def __init__(self, job: Job, submitted: submitit.Job[Any]):
        self._overrides, self._job = job.overrides, submitted

    def results(self) -> list[JobReturn]:
        """Wait for the job's end, and return its result."""
        try:
            return self._job.results()
        except UncompletedJobError:
            state = self._job.state.lower().split()[0]
            lost = JobReturn(overrides=self._overrides, status=JobStatus.FAILED)
            lost.return_value = GlrError(
                f"SLURM job {self._job.job_id} ended without a result ({state}); its output is {self._job.paths.stdout}"
            )
            return [lost]


def _submitted(job: Job, slurm_id: str) -> None:
    job.state, job.reason = JobState.SUBMITTED, f"SLURM job {slurm_id}"

"""A sweep as lines of text: a line for each change of a job's state, and the output of jobs that run one by one."""

from collections.abc import Sequence

from glr.config.printing import say
from glr.sweep.job import Job, JobState
from glr.sweep.words import duration, score


class Lines:
    """Prints the changes of a sweep's jobs.

    Args:
        jobs: the sweep's jobs.
        total: the number of all jobs; None if it is unknown, as in a search.
        follow: also print the output of the jobs, which must run one at a time.
    """

    def __init__(self, jobs: Sequence[Job], total: int | None, follow: bool):
        self._of = f" of {total}" if total else ""
        self._alone = total == 1
        self._followers = {job.number: Follower(job) for job in jobs} if follow else None
        self._jobs = jobs
        self._begun = False
        for job in jobs:
            if job.state != JobState.WAITING:
                say(f"job {job.number}{self._of} {_left_out(job)}: {job.shown}")

    def changed(self, job: Job) -> None:
        """Print the job's state."""
        self._follow(job, ended=job.state != JobState.RUNNING)
        name = f"job {job.number}{self._of}"
        if job.state == JobState.RUNNING and job.stage is not None:
            say(f"{name}: {job.stage}")
        elif job.state == JobState.RUNNING:
            if self._followers is not None and self._begun:
                say("")
            again = f", start {job.starts}" if job.starts > 1 else ""
            where = "" if self._followers is not None else f" (log: {job.log})"
            say(f"{name}{again}: {job.shown}{where}")
            self._begun = True
        elif not (self._alone and job.state == JobState.FINISHED):
            say(f"{name} {_ended(job)}")

    def tick(self) -> None:
        """Print the new output of the running job."""
        for job in self._jobs:
            if job.state == JobState.RUNNING:
                self._follow(job, ended=False)

    def stopping(self, running: int) -> None:
        """Print that the sweep waits for the running jobs."""
        say(stopping(running))

    def pausing(self, seconds: float) -> None:
        """Print that no job starts while a disk is full."""
        say(pausing(seconds))

    def ask(self, question: str) -> str:
        """Ask on the next line."""
        return input(question)

    def _follow(self, job: Job, ended: bool) -> None:
        for line in self._followers[job.number].lines(ended) if self._followers is not None else []:
            say(line)


class Follower:
    """Reads the lines that are appended to a job's log."""

    def __init__(self, job: Job):
        self._log = job.log
        self._offset = job.log.stat().st_size if job.log.exists() else 0
        self._rest = b""

    def lines(self, ended: bool) -> list[str]:
        """The complete lines since the last call; if the job has ended, an incomplete last line, too."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        if ended and self._rest:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace").rsplit("\r", 1)[-1] for line in whole]


def stopping(running: int) -> str:
    """The line to print after the first Ctrl-C or SIGTERM."""
    jobs = "the running job saves its state" if running == 1 else f"{running} running jobs save their state"
    return f"stopping: {jobs}; a second Ctrl-C kills" if running else "stopping"


def pausing(seconds: float) -> str:
    """The line to print when a sweep waits for room on a disk."""
    return f"a disk is full: the sweep pauses, and tries again in {duration(seconds)}; make room"


def _ended(job: Job) -> str:
    after = duration(job.seconds)
    if job.state == JobState.FINISHED:
        return f"finished after {after}{f': score {score(job)}' if job.score is not None else ''}"
    if job.state == JobState.RETRYING:
        return f"was {job.reason} after {after}; it starts again in {duration(job.wait)}"
    if job.state == JobState.STOPPED:
        return f"stopped after {after}"
    return f"failed after {after}: {job.reason}"


def _left_out(job: Job) -> str:
    if job.state == JobState.LEFT:
        return "failed before, and is not run again"
    if job.reason:
        return f"is skipped: it is {job.reason}"
    return f"has finished before{f', score {score(job)}' if job.score is not None else ''}"

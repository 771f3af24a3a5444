"""One job of a sweep: its settings and its state."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from glr.config.identity import Identity


class JobState(Enum):
    """A job's state; tables print the value."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retry"  # it was killed, and will be started again
    FINISHED = "finished"
    SKIPPED = "skipped"  # it has finished before
    FAILED = "failed"
    OVERDUE = "time limit"
    LEFT = "failed before"  # it failed before, and does not run again
    SUBMITTED = "submitted"  # queued or running on a cluster, where the sweep leaves it
    STOPPED = "stopped"  # stopped together with the sweep, by Ctrl-C or SIGTERM


UNSUCCESSFUL = (JobState.FAILED, JobState.OVERDUE, JobState.LEFT)
UNFINISHED = (JobState.WAITING, JobState.RUNNING, JobState.RETRYING, JobState.SUBMITTED, JobState.STOPPED)
AT_WORK = "running"  # the stage of a job whose program runs


@dataclass
class Job:
    """A job; its epoch, score and remaining time belong to its latest start."""

    number: int  # from 1
    overrides: list[str]  # its command line
    shown: str  # the overrides that distinguish it from the other jobs
    folder: Path  # holds its log
    identity: Identity | None = None  # None: no train job, or its data set or weights are missing
    study: str | None = None
    state: JobState = JobState.WAITING
    starts: int = 0
    kills: int = 0  # starts that were killed from outside
    preemptions: int = 0  # starts whose machine was taken away
    at_work: bool = False  # an earlier sweep left it running on another machine
    seconds: float = 0.0  # running time of all its starts
    stage: str | None = None  # where it stands on another machine, such as "queued"; None: it runs on this machine
    stage_since: float = 0.0  # the time of the stage's begin, by time.monotonic()
    price: float | None = None  # USD per hour of its machine; None: unknown, or this machine
    spent: float | None = None  # USD that its machines have cost so far, those of earlier sweeps included
    estimate: float | None = None  # seconds that the whole job is expected to run, before it measures its own speed
    after: "Job | None" = None  # the job that trains the weights it starts from, if the store lacks them
    wait: float = 0.0  # seconds before the job is started again
    due: float = 0.0  # the time of the next start, by time.monotonic()
    epoch: int | None = None
    epochs: int | None = None
    score: float | None = None
    scores: dict[str, float] = field(default_factory=dict)  # the final scores by metric; the first is `score`
    seconds_left: float | None = None
    reason: str | None = None  # why it failed, was killed or is skipped

    @property
    def is_early(self) -> bool:
        """True if the weights that the job starts from are still to be trained."""
        return self.after is not None and self.after.state in UNFINISHED

    @property
    def log(self) -> Path:
        """The file that holds the job's output."""
        return self.folder / "log.txt"

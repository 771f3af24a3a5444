"""A sweep as a live table on a terminal."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from glr.config.printing import printable
from glr.sweep import money, words
from glr.sweep.job import UNFINISHED, UNSUCCESSFUL, Job, JobState
from glr.sweep.lines import Follower, pausing, stopping

_TICKS = 4  # ticks between two drawings of the table
_HEADER = ["job", "settings", "state", "epoch", "score", "ETA"]
_STYLES = {
    **{JobState.RUNNING: "bold", JobState.FINISHED: "green", JobState.FAILED: "red", JobState.OVERDUE: "red"},
    **{JobState.SKIPPED: "dim", JobState.LEFT: "dim red", JobState.RETRYING: "yellow", JobState.WAITING: "dim"},
}
# If the terminal is too short for all jobs, the table shows the jobs whose states come first in this list.
_URGENCY = [JobState.RUNNING, JobState.RETRYING, JobState.STOPPED, JobState.FAILED, JobState.OVERDUE, JobState.WAITING]


class LiveTable:
    """Shows the jobs in a table and keeps the table up to date; a context manager.

    Args:
        jobs: the sweep's jobs.
        places: number of jobs that run at a time.
        follow: also print the jobs' output, above the table.
        budget: USD that the sweep may spend; None: no limit.
        console: the console to draw on; None: the terminal.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        places: int,
        follow: bool,
        budget: float | None = None,
        console: Console | None = None,
    ):
        self._jobs, self._places, self._budget = jobs, places, budget
        self._console = console or Console()
        self._followers = {job.number: Follower(job) for job in jobs} if follow else {}
        # No refresh thread, since this process forks the jobs' processes.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._ticks = 0

    def __enter__(self):
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def changed(self, job: Job) -> None:
        """Draw the table again."""
        self._follow(job, ended=job.state != JobState.RUNNING)
        self._draw()

    def tick(self) -> None:
        """Print the jobs' new output; redraw the table at every fourth call."""
        for job in self._jobs:
            if job.state == JobState.RUNNING:
                self._follow(job, ended=False)
        self._ticks += 1
        if self._ticks % _TICKS == 1:
            self._draw()

    def stopping(self, running: int) -> None:
        """Print that the sweep waits for the running jobs."""
        self._say(stopping(running))

    def pausing(self, seconds: float) -> None:
        """Print that no job starts while a disk is full."""
        self._say(pausing(seconds))

    def ask(self, question: str) -> str:
        """Ask below the last lines, without the table."""
        self._live.stop()
        try:
            return self._console.input(question, markup=False)
        finally:
            self._live.start()

    def table(self, rows: int) -> Table:
        """The table with at most `rows` jobs."""
        by_urgency = sorted(self._jobs, key=lambda job: _URGENCY.index(job.state) if job.state in _URGENCY else 9)
        shown = sorted(by_urgency[:rows], key=lambda job: job.number)
        costs = any(job.price is not None for job in self._jobs)
        header = [*_HEADER, "USD"] if costs else _HEADER
        texts = [header, *(_row(job, costs) for job in shown)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        # The width left for the settings: rich would narrow all columns, but only the settings may be cut.
        room = max(10, self._console.width - sum(widths) + widths[1] - 2 * len(widths))
        table = Table(box=None, pad_edge=False)
        for name in header:
            table.add_column(name, justify="left" if name in ("settings", "state") else "right", no_wrap=True)
        for job, row in zip(shown, texts[1:], strict=True):
            row[1] = row[1] if len(row[1]) <= room else f"{row[1][: room - 1]}…"
            table.add_row(*(Text(printable(cell)) for cell in row), style=_STYLES.get(job.state, ""))
        return table

    def totals(self) -> Text:
        """A line with the number of jobs in each state, the sweep's remaining time, and what it costs."""
        counts = {"running": 0, "to come": 0, "finished": 0, "failed": 0}
        for job in self._jobs:
            unfinished = "running" if job.state == JobState.RUNNING else "to come"
            failed = "failed" if job.state in UNSUCCESSFUL else "finished"
            counts[unfinished if job.state in UNFINISHED else failed] += 1
        left = words.seconds_left(self._jobs, self._places)
        parts = [f"{count} {name}" for name, count in counts.items() if count]
        cost = money.in_words(self._jobs, self._budget)
        ends = [text for text in (None if left is None else f"{words.duration(left)} to go", cost) if text]
        return Text("; ".join([", ".join(parts), *ends]))

    def _draw(self) -> None:
        rows = max(1, self._console.height - 4)
        self._live.update(Group(self.table(rows), self.totals()), refresh=True)

    def _follow(self, job: Job, ended: bool) -> None:
        for line in self._followers[job.number].lines(ended) if self._followers else []:
            self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _row(job: Job, costs: bool) -> list[str]:
    left = job.seconds_left if job.state == JobState.RUNNING else None
    eta = "" if left is None else words.duration(left)
    row = [str(job.number), job.shown, words.state(job), words.epoch(job), words.score(job), eta]
    return [*row, "" if job.spent is None else f"{job.spent:.2f}"] if costs else row

"""How long a sweep's jobs will run, by `python -m glr.preflight` in a process of its own, before their first step."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from glr.sweep.job import UNFINISHED, Job
from glr.sweep.process import Process


class Estimates:
    """A thread that sets `Job.estimate` job by job; jobs that differ in their seed only share a compilation.

    A job stays without an estimate where preflight cannot give one: its extra is not installed, or it does not know
    the slice.

    Args:
        jobs: a sweep's jobs.
        command: function that returns the command which estimates a job and writes the result to a file.
        folder: where logs and results go.
    """

    def __init__(self, jobs: Sequence[Job], command: Callable[[Job, Path], Sequence[str]], folder: Path):
        self._command, self._folder = command, folder
        self._alike: dict[tuple[str, ...], list[Job]] = {}
        for job in jobs:
            if job.state in UNFINISHED:
                settings = tuple(text for text in job.overrides if not text.startswith(("seed=", "name=", "index=")))
                self._alike.setdefault(settings, []).append(job)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process, and set no more estimates."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        for jobs in self._alike.values():
            seconds = self._estimate(jobs[0])
            if self._closed.is_set() or seconds is None:  # what preflight cannot do for one job, it cannot for others
                return
            for job in jobs:
                job.estimate = seconds

    def _estimate(self, job: Job) -> float | None:
        """Seconds of training: by instruction cycles where the clock is known, which is the more careful estimate."""
        output = (self._folder / f"preflight-{job.number}.json").absolute()
        line = ["nice", "-n", "19", *self._command(job, output)]
        process = Process(line, self._folder / "preflight.log", output.with_suffix(".progress"), {})
        while process.poll() is None:
            if self._closed.wait(0.2):
                process.kill()
        try:
            (row,) = json.loads(output.read_text())
            return row["run_hours"] * 3600 * (row["cautious_seconds"] or row["step_seconds"]) / row["step_seconds"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

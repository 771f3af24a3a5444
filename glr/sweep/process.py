"""One job's process, started in its own session and watched through files, and the meaning of its exit code."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from glr.errors import NO_ROOM, PREEMPTED
from glr.sweep.job import Job
from glr.sweep.progress import VARIABLE

# What `poll` returns for a job whose machine was taken away: no process has this exit code.
TAKEN_AWAY = 256

# Signals of a crash; all others come from outside, as from the kernel's out-of-memory killer.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Fate(Enum):
    """The way in which a process ended."""

    FINISHED = "finished"
    FAILED = "failed"  # by itself: it would fail again
    KILLED = "killed"  # from outside: it may be started again
    NO_ROOM = "no room"  # by a full disk: it may be started again when there is room
    TAKEN_AWAY = "taken away"  # with its machine: it may be started again on another


class Process:
    """A job's process in a session of its own, so that a terminal's Ctrl-C does not reach the job.

    Its output goes to a file: a pipe would break if the launcher died. On Linux, the job then gets SIGTERM.

    Args:
        command: the program and its arguments.
        log: the file that output and errors are appended to.
        progress: the file that the job writes its progress to.
        environment: variables for the job, in addition to the variables of this process.
    """

    def __init__(self, command: Sequence[str], log: Path, progress: Path, environment: Mapping[str, str]):
        self._progress = progress
        progress.unlink(missing_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that the log holds the last output of a killed job.
        own = {"PYTHONUNBUFFERED": "1", VARIABLE: str(progress.absolute()), **environment}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | own,
                start_new_session=True,
                preexec_fn=_end_with_parent(),
            )
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        """The id of the process and of its session."""
        return self._process.pid

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def poll(self) -> int | None:
        """Return the exit code, or None while the job runs. After its end, kill the processes left in its session."""
        code = self._process.poll()
        if code is not None:
            self._signal_session(signal.SIGKILL)
        return code

    def progress(self) -> dict[str, Any]:
        """The job's latest report about itself; {} before the first."""
        try:
            written = json.loads(self._progress.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(written, dict):
            return {}
        if isinstance(left := written.get("seconds_left"), int | float):
            with suppress(OSError):
                written["seconds_left"] = max(0.0, left - (time.time() - self._progress.stat().st_mtime))
        return written

    def terminate(self) -> None:
        """Send SIGTERM to the job only; it stops its own children."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the job and every process in its session."""
        self._signal_session(signal.SIGKILL)

    def _signal_session(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def local(
    command: Callable[[Job], Sequence[str]],
    environment: Callable[[int], Mapping[str, str]] = lambda place: {},  # noqa: ARG005
) -> Callable[[Job, int], Process]:
    """Return the function that starts a pool's jobs as processes of this machine.

    Args:
        command: function that returns a job's program and arguments.
        environment: function that returns the variables for the job in a place of the pool.
    """

    def start(job: Job, place: int) -> Process:
        return Process(command(job), job.log, job.folder / "progress.json", environment(place))

    return start


def fate(code: int) -> Fate:
    """How a process ended, by its exit code."""
    if code == 0:
        return Fate.FINISHED
    if code == TAKEN_AWAY:
        return Fate.TAKEN_AWAY
    if code == NO_ROOM:
        return Fate.NO_ROOM
    number = _signal(code)
    killed = code == PREEMPTED or (number is not None and number not in _CRASHES | {signal.SIGINT})
    return Fate.KILLED if killed else Fate.FAILED


def described(code: int) -> str:
    """Describe an exit code, as in "killed by SIGTERM"."""
    if code == PREEMPTED:
        return "stopped by SIGTERM"
    if code == NO_ROOM:
        return "stopped by a full disk"
    if code == TAKEN_AWAY:
        return "preempted"
    number = _signal(code)
    if number is None:
        return f"exit code {code}"
    if number == signal.SIGINT:
        return "interrupted"
    return f"killed by {number.name}{' (out of memory?)' if number == signal.SIGKILL else ''}"


def last_words(log: Path) -> str | None:
    """The text of a log's last `error: ...` line, else the last line (a traceback's exception); None: no line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return None
    texts = [line.strip() for line in lines if line.strip()]
    errors = [line.removeprefix("error: ") for line in texts if line.startswith("error: ")]
    return (errors or texts or [None])[-1]


def _signal(code: int) -> signal.Signals | None:
    """The signal that ended the process, whether seen directly (-9) or through a shell or container (137)."""
    with suppress(ValueError):
        return signal.Signals(-code if code < 0 else code - 128)
    return None


def _end_with_parent():
    """Return a function that a child on Linux runs before its program: it requests SIGTERM when the launcher dies."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def ask() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the launcher's own handler would swallow the request
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the launcher died meanwhile
            os.kill(os.getpid(), signal.SIGTERM)

    return ask

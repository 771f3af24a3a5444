"""The log of a job: a file with all that the job prints, and the error that ends it."""

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from glr.config.failure import report
from glr.config.output import Output
from glr.config.printing import printable
from glr.config.secrets import redacted

LOG = "log.txt"


class Log:
    """A file that lines are appended to, without secrets and control characters; a full disk never raises.

    Args:
        file: the file; its folder is created.

    Attributes:
        is_output: standard output goes to this file already, as in a sweep's job, so that nothing is copied.
    """

    def __init__(self, file: Path):
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        self._output = Output(self._descriptor)
        self._begin = os.fstat(self._descriptor).st_size
        self._lock = threading.RLock()  # a signal's handler may print while its thread holds the lock
        self._failure: BaseException | None = None
        self._copies: list[_Copying] = []
        self.is_output = False
        with suppress(OSError):  # there is no standard output
            self.is_output = os.path.samestat(os.fstat(1), os.fstat(self._descriptor))

    def copy(self, stream: Any) -> Any:
        """Return a stream that writes to `stream` and appends its complete lines to the log."""
        if stream is None or self.is_output:  # closed from the start, or logged already
            return stream
        self._copies.append(_Copying(stream, self))
        return self._copies[-1]

    def append(self, lines: Iterable[str]) -> None:
        """Write lines; of a progress bar only the last state."""
        content = "".join(f"{_clean(line)}\n" for line in lines).encode(errors="replace")
        with self._lock:
            if self._descriptor >= 0:
                self._output.write(content)

    def fail(self, error: BaseException) -> None:
        """Write the report of an error that ends the job, once."""
        if error is self._failure:
            return
        self._failure = error
        self._finish()
        if not self.is_output and (text := report(error)):
            self.append(text.rstrip("\n").split("\n"))

    def text(self) -> str:
        """What this process has written so far, and the error that ends it."""
        size = os.fstat(self._descriptor).st_size
        written = os.pread(self._descriptor, size - self._begin, self._begin).decode(errors="replace")
        if not self.is_output:
            return written
        lines = [_clean(line) for line in written.split("\n")]
        if self._failure is not None:  # this error is printed last, after the log is stored
            lines[-1:] = [*report(self._failure).rstrip("\n").split("\n"), ""]
        return "\n".join(lines)

    def close(self) -> None:
        """Write incomplete lines and close the file; later lines are dropped."""
        self._finish()
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    def _finish(self) -> None:
        for copy in self._copies:
            copy.finish()


class _Copying:
    """A stream that also appends its complete lines to a log."""

    def __init__(self, stream: Any, log: Log):
        self._stream, self._log, self._line = stream, log, ""

    def write(self, text: str) -> int:
        """Write to the stream and to the log."""
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            self._log.append(lines)
        return self._stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def finish(self) -> None:
        """Append an incomplete last line to the log."""
        if _clean(self._line):
            self._log.append([self._line])
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def logged(file: Path) -> Iterator[Log]:
    """Copy all that Python code prints in this context to a log, and the report of the error that leaves it.

    Raises:
        OSError: the file cannot be created.
    """
    log = Log(file)
    try:
        with redirect_stdout(log.copy(sys.stdout)), redirect_stderr(log.copy(sys.stderr)):
            yield log
    except BaseException as error:
        log.fail(error)
        raise
    finally:
        log.close()


def _clean(line: str) -> str:
    """A line as a terminal shows it, without secrets and control characters."""
    return printable(redacted(line.rstrip("\r").rsplit("\r", 1)[-1])).rstrip()

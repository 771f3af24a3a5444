"""Make writes to standard output and error never raise, even on a full disk or a closed pipe or terminal."""

import io
import os
import sys
from typing import Any

_KEPT = 2**20  # bytes kept in memory while they cannot be written


class Output(io.RawIOBase):
    """Writes to a descriptor; bytes that cannot be written wait in memory for the next write.

    Args:
        descriptor: the descriptor of a file, a pipe or a terminal; it is left open.

    Attributes:
        failure: the error of the last write; None: all bytes are written.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._waiting = b""
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write the bytes, or keep the last MiB of unwritten bytes; return the length of `data`."""
        self._waiting += bytes(data)
        self.failure = None
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._descriptor, self._waiting) :]
        except OSError as error:
            self._waiting = self._waiting[-_KEPT:]
            self.failure = error
        return len(data)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return True for a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Return True."""
        return True


def protect() -> None:
    """Replace this process's sys.stdout and sys.stderr by streams whose writes never raise."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue  # closed from the start, protected already, or replaced by other code
        stream.flush()
        raw = Output(stream.fileno())
        buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)  # unbuffered: a sweep reads live output
        # A terminal that knows ASCII only shows other characters as escapes.
        options = {"encoding": stream.encoding, "errors": "backslashreplace"}
        new = io.TextIOWrapper(
            buffer, **options, line_buffering=stream.line_buffering, write_through=stream.write_through
        )
        setattr(sys, name, new)


def failure() -> OSError | None:
    """Return the error that keeps printed text unwritten; None: all text is written, or sys.stdout is not protected."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if isinstance(raw, Output):
        raw.write(b"")  # try again: the disk may have room now
        return raw.failure
    return None

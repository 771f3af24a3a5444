"""Exceptions for mistakes in the input of glr: the message is all that the user needs to read."""

import errno
import os

# Exit codes that ask for a restart: PREEMPTED after SIGTERM or SIGHUP, NO_ROOM once a full disk has room again.
PREEMPTED, NO_ROOM = os.EX_TEMPFAIL, os.EX_IOERR
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Parts of the messages of TensorFlow, SQLite and tempfile, whose errors carry no errno.
_NO_ROOM_SAID = (os.strerror(errno.ENOSPC), "database or disk is full", "No usable temporary directory")


class GlrError(Exception):
    """Bad input (a setting, a file, a record); the message names the input and says what to do in one sentence.

    Commands print the message without a traceback and exit with status 1.
    """


class DivergedError(GlrError):
    """Training failed: the loss is no longer a number, or weights exploded."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if the message is empty. Libraries' messages are long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def in_words(error: BaseException) -> str:
    """The message of an error; all errors but a GlrError are prefixed with their type."""
    return str(error) if isinstance(error, GlrError) else f"{type(error).__name__}: {error}"


def is_no_room(error: BaseException | None) -> bool:
    """Return True if an error or one of its causes is a full disk, so that a later attempt may succeed."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:  # under a debugger OmegaConf makes an error its own cause
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        if any(part in str(error) for part in _NO_ROOM_SAID):
            return True
        seen.append(error)
        error = error.__cause__
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if TensorFlow's `ResourceExhaustedError` reports full memory; it may also report a full disk."""
    return "allocat" in str(error)


def no_room_in_words(error: BaseException) -> str:
    """One line that says where a disk is full."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"{error.filename or 'writing failed'}: {os.strerror(error.errno)}"
    return first_line(error)

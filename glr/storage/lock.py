"""Locks between processes: one process at a time holds a file; the lock ends when the process ends or is killed."""

import errno
import fcntl
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

from glr.errors import GlrError

_LONG = 5.0  # seconds of waiting before a message
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def held(path: Path, wait: float = inf) -> Iterator[int]:
    """Acquire the lock of a file, yield its descriptor, and release the lock."""
    file = acquire(path, wait)
    try:
        yield file
    finally:
        os.close(file)


def acquire(path: Path, wait: float = inf) -> int:
    """Open a file to read and append, creating it if need be, and lock it; closing the descriptor unlocks it.

    The holder may delete the file; the waiting processes then create it again. A symbolic link is refused, since in a
    shared folder it may lead to any file.

    Args:
        path: the file's path, on this machine's disk.
        wait: seconds to wait for another process that holds the lock.

    Raises:
        BlockingIOError: another process still holds the lock.
        GlrError: the file system has no locks.
        OSError: the file cannot be opened, or is not a regular file.
    """
    began, announced = time.monotonic(), False
    while True:
        file = _opened(path)
        locked = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = os.path.samestat(os.fstat(file), path.stat())
        except FileNotFoundError:
            pass  # the holder has deleted the file
        except BlockingIOError:
            waited = time.monotonic() - began
            if waited >= wait:
                raise
            if waited >= _LONG and not announced:
                announced = True
                print(f"waiting for {path}, which another process holds", file=sys.stderr)
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
            raise GlrError(
                f"{path} cannot be locked: {_file_system(path)} has no flock ({error.strerror}); "
                "keep the folder on another file system"
            ) from error
        finally:
            if not locked:
                os.close(file)
        if locked:
            return file


def _opened(path: Path) -> int:
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(errno.ELOOP, "a symbolic link, where a file is expected", str(path)) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def _file_system(path: Path) -> str:
    """The type and the mount point of a file's file system, from Linux's /proc."""
    place = path.resolve()
    try:
        mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "its file system"
    mounted = [(_unescaped(point), kind) for _, point, kind, *_ in mounts if place.is_relative_to(_unescaped(point))]
    point, kind = max(mounted, key=lambda mount: len(mount[0]), default=("", "its file system"))
    return f"the file system {kind} at {point}" if point else kind


def _unescaped(point: str) -> str:
    return re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point)

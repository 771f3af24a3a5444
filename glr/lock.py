"""Locks between processes: a file that one process holds; the lock goes with the process, however it ends."""

import fcntl
import os
import time
from pathlib import Path


def acquire(path: Path, wait: float = 0.0) -> int:
    """Open a file, made if need be, to read and append, and lock it; closing the descriptor unlocks it.

    The file may be deleted by whoever holds it: those who waited then make it anew.

    Args:
        path: of the file, on this machine's disk.
        wait: seconds that another process is given to let go of it.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be opened.
    """
    deadline = time.monotonic() + wait
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        except FileNotFoundError:
            pass  # deleted meanwhile by who held it
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(file)
                raise
            time.sleep(0.05)
        os.close(file)

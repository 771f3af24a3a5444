"""Start Hydra anew for a command that Python code calls, one at a time, and leave the process as it was."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton

from glr.errors import GlrError

_RUNNING = threading.RLock()  # Hydra's state and the command line are those of the process
_WAIT = 5.0  # seconds


@contextmanager
def started(arguments: Sequence[str]) -> Iterator[None]:
    """Start Hydra anew with the arguments as the command line; afterwards this process is as it was before.

    Raises:
        GlrError: another thread runs a command.
    """
    if not _RUNNING.acquire(timeout=_WAIT):
        raise GlrError("another thread of this process runs a command of glr; wait for it, or start another process")
    try:
        with _anew(arguments):
            yield
    finally:
        _RUNNING.release()


@contextmanager
def _anew(arguments: Sequence[str]) -> Iterator[None]:
    plugins = Plugins.instance()
    argv, state = sys.argv, Singleton.get_state()
    state["instances"][Plugins] = plugins  # else Hydra runs the plugins' modules again, which replaces their classes
    full_error = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra must not catch exceptions: glr reports them
    sys.argv = [argv[0], *arguments]
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        sys.argv = argv
        Singleton.set_state(state)
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]

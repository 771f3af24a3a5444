"""Save and end a training run on SIGTERM (preemption), SIGHUP (closed terminal), Ctrl-C or SIGUSR2 (time limit)."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from glr.config.signals import handle, restore
from glr.errors import PREEMPTED


class Interruption:
    """A context that obeys these signals at once; within `deferred` and after `defer`, only when `obey` is called.

    A run that was started with `nohup` keeps ignoring SIGHUP.

    On submitit's request, SLURM sends SIGUSR2 before a job's time limit; submitit's handler, which queues the job
    again, is called when the context ends. A second Ctrl-C is always obeyed at once.

    Attributes:
        impatient: True after a second Ctrl-C: do not save.
    """

    def __init__(self):
        self._pending: int | None = None
        self.impatient = False
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        limited = callable(signal.getsignal(signal.SIGUSR2))
        self._before = handle(self._handle, signal.SIGINT, *([signal.SIGUSR2] if limited else []))
        return self

    def __exit__(self, *_: object) -> None:
        restore(self._before)
        if self._pending == signal.SIGUSR2:
            self._before[signal.SIGUSR2](self._pending, None)

    @property
    def pending(self) -> bool:
        """True if a signal waits to be obeyed."""
        return self._pending is not None

    def obey(self) -> None:
        """End the process if a signal waits.

        Raises:
            KeyboardInterrupt: the signal was Ctrl-C.
            SystemExit: it was another signal; the code is `PREEMPTED`.
        """
        if self._pending == signal.SIGINT:
            raise KeyboardInterrupt
        if self._pending is not None:
            sys.exit(PREEMPTED)

    def defer(self) -> None:
        """From now on let signals wait, except within `at_once`."""
        self._deferred = True

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """In this context, obey signals at once; first obey a signal that waits."""
        before, self._deferred = self._deferred, False
        try:
            self.obey()
            yield
        finally:
            self._deferred = before

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """In this context, let signals wait."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before

    def _handle(self, number: int, _: FrameType | None) -> None:
        again = number == signal.SIGINT and self._pending == signal.SIGINT
        self.impatient = self.impatient or again
        self._pending = number
        if again or not self._deferred:
            self.obey()
        if number == signal.SIGINT:
            print("\nstopping after this step; Ctrl-C again stops at once", file=sys.stderr)

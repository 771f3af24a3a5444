"""The signals that end a process."""

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

_received: list[int] = []


def ending(*others: signal.Signals) -> list[signal.Signals]:
    """Return SIGTERM, `others`, and SIGHUP unless the process ignores SIGHUP, as under `nohup`."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, *others, *([signal.SIGHUP] if hangs_up else [])]


def handle(handler: Callable[[int, FrameType | None], None], *others: signal.Signals) -> dict[signal.Signals, Any]:
    """Handle the signals of `ending`; return the earlier handlers. Only the main thread can: others do nothing."""
    if threading.current_thread() is not threading.main_thread():
        return {}

    def noted(number: int, frame: FrameType | None) -> None:
        _received.append(number)
        handler(number, frame)

    return {number: signal.signal(number, noted) for number in ending(*others)}


def received() -> int | None:
    """The latest signal that a handler got since `forget`, even if the exception that the handler raised was lost.

    It is lost where C code calls Python, as in TensorFlow, and leaves half a module where it breaks off an import.
    """
    return _received[-1] if _received else None


def forget() -> None:
    """Forget the signals so far: a new command begins."""
    _received.clear()


def restore(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set the handlers that `handle` returned."""
    for number, handler in handlers.items():
        signal.signal(number, handler)

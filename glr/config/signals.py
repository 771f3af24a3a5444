"""The signals that end a process."""

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any


def ending(*others: signal.Signals) -> list[signal.Signals]:
    """Return SIGTERM, `others`, and SIGHUP unless the process ignores SIGHUP, as under `nohup`."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, *others, *([signal.SIGHUP] if hangs_up else [])]


def handle(handler: Callable[[int, FrameType | None], None], *others: signal.Signals) -> dict[signal.Signals, Any]:
    """Handle the signals of `ending`; return the earlier handlers. Only the main thread can: others do nothing."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in ending(*others)}


def restore(handlers: Mapping[signal.Signals, Any]) -> None:
    """Set the handlers that `handle` returned."""
    for number, handler in handlers.items():
        signal.signal(number, handler)

"""The signals that end a process."""

import signal


def ending(*others: signal.Signals) -> list[signal.Signals]:
    """Return SIGTERM, `others`, and SIGHUP unless the process ignores SIGHUP, as under `nohup`."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, *others, *([signal.SIGHUP] if hangs_up else [])]

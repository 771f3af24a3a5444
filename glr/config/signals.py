"""The signals that end a process."""

import signal


def ending(*others: signal.Signals) -> list[signal.Signals]:
    """SIGTERM, these others, and SIGHUP unless the process was started to outlive its terminal (`nohup`)."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGTERM, *others, *([signal.SIGHUP] if hangs_up else [])]

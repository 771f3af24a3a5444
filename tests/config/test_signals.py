"""The signals that end a process."""

import signal

import pytest

from glr.config.signals import ending


@pytest.mark.parametrize(("handler", "hangs_up"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_under_nohup_a_closed_terminal_ends_nothing(handler: signal.Handlers, hangs_up: bool):
    before = signal.signal(signal.SIGHUP, handler)
    try:
        numbers = ending(signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert numbers == [signal.SIGTERM, signal.SIGINT] + [signal.SIGHUP] * hangs_up

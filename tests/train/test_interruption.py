"""Signals end a run between steps, or at once where nothing can be lost."""

import os
import signal
from collections.abc import Callable

import pytest

from glr.errors import PREEMPTED
from glr.sweep.pool import Stopping
from glr.train.interruption import Interruption


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_at_once_where_nothing_is_deferred():
    with Interruption():
        with pytest.raises(SystemExit) as ended:
            send(signal.SIGTERM)
        assert ended.value.code == PREEMPTED == 75
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_when_it_is_asked_where_it_is_deferred(number: int, error: type[BaseException]):
    with Interruption() as interruption:
        with interruption.deferred():
            send(number)
        assert interruption.pending
        with pytest.raises(error):
            interruption.obey()


def test_a_second_ctrl_c_is_obeyed_at_once(capsys: pytest.CaptureFixture):
    with Interruption() as interruption, interruption.deferred():
        send(signal.SIGINT)
        assert "Ctrl-C again stops at once" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_those_before_afterwards():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert signal.getsignal(signal.SIGTERM) != before[0]
        assert not interruption.pending
        interruption.obey()  # nothing to obey
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_from_now_on_deferred_but_where_it_is_obeyed_at_once(number: int, error: type[BaseException]):
    with Interruption() as interruption:
        interruption.defer()
        with interruption.deferred():
            pass
        send(number)
        assert interruption.pending
        with pytest.raises(error), interruption.at_once():
            raise AssertionError
    with Interruption() as interruption:
        interruption.defer()
        with pytest.raises(error), interruption.at_once():
            send(number)


@pytest.mark.parametrize("handled", [Interruption, Stopping])
def test_nohup_is_respected(handled: Callable):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

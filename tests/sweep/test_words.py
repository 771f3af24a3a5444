"""Durations in words, and the time that a sweep still takes."""

import pytest

from glr.sweep.job import JobState
from glr.sweep.words import duration, seconds_left, state
from tests.sweep.conftest import job


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (5940, "99 min"), (6000, "1 h 40 min"), (200_000, "2 d 07 h")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_a_job_that_waits_for_weights_names_the_job_that_trains_them():
    first, second = job(1), job(2)
    second.after = first
    assert (state(first), state(second)) == ("waiting", "after job 1")
    first.state = JobState.FINISHED
    assert state(second) == "waiting"


def test_how_long_a_sweep_takes():
    waiting = [job(1), job(2), job(3)]
    assert seconds_left(waiting, 2) is None
    done = job(4, JobState.FINISHED, seconds=100.0)
    assert seconds_left([*waiting, done], 1) == 300
    assert seconds_left([*waiting, done], 2) == 150
    running = job(5, JobState.RUNNING, seconds=60.0, seconds_left=140.0)  # 200 s in all
    assert seconds_left([running], 1) == 140
    assert seconds_left([running, done], 2) == 140  # one job cannot be shared out
    assert seconds_left([*waiting, running, done], 2) == (140 + 3 * 150) / 2
    assert seconds_left([done, job(6, JobState.RUNNING, seconds=30.0)], 1) == 70
    assert seconds_left([done, job(7, JobState.FAILED, seconds=3.0), job(8, JobState.SKIPPED)], 1) == 0

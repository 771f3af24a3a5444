"""What a sweep costs."""

from glr.sweep.job import JobState
from glr.sweep.money import committed, expected, in_words
from tests.sweep.conftest import job


def test_cost_so_far_and_in_all():
    jobs = [
        job(1, JobState.FINISHED, price=10.0, spent=20.0, seconds=7200.0),
        job(2, JobState.RUNNING, price=10.0, spent=5.0, seconds=1800.0, seconds_left=3600.0),
        job(3, JobState.WAITING, price=10.0, estimate=360.0),
        job(4, JobState.WAITING, price=10.0),
    ]
    typical = (7200 + 5400) / 2
    assert expected(jobs) == 25 + 10 + 1 + 10 * typical / 3600
    assert in_words(jobs, 60.0) == "25.00 of 60.00 USD spent, about 53.50 in all"
    assert committed(jobs, jobs[2]) == 36.0  # spent, the rest of job 2, and the candidate
    assert in_words(jobs[:1], None) == "20.00 USD spent"


def test_what_is_unknown_is_said():
    assert in_words([job(1, JobState.RUNNING)], 5.0) is None  # on this machine
    waiting = [job(1, JobState.WAITING, price=2.0)]
    assert in_words(waiting, None) == "0.00 USD spent, unknown in all"
    assert committed(waiting, waiting[0]) == 0.0

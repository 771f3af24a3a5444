"""The pool, with real processes and real kills."""

import os
import signal
from collections.abc import Callable

import pytest

from glr.sweep.job import Job, JobState
from glr.sweep.pool import JobLimits, Pool
from glr.sweep.process import TAKEN_AWAY, local
from tests.sweep.conftest import Recorder, command, starts

Jobs = Callable[..., list[Job]]


def test_each_job_meets_its_own_fate(jobs: Jobs):
    """Of nine jobs, one raises, one is killed, one exceeds its time, one diverges, one crashes; four finish."""
    batch = jobs("finish", "raise", "die", "wait", "refuse", "finish", "die once", "crash", "finish")
    view = Recorder()
    limits = JobLimits(jobs=3, minutes=4 / 60, retries=2, backoff=0.1)
    assert Pool(batch, local(command), limits, view).run() is None
    ends = {job.number: (job.state, job.starts, job.reason) for job in batch}
    assert ends == {
        1: (JobState.FINISHED, 1, None),
        2: (JobState.FAILED, 1, "ValueError: no such luck"),
        3: (JobState.FAILED, 3, "killed by SIGKILL (out of memory?), 3 times"),
        4: (JobState.OVERDUE, 1, "exceeded sweep.minutes=0.0666667"),
        5: (JobState.FAILED, 1, "the loss is no longer a number"),
        6: (JobState.FINISHED, 1, None),
        7: (JobState.FINISHED, 2, None),
        8: (JobState.FAILED, 1, "killed by SIGABRT: crash begins"),
        9: (JobState.FINISHED, 1, None),
    }
    assert [job.score for job in batch] == [0.5, None, None, 0.25, None, 0.5, 0.75, None, 0.5]
    assert (batch[0].scores, batch[3].scores) == ({"public/gap": 0.5}, {})
    assert (batch[0].epoch, batch[0].epochs, batch[3].epoch) == (2, 2, 1)
    assert view.most == 3
    assert batch[6].log.read_text() == "die once begins\nhalf a lidie once begins\n"
    assert 4 <= batch[3].seconds < 20
    assert all(len(starts(job)) == job.starts for job in batch)


def test_what_was_killed_waits_longer_each_time_and_holds_up_nobody(jobs: Jobs):
    batch = jobs("die", "finish")
    view = Recorder()
    Pool(batch, local(command), JobLimits(jobs=1, retries=2, backoff=0.4), view).run()
    first, second, third = starts(batch[0])
    assert second - first > 0.4
    assert third - second > 0.8
    assert view.changes.index((2, JobState.FINISHED)) < view.changes.index((1, JobState.RUNNING), 1)
    assert [state for number, state in view.changes if number == 1] == [
        *[JobState.RUNNING, JobState.RETRYING] * 2,
        *[JobState.RUNNING, JobState.FAILED],
    ]


def test_without_retries_a_kill_is_a_failure(jobs: Jobs):
    (job,) = jobs("die")
    Pool([job], local(command), JobLimits(retries=0), Recorder()).run()
    assert (job.state, job.reason) == (JobState.FAILED, "killed by SIGKILL (out of memory?)")


def test_who_does_not_stop_in_time_is_made_to(jobs: Jobs):
    (job,) = jobs("ignore")
    Pool([job], local(command), JobLimits(minutes=2 / 60, grace=0.2), Recorder()).run()
    assert (job.state, job.starts) == (JobState.OVERDUE, 1)
    assert (job.folder / "told").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_jobs_and_starts_no_more(jobs: Jobs, number: signal.Signals):
    batch = jobs("finish", "wait", "wait", "finish")
    sent: list[int] = []

    def act() -> None:
        if not sent and all((job.folder / "ready").exists() for job in batch[1:3]):
            os.kill(os.getpid(), number)
            sent.append(number)

    view, handler = Recorder(act), signal.getsignal(number)
    assert Pool(batch, local(command), JobLimits(jobs=2), view).run() == number
    assert signal.getsignal(number) is handler
    assert [job.state for job in batch] == [JobState.FINISHED, JobState.STOPPED, JobState.STOPPED, JobState.WAITING]
    assert view.told == [2]


def test_a_second_signal_kills(jobs: Jobs):
    (job,) = jobs("ignore")
    sent: list[str] = []

    def act() -> None:
        if len(sent) < 2 and (job.folder / ("told" if sent else "ready")).exists():
            os.kill(os.getpid(), signal.SIGINT)
            sent.append("once more")

    assert Pool([job], local(command), JobLimits(), Recorder(act)).run() == signal.SIGINT
    assert job.state == JobState.STOPPED


def test_jobs_that_do_not_wait_are_left_alone(jobs: Jobs):
    batch = jobs("finish", "finish", "finish")
    batch[0].state, batch[1].state = JobState.SKIPPED, JobState.LEFT
    Pool(batch, local(command), JobLimits(), Recorder()).run()
    assert [job.state for job in batch] == [JobState.SKIPPED, JobState.LEFT, JobState.FINISHED]
    assert [job.starts for job in batch] == [0, 0, 1]


def test_a_job_starts_after_the_job_whose_weights_it_needs(jobs: Jobs):
    batch = jobs("die once", "finish", "finish", "raise", "finish")
    batch[1].after, batch[2].after, batch[4].after = batch[0], batch[1], batch[3]
    view = Recorder()
    Pool(batch, local(command), JobLimits(jobs=4, backoff=0.1), view).run()
    changes = [change for change in view.changes if change[0] <= 3 and change[1] != JobState.RETRYING]
    assert changes == [
        *[(1, JobState.RUNNING), (1, JobState.RUNNING), (1, JobState.FINISHED)],
        *[(2, JobState.RUNNING), (2, JobState.FINISHED), (3, JobState.RUNNING), (3, JobState.FINISHED)],
    ]
    assert (batch[4].state, batch[4].starts) == (JobState.FAILED, 0)
    assert batch[4].reason == "job 4, which trains its initial weights, did not finish"


def test_places_are_taken_in_turn(jobs: Jobs):
    batch = jobs("show", "show", "show", "show")
    start = local(command, lambda place: {"PLACE": f"number {place}"})
    Pool(batch, start, JobLimits(jobs=2), Recorder()).run()
    lines = [job.log.read_text().splitlines()[1] for job in batch]
    assert lines[:2] == ["GPU number 0", "GPU number 1"]
    assert set(lines) == {"GPU number 0", "GPU number 1"}


class Rented:
    """A start on another machine, which ends at once with one of the codes in turn."""

    def __init__(self, codes: list[int], spent: float = 0.0, lasting: float = 0.0):
        self._code, self.seconds, self._spent = codes.pop(0), lasting, spent

    def poll(self) -> int:
        return self._code

    def progress(self) -> dict:
        return {"stage": "running", "spent": self._spent}

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def test_preemptions_are_counted_apart_and_use_up_no_retries(jobs: Jobs):
    (job,) = jobs("rented")
    codes = [TAKEN_AWAY, TAKEN_AWAY, 137, TAKEN_AWAY, 0]
    Pool([job], lambda _, __: Rented(codes), JobLimits(retries=1, backoff=0.1), Recorder()).run()
    assert (job.state, job.preemptions, job.kills, job.starts) == (JobState.FINISHED, 3, 1, 5)


def test_the_wait_after_a_preemption_grows_until_a_machine_lasts(jobs: Jobs):
    (job,) = jobs("rented")
    codes, lasting, waits = [*[TAKEN_AWAY] * 4, 0], [0.0, 0.0, 0.0, 9.0, 0.0], list[float]()

    def start(job: Job, place: int) -> Rented:  # noqa: ARG001
        waits.append(job.wait)
        return Rented(codes, lasting=lasting.pop(0))

    Pool([job], start, JobLimits(backoff=0.1), Recorder()).run()
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.1]


def test_no_job_starts_beyond_the_budget(jobs: Jobs):
    batch = jobs("a", "b", "c", "d")
    for job in batch:
        job.price, job.estimate = 10.0, 720.0  # 2 USD each
    batch[3].estimate = 36.0  # 0.1 USD
    limits = JobLimits(budget=5.0)
    assert Pool(batch, lambda _, __: Rented([0], spent=2.0), limits, Recorder()).run() is None
    assert [job.state for job in batch] == [*[JobState.FINISHED] * 2, JobState.WAITING, JobState.FINISHED]


def test_what_is_at_work_already_comes_first_whatever_the_budget(jobs: Jobs):
    batch = jobs("a", "b", "c")
    batch[2].at_work = True
    view = Recorder()
    Pool(batch, lambda _, __: Rented([0], spent=2.0), JobLimits(budget=0.0), view).run()
    assert [job.state for job in batch] == [*[JobState.WAITING] * 2, JobState.FINISHED]


def test_jobs_that_are_left_alone_outlive_the_pool(jobs: Jobs):
    batch = jobs("wait", "finish")
    started = local(command)
    processes = []

    def start(job: Job, place: int):
        processes.append(started(job, place))
        return processes[-1]

    view = Recorder(lambda: os.kill(os.getpid(), signal.SIGTERM) if (batch[0].folder / "ready").exists() else None)
    asked = []
    ended = Pool(batch, start, JobLimits(), view, lambda number, _: asked.append(number) or True).run()
    assert (ended, asked, view.told) == (signal.SIGTERM, [signal.SIGTERM], [])
    assert [job.state for job in batch] == [JobState.RUNNING, JobState.WAITING]
    assert processes[0].poll() is None
    processes[0].kill()

"""A sweep as lines of text."""

from pathlib import Path

import pytest

from glr.sweep.job import Job, JobState
from glr.sweep.lines import Follower, Lines
from tests.sweep.conftest import job


def test_a_log_is_read_as_it_grows(tmp_path: Path):
    watched = Job(1, [], "", tmp_path)
    watched.log.write_text("of an earlier sweep\n")
    follower = Follower(watched)
    assert follower.lines(ended=False) == []
    with watched.log.open("ab") as log:
        for written, lines in ((b"one\ntw", ["one"]), (b"o\n", ["two"]), (b"1%\r50%\r100%\n\xff\xc3", ["100%"])):
            log.write(written)
            log.flush()
            assert follower.lines(ended=False) == lines
        log.write(b"\xa4")
        log.flush()
    assert follower.lines(ended=True) == ["\ufffd\u00e4"]
    assert follower.lines(ended=True) == []


def test_lines(tmp_path: Path, capsys: pytest.CaptureFixture):
    jobs = [
        job(1, JobState.SKIPPED, score=0.5),
        job(2),
        job(3, JobState.LEFT),
        job(4, JobState.SKIPPED, reason="the same as job 2"),
    ]
    jobs[1].folder = tmp_path
    view = Lines(jobs, 4, follow=True)
    states = [
        (JobState.RUNNING, {"starts": 1}),
        (JobState.RETRYING, {"seconds": 70, "wait": 30.0, "reason": "killed by SIGKILL"}),
        (JobState.RUNNING, {"starts": 2}),
        (JobState.FINISHED, {"score": 0.25, "seconds": 200}),
        (JobState.FAILED, {"reason": "ValueError: no", "seconds": 5}),
        (JobState.STOPPED, {}),
    ]
    for state, values in states:
        jobs[1].state = state
        for name, value in values.items():
            setattr(jobs[1], name, value)
        if state == JobState.FINISHED:
            jobs[1].log.write_text("what \x1b[2Jit says")
        view.changed(jobs[1])
    view.stopping(1)
    assert capsys.readouterr().out.splitlines() == [
        "job 1 of 4 has finished before, score 0.50000: seed=1",
        "job 3 of 4 failed before, and is not run again: seed=3",
        "job 4 of 4 is skipped: it is the same as job 2: seed=4",
        "job 2 of 4: seed=2",
        "job 2 of 4 was killed by SIGKILL after 70 s; it starts again in 30 s",
        "",
        "job 2 of 4, start 2: seed=2",
        r"what \x1b[2Jit says",
        "job 2 of 4 finished after 3 min: score 0.25000",
        "job 2 of 4 failed after 5 s: ValueError: no",
        "job 2 of 4 stopped after 5 s",
        "stopping: the running job saves its state; a second Ctrl-C kills",
    ]


def test_with_several_at_a_time_only_the_logs_are_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    single = Job(1, [], "seed=1", tmp_path)
    view = Lines([single], None, follow=False)
    single.state = JobState.RUNNING
    single.log.write_text("what it says\n")
    view.changed(single)
    view.tick()
    assert capsys.readouterr().out == f"job 1: seed=1 (log: {tmp_path}/log.txt)\n"

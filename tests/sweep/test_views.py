"""What a user reads: lines, the live table, the summary."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from glr.sweep.job import Job, JobState, differing
from glr.sweep.lines import Follower, Lines
from glr.sweep.live import LiveTable
from glr.sweep.summary import left, summary
from glr.sweep.words import duration, seconds_left


def job(number: int, state: JobState = JobState.WAITING, **values) -> Job:
    return Job(number, [], values.pop("shown", f"seed={number}"), Path(f"none/{number - 1}"), state=state, **values)


def test_a_job_is_named_by_what_the_others_do_not_have():
    jobs = [["sweep.name=x", "head=a", "seed=1", "hydra.run.dir=x"], ["sweep.name=x", "head=b", "seed=1"]]
    assert differing(jobs) == ["head=a", "head=b"]
    assert differing(jobs[:1]) == ["head=a seed=1"]
    assert differing([["sweep.jobs=2"]]) == ["(no overrides)"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (5940, "99 min"), (6000, "1 h 40 min"), (200_000, "2 d 07 h")],
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


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


def test_the_summary_is_ranked_and_explains():
    jobs = [
        job(1, JobState.FINISHED, score=0.25),
        job(2, JobState.FAILED, score=0.9, reason="ValueError: no"),  # its last score is no result
        job(3, JobState.SKIPPED, score=0.5),
        job(4, JobState.OVERDUE, reason="exceeded sweep.minutes=3"),
        job(5, JobState.LEFT),
        job(6),
        job(7, JobState.FINISHED),
    ]
    assert summary(jobs).splitlines() == [
        "job    score  state          settings",
        "  3  0.50000  skipped        seed=3",
        "  1  0.25000  finished       seed=1",
        "  7           finished       seed=7",
        "  2           failed         seed=2",
        "  4           time limit     seed=4",
        "  5           failed before  seed=5",
        "  6           waiting        seed=6",
        "",
        "job 2 failed: ValueError: no",
        "job 4 failed: exceeded sweep.minutes=3",
        "job 5 failed: no reason is recorded",
    ]
    assert left(jobs, 9, anew=False) == "6 of 9 jobs ended, 3 are left: the same command continues"
    assert left(jobs, None, anew=False) == "6 jobs ended; the same command continues"
    assert "the same command with sweep.rerun=failed continues" in left(jobs, 9, anew=True)


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
            jobs[1].log.write_text("what it says")
        view.changed(jobs[1])
    view.stopping(1)
    assert capsys.readouterr().out.splitlines() == [
        "job 1 of 4 has finished before, score 0.50000: seed=1",
        "job 3 of 4 failed before, and is left: seed=3",
        "job 4 of 4 is skipped, being the same as job 2: seed=4",
        "job 2 of 4: seed=2",
        "job 2 of 4 was killed by SIGKILL after 70 s; it starts again in 30 s",
        "",
        "job 2 of 4, start 2: seed=2",
        "what it says",
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


def test_the_live_table(tmp_path: Path):
    jobs = [job(number, JobState.FINISHED, score=0.5, epoch=3, epochs=3, seconds=10.0) for number in range(1, 9)]
    jobs.append(job(9, JobState.RUNNING, epoch=1, epochs=3, score=0.125, seconds_left=600.0))
    jobs += [job(10, JobState.FAILED, shown="head=[odd] " * 20), job(11)]
    jobs[8].folder = tmp_path
    console = Console(width=60, height=11, force_terminal=True, record=True)
    with LiveTable(jobs, 1, follow=True, console=console) as view:
        jobs[8].log.write_text("[bold]it says[/bold]\n")
        view.tick()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.export_text())
    assert "[bold]it says[/bold]" in text
    shown = [line.split()[0] for line in text.splitlines() if re.match(r" *\d+  ", line)]
    assert shown[-7:] == [*"12349", "10", "11"]  # seven rows fit: what runs, failed and waits before what is done
    assert re.search(r"9  seed=9 +running +1/3 +0\.12500 +10 min", text)
    assert "10  head=[odd] " in text
    assert "1 running, 1 to come, 8 finished, 1 failed; " in text
    plain = Console(width=60, file=StringIO())
    plain.print(view.table(7))
    lines = plain.file.getvalue().splitlines()
    assert len(lines) == 8  # no row is folded
    assert max(map(len, lines)) <= 60

"""The live table of a sweep."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from glr.sweep.job import JobState
from glr.sweep.live import LiveTable
from tests.sweep.conftest import job


def test_the_live_table(tmp_path: Path):
    jobs = [job(number, JobState.FINISHED, score=0.5, epoch=3, epochs=3, seconds=10.0) for number in range(1, 9)]
    jobs.append(job(9, JobState.RUNNING, epoch=1, epochs=3, score=0.125, seconds_left=600.0))
    jobs += [job(10, JobState.FAILED, shown="head=[odd] " * 20), job(11)]
    jobs[8].folder = tmp_path
    console = Console(width=60, height=11, force_terminal=True, record=True)
    with LiveTable(jobs, 1, follow=True, console=console) as view:
        jobs[8].log.write_text("[bold]it \x1b[2Jsays[/bold]\n")
        view.tick()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.export_text())
    assert r"[bold]it \x1b[2Jsays[/bold]" in text
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


def test_a_question_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("builtins.input", lambda: "stop")
    console = Console(file=StringIO(), width=60)
    with LiveTable([], 1, follow=False, console=console) as view:
        assert view.ask("leave or stop? [leave] ") == "stop"
    assert "leave or stop? [leave] " in console.file.getvalue()

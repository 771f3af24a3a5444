"""A job's process: its log, its progress, its end, and its launcher's end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glr.sweep.process import Fate, Process, described, fate, last_words
from tests.sweep.conftest import WORKER, runs, until

ROOT = Path(__file__).parents[2]


def started(behaviour: str, folder: Path) -> Process:
    line = [sys.executable, "-I", "-S", str(WORKER), behaviour, str(folder)]
    return Process(line, folder / "log.txt", folder / "progress.json", {"PLACE": "7"})


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        (0, Fate.FINISHED, "exit code 0"),
        (1, Fate.FAILED, "exit code 1"),
        (2, Fate.FAILED, "exit code 2"),
        (75, Fate.KILLED, "stopped by SIGTERM"),
        (130, Fate.FAILED, "interrupted"),  # Ctrl-C reached only this job
        (-signal.SIGKILL, Fate.KILLED, "killed by SIGKILL (out of memory?)"),
        (137, Fate.KILLED, "killed by SIGKILL (out of memory?)"),
        (143, Fate.KILLED, "killed by SIGTERM"),
        (-signal.SIGTERM, Fate.KILLED, "killed by SIGTERM"),
        (-signal.SIGSEGV, Fate.FAILED, "killed by SIGSEGV"),  # by its own fault
        (134, Fate.FAILED, "killed by SIGABRT"),
        (255, Fate.FAILED, "exit code 255"),
    ],
)
def test_what_an_exit_code_means(code: int, expected: Fate, words: str):
    assert fate(code) == expected
    assert described(code) == words


def test_a_process_logs_reports_and_ends(tmp_path: Path):
    for _ in range(2):
        process = started("finish", tmp_path)
        until(lambda p=process: p.poll() is not None)
        assert process.poll() == 0
        assert process.progress() == {"epoch": 2, "epochs": 2, "score": 0.5, "scores": {"public/gap": 0.5}}
    assert (tmp_path / "log.txt").read_text() == "finish begins\n" * 2  # a second start is appended
    process = started("show", tmp_path)
    until(lambda: process.poll() is not None)
    assert process.progress() == {}  # what the start before has reported is gone
    assert last_words(tmp_path / "log.txt") == "GPU 7"


def test_the_time_left_shrinks_while_the_job_says_nothing(tmp_path: Path):
    process = started("finish", tmp_path)
    until(lambda: process.poll() is not None)
    file = tmp_path / "progress.json"
    file.write_text(json.dumps({"seconds_left": 100.0}))
    os.utime(file, (time.time() - 60, time.time() - 60))
    assert 30 < process.progress()["seconds_left"] <= 40
    for other in ("[]", "{", '{"seconds_left": null}'):
        file.write_text(other)
        assert not process.progress().get("seconds_left")


def test_last_words(tmp_path: Path):
    log = tmp_path / "log.txt"
    assert last_words(log) is None
    log.write_text("")
    assert last_words(log) is None
    log.write_text("x\n" * 9999 + "Traceback:\n  File\nValueError: no such luck\n\n")
    assert last_words(log) == "ValueError: no such luck"
    log.write_text("error: data.path=x: no such folder\nsomething after it\n")
    assert last_words(log) == "data.path=x: no such folder"


def test_a_job_stands_apart_from_the_terminal_and_takes_its_helpers_with_it(tmp_path: Path):
    process = started("leave", tmp_path)
    assert os.getsid(process.pid) == process.pid
    until(lambda: process.poll() is not None)
    helper = int((tmp_path / "helper").read_text())
    until(lambda: not runs(helper))
    process = started("ignore", tmp_path)
    until((tmp_path / "ready").exists)
    process.terminate()
    until((tmp_path / "told").exists)
    assert process.poll() is None
    process.kill()
    until(lambda: process.poll() is not None)
    assert process.poll() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_job_is_told_when_its_launcher_is_killed(tmp_path: Path):
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom glr.sweep.process import Process\n"
        "folder = Path(sys.argv[2])\n"
        "line = [sys.executable, '-I', '-S', sys.argv[1], 'ignore', str(folder)]\n"
        "process = Process(line, folder / 'log.txt', folder / 'progress.json', {})\n"
        "(folder / 'pid').write_text(str(process.pid))\ntime.sleep(60)\n"
    )
    line = [sys.executable, str(launcher), str(WORKER), str(tmp_path)]
    with subprocess.Popen(line, env=os.environ | {"PYTHONPATH": str(ROOT)}) as parent:
        until(lambda: (tmp_path / "ready").exists() and (tmp_path / "pid").exists())
        parent.kill()
    try:
        until((tmp_path / "told").exists)
    finally:
        os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)


SWALLOWED = """
import os, signal, sys
from glr.sweep.process import _end_with_parent
signal.signal(signal.SIGTERM, lambda *_: None)
ask = _end_with_parent()
if not (launcher := os.fork()):
    if not (job := os.fork()):  # its parent is not the one that it was made for, as if that had died
        ask()
        os.execlp("sleep", "sleep", "30")
    os._exit(os.WTERMSIG(os.waitpid(job, 0)[1]))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(launcher, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_job_that_is_being_started_as_its_launcher_dies_ends_though_the_launcher_handles_the_signal():
    done = subprocess.run([sys.executable, "-c", SWALLOWED], cwd=ROOT, timeout=25, check=False)
    assert done.returncode == signal.SIGTERM

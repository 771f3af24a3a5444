"""Jobs in SLURM: real processes of submitit, started by a small SLURM that keeps no accounts."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import submitit
from hydra.core.utils import JobReturn, JobStatus

from glr.config.identity import Identity
from glr.errors import GlrError
from glr.sweep.job import Job, JobState
from glr.sweep.slurm import Ledger, states, submitting, wait
from tests.sweep.conftest import until

COMMANDS = Path(__file__).with_name("slurm_commands.py")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a SLURM whose commands stand on the path; tasks start when the file `open` exists in it."""
    folder, programs = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {COMMANDS} {name} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_FOLDER", str(folder))
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def batch(*names: str) -> list[Job]:
    jobs = [Job(number, [f"name={name}"], name, Path()) for number, name in enumerate(names, start=1)]
    for job in jobs:
        job.identity = Identity({"name": job.shown}, "data")
    return jobs


def launch(folder: Path, jobs: Sequence[Job]) -> list[JobReturn]:
    """Submit jobs and wait for their results, as Hydra's launcher does."""

    def run(name: str) -> JobReturn:
        if name == "dies":
            os._exit(1)
        time.sleep(60 if name == "lasts" else 0)
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = float(len(name))
        return done

    executor = submitit.AutoExecutor(cluster="slurm", folder=folder / "%j")
    submitted = executor.map_array(run, [job.shown for job in jobs])
    return [job.results()[0] for job in submitted]


@pytest.mark.parametrize("forgets", [False, True])
def test_each_job_has_an_end_of_its_own(
    slurm: Path,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
    forgets: bool,
):
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)
    monkeypatch.setattr("glr.sweep.slurm._PAUSE", 0.1)
    if forgets:
        (slurm / "forget").touch()
    jobs = batch("a", "dies", "lasts", "four")

    def cancel() -> None:
        until(lambda: len(list((tmp_path / "out").glob("*/*_submitted.pkl"))) == len(jobs))  # SLURM begins later
        (slurm / "open").touch()
        until(lambda: states().get("1_2") == "RUNNING")
        subprocess.run(["scancel", "1_2"], check=True)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with submitting(jobs, ledger, detach=False):
        first, died, cancelled, last = launch(tmp_path / "out", jobs)
    canceller.join()
    assert (first.return_value, last.return_value) == (1, 4)
    for lost, name, state in ((died, "1_1", "failed"), (cancelled, "1_2", "cancelled")):
        state = "gone" if forgets else state
        with pytest.raises(
            GlrError, match=rf"^SLURM job {name} ended without a result \({state}\); its output is /.*out$"
        ):
            _ = lost.return_value
    assert "sacct" not in "".join(capfd.readouterr())
    assert submitit.AutoExecutor.__module__ == "submitit.auto.auto"


def test_no_sweep_submits_a_job_twice(slurm: Path, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("glr.sweep.slurm._PAUSE", 0.1)
    jobs = batch("a", "b")
    with submitting(jobs, ledger, detach=True):
        launch(tmp_path / "out", jobs)
    assert [(job.state, job.reason) for job in jobs] == [
        (JobState.SUBMITTED, "SLURM job 1_0"),
        (JobState.SUBMITTED, "SLURM job 1_1"),
    ]
    again = batch("b", "c", "a")
    ledger.mark(again)
    assert [(job.state, job.reason) for job in again] == [
        (JobState.SUBMITTED, "SLURM job 1_1"),
        (JobState.WAITING, None),
        (JobState.SUBMITTED, "SLURM job 1_0"),
    ]
    (slurm / "open").touch()
    wait(again)
    assert {job.state for job in again} == {JobState.WAITING}
    assert states() == {"1_0": "COMPLETED", "1_1": "COMPLETED"}
    later = batch("a")
    ledger.mark(later)  # its task has ended
    assert later[0].state == JobState.WAITING


@pytest.mark.parametrize(("program", "sentence"), [("echo no answer >&2; exit 1", "no answer"), (None, "squeue")])
@pytest.mark.usefixtures("slurm")
def test_a_squeue_that_fails_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str | None, sentence: str
):
    if program is None:
        monkeypatch.setenv("PATH", "")
    else:
        (tmp_path / "bin/squeue").write_text(f"#!/bin/sh\n{program}\n")
    with pytest.raises(GlrError, match=f"^squeue does not answer: .*{sentence}"):
        states()

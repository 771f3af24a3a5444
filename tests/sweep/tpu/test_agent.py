"""The program that runs a job on a machine, with real processes and the loopback bucket."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glr import storage
from glr.sweep.tpu import attempt
from glr.sweep.tpu.agent import Agent
from glr.sweep.tpu.attempt import Status
from tests.conftest import ROOT
from tests.sweep.conftest import until
from tests.sweep.tpu.test_attempt import order

# It stands for `python -m glr.train`: it behaves as its first override says, and tells its arguments and variables.
JOB = """#!/bin/bash
shift 2
echo "$@" GREETING=$GREETING
mkdir -p mlruns/journal
echo kept > mlruns/journal/run.jsonl
case $1 in
  sent) rm -r mlruns/journal; mkdir mlruns/journal;;
  deaf) trap '' TERM; touch ready; while :; do sleep 0.05; done;;
  wait) trap 'echo saved; exit 75' TERM; touch ready; while :; do sleep 0.05; done;;
  killed) kill -KILL $$;;
  told) exit 75;;
  full) exit 74;;
  fail) echo '{"failure": "the loss is nan"}' > $GLR_PROGRESS; exit 1;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "began").write_text(str(int(time.time()) - 100))
    (tmp_path / "job").write_text(JOB)
    (tmp_path / "job").chmod(0o755)
    return tmp_path


def agent(folder: str, machine: Path, **values) -> subprocess.Popen:
    attempt.write_order(folder, order(**values))
    code = (
        "import runpy, sys; from glr.sweep.tpu import attempt; attempt.SAVING = 2; "
        "sys.argv = ['agent', *sys.argv[2:]]; sys.executable = './job'; "
        "runpy.run_module('glr.sweep.tpu.agent', run_name='__main__', alter_sys=True)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, "-", folder], cwd=machine, env=environment)


def log(folder: str) -> str:
    return storage.read(f"{folder}/log.txt").decode()


def test_a_job_that_ends_leaves_its_result(gcs_folder: str, machine: Path):
    folder = f"{gcs_folder}/jobs/ab/1"
    given = {"arguments": ["sent", "seed=1"], "first": ["resume=never"], "environment": {"GREETING": "hi"}}
    assert agent(folder, machine, **given).wait() == 0
    status = attempt.read_status(folder)
    assert (status.stage, status.code) == ("ended", 0)
    assert 100 <= status.seconds < 200
    assert log(folder) == "sent seed=1 resume=never GREETING=hi\n"
    assert not storage.files(f"{gcs_folder}/jobs/ab/journal")
    assert agent(folder, machine, **given).wait() == 0  # after a reboot
    assert log(folder).splitlines()[1] == "sent seed=1 GREETING=hi"


def test_a_disk_with_other_data_than_the_bucket_is_refused(gcs_folder: str, machine: Path):
    folder, copies = f"{gcs_folder}/jobs/ab/1", {"disk/set": f"{gcs_folder}/set"}
    storage.write(f"{gcs_folder}/set/manifest.json", b"new")
    storage.write(machine / "disk/set/manifest.json", b"old")
    assert agent(folder, machine, arguments=["sent"], copies=copies).wait() == 0
    status, said = attempt.read_status(folder), f"hydra.launcher.disk: disk/set is no copy of {gcs_folder}/set; "
    assert (status.stage, status.code, status.progress["failure"].startswith(said)) == ("ended", 1, True)
    storage.write(machine / "disk/set/manifest.json", b"new", overwrite=True)
    assert agent(f"{gcs_folder}/jobs/ab/2", machine, arguments=["sent"], copies=copies).wait() == 0
    assert attempt.read_status(f"{gcs_folder}/jobs/ab/2").code == 0


def test_a_failure_is_the_jobs(gcs_folder: str, machine: Path):
    folder = f"{gcs_folder}/jobs/ab/1"
    assert agent(folder, machine, arguments=["fail"]).wait() == 0
    status = attempt.read_status(folder)
    assert (status.stage, status.code, status.progress) == ("ended", 1, {"failure": "the loss is nan"})


def test_a_preempted_machine_saves_and_the_next_has_the_unsent_records(gcs_folder: str, machine: Path):
    folder = f"{gcs_folder}/jobs/ab/1"
    running = agent(folder, machine, arguments=["wait"])
    until(lambda: (machine / "ready").exists())
    until(lambda: attempt.read_status(folder).stage == "running")
    os.kill(int((machine / "agent.pid").read_text()), signal.SIGTERM)
    assert running.wait() == 75
    assert (attempt.read_status(folder).stage, attempt.read_status(folder).code) == ("interrupted", 75)
    assert log(folder).endswith("saved\n")
    assert storage.files(f"{gcs_folder}/jobs/ab/journal").keys() == {"run.jsonl"}
    other = machine / "other"
    other.mkdir()
    for name in ("began", "job"):
        (machine / name).rename(other / name)
    assert agent(f"{gcs_folder}/jobs/ab/2", other, arguments=["sent"]).wait() == 0
    assert not storage.files(f"{gcs_folder}/jobs/ab/journal")


@pytest.mark.parametrize(("limits", "asked"), [({}, True), ({"minutes": 1.0}, False), ({"hours": 0.01}, False)])
def test_a_job_ends_when_it_is_asked_to_and_at_its_limits(gcs_folder: str, machine: Path, limits: dict, asked: bool):
    folder = f"{gcs_folder}/jobs/ab/1"
    running = agent(folder, machine, arguments=["wait"], **limits)
    if asked:
        until(lambda: (machine / "ready").exists())
        attempt.ask_to_stop(folder)
    assert running.wait() == 0
    assert (attempt.read_status(folder).stage, attempt.read_status(folder).code in (75, 143)) == ("ended", True)


def test_a_job_that_does_not_end_is_killed(gcs_folder: str, machine: Path):
    folder = f"{gcs_folder}/jobs/ab/1"
    running = agent(folder, machine, arguments=["deaf"])
    until(lambda: (machine / "ready").exists())
    attempt.ask_to_stop(folder)
    assert running.wait(60) == 0
    assert (attempt.read_status(folder).stage, attempt.read_status(folder).code) == ("ended", 137)


def test_what_the_bucket_does_not_take_at_once_is_repeated(monkeypatch: pytest.MonkeyPatch):
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise storage.UnreachableError("no route")

    machine = Agent("gs://bucket/job/1", order(period=0.01))
    machine._insist(act)
    assert len(tries) == 3
    tries.clear()
    monkeypatch.setattr("glr.sweep.tpu.agent._INSISTING", 0.0)
    with pytest.raises(storage.UnreachableError):
        machine._insist(act)
    assert len(tries) == 1


def test_a_secret_that_may_not_be_read_is_said(gcs_folder: str, machine: Path, monkeypatch: pytest.MonkeyPatch):
    (machine / "bin").mkdir()
    (machine / "bin/gcloud").write_text("#!/bin/sh\nexit 1\n")
    (machine / "bin/gcloud").chmod(0o755)
    monkeypatch.setenv("PATH", f"{machine}/bin:{os.environ['PATH']}")
    folder = f"{gcs_folder}/jobs/ab/1"
    assert agent(folder, machine, secrets={"MLFLOW_TRACKING_TOKEN": "mlflow"}).wait() == 0
    said = "hydra.launcher.secrets.MLFLOW_TRACKING_TOKEN=mlflow: the VM may not read this secret of project p; "
    status = attempt.read_status(folder)
    assert (status.stage, status.code, status.progress["failure"].startswith(said)) == ("ended", 1, True)
    assert log(folder).startswith(f"error: {said}")
    assert isinstance(status, Status)

"""Jobs on slices of the loopback Cloud TPU; their VMs run the real startup script and agent, the job is a script."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from glr import storage
from glr.sweep.job import Job, JobState
from glr.sweep.pool import JobLimits, Pool
from glr.sweep.tpu import attempt
from glr.sweep.tpu.fleet import Fleet
from glr.sweep.tpu.queued import QueuedResources
from glr.sweep.tpu.slices import Slice
from glr.sweep.tpu.terms import Terms
from glr.sweep.tpu.vm import TpuVm
from tests.conftest import ROOT
from tests.gcs.emulator import Fault as BucketFault
from tests.gcs.fixture import Gcs
from tests.sweep.conftest import Recorder, until
from tests.sweep.tpu.test_agent import JOB
from tests.sweep.tpu.test_attempt import order
from tests.tpu.resources import Trouble
from tests.tpu.service import Fault, TpuService

AGENT = (
    "import runpy, sys; sys.argv = ['agent', sys.argv[-1]]; sys.executable = './job'; "
    "runpy.run_module('glr.sweep.tpu.agent', run_name='__main__', alter_sys=True)"
)
INSTALL = f"""
mkdir -p venv/bin
cat > job <<'EOJ'
{JOB}EOJ
cat > venv/bin/python <<'EOP'
#!/bin/sh
PYTHONPATH={ROOT}:$PYTHONPATH exec {sys.executable} -c "{AGENT}" "$@"
EOP
chmod +x job venv/bin/python
"""


def terms(bucket: str, **values) -> Terms:
    for name in ("glr.whl", "constraints.txt"):
        storage.write(f"{bucket}/code/{name}", b"", overwrite=True)
    storage.write(f"{bucket}/code/user.zip", b"PK\x05\x06" + bytes(18), overwrite=True)
    wanted = Slice("v5litepod-8", "v2-alpha-tpuv5-lite", queue_minutes=1)
    given = {
        "zones": ["us-west4-a", "us-west4-b"],
        "install": INSTALL,
        "hours": 1.0,
        "boot_minutes": 1.0,
        "period": 0.2,
    }
    return Terms(wanted, bucket=bucket, sweep="abc", code=f"{bucket}/code", wheel="glr.whl", **given | values)


@contextmanager
def fleet(bucket: str, jobs: list[Job], **values) -> Iterator[Fleet]:
    made = Fleet(
        QueuedResources("tests"),
        terms(bucket, **values),
        jobs,
        lambda job: f"{job.number:016x}",
        lambda job: order(arguments=[job.shown], shown=job.shown),
    )
    yield made
    made.finish()


@contextmanager
def at_work(bucket: str, job: Job) -> Iterator[TpuVm]:
    """A slice whose job runs."""
    with fleet(bucket, [job]) as made:
        machine = made.start(job, 0)
        until(lambda: machine.progress()["stage"] == "running")
        yield machine


def names(tpu: TpuService) -> list[str]:
    return [name.rpartition("/")[2] for name in tpu.queue.resources]


def test_jobs_run_on_slices_which_are_given_back(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):
    batch, stages = jobs("sent", "fail"), set[str | None]()
    view = Recorder(lambda: stages.update(job.stage for job in batch))
    with fleet(gcs_folder, batch) as made:
        assert Pool(batch, made.start, JobLimits(jobs=2), view).run() is None
    assert [(job.state, job.reason) for job in batch] == [
        (JobState.FINISHED, None),
        (JobState.FAILED, "the loss is nan"),
    ]
    assert batch[0].log.read_text() == "sent GREETING=\n"
    assert {"queued in us-west4-a", "being made"} <= stages
    assert names(tpu) == []
    assert batch[0].spent is not None
    assert 0 < batch[0].spent < 0.1
    (later,) = jobs("sent")
    later.state = JobState.SKIPPED
    with fleet(gcs_folder, [later]):
        assert later.spent == batch[0].spent  # what it has cost counts when the same command is given again
    requests = [request.message for request in tpu.log if request.method == "CreateQueuedResource"]
    assert len(requests) == 2
    for number, request in enumerate(sorted(requests), start=1):
        assert f'"glr-job": "{number:016x}"' in request
        assert '"glr-sweep": "abc"' in request


def test_the_next_zone_is_asked_where_one_has_no_room_or_no_quota(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    tpu.queue.troubles.append(Trouble("stockout", "us-west4-a"))
    batch = jobs("sent")
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(), Recorder()).run()
    assert batch[0].state == JobState.FINISHED
    assert [machine.folder.name for machine in tpu.queue.machines] == ["000-glr-0000000000000001-2"]
    tpu.queue.quota |= {"us-west4-a": 0, "us-west4-b": 0}
    batch = jobs("sent")
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(), Recorder()).run()
    assert batch[0].state == JobState.FAILED
    assert batch[0].reason.startswith("project tests has a quota of 0 for this kind of TPU (")


def test_a_preempted_job_goes_on_elsewhere(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):
    batch, taken = jobs("wait"), list[str]()

    def act() -> None:
        if batch[0].stage == "running" and tpu.running() and len(taken) < 2:
            (name,) = tpu.running()
            if name not in taken and (tpu.queue.machines[-1].folder / "glr/ready").exists():
                taken.append(name)
                tpu.preempt(name, abrupt=len(taken) == 2)
        elif batch[0].preemptions == 2 and batch[0].stage == "running":
            attempt.ask_to_stop(f"{gcs_folder}/jobs/0000000000000001/3")

    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(retries=0, backoff=0.1), Recorder(act)).run()
    assert (batch[0].preemptions, batch[0].kills, batch[0].starts) == (2, 0, 3)
    assert (batch[0].state, batch[0].reason) == (JobState.FAILED, "stopped by python -m glr.fleet action=stop")
    assert batch[0].log.read_text().count("wait GREETING=\n") >= 2
    assert names(tpu) == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [("killed", "killed by SIGKILL (out of memory?), 2 times"), ("told", "stopped by SIGTERM, 2 times")],
)
def test_a_job_that_is_killed_on_its_machine_is_not_preempted_and_fails_after_its_retries(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]], how: str, reason: str
):
    batch = jobs(how)
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(retries=1, backoff=0.1), Recorder()).run()
    assert (batch[0].state, batch[0].reason, batch[0].preemptions) == (JobState.FAILED, reason, 0)
    assert (len(tpu.queue.machines), names(tpu)) == (2, [])


def test_a_full_disk_of_a_machine_fails_its_job_and_pauses_no_other(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    batch = jobs("full")
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(backoff=0.1), Recorder()).run()
    assert (batch[0].state, len(tpu.queue.machines)) == (JobState.FAILED, 1)
    assert batch[0].reason.startswith("the VM's disk is full; leave out data.cache_dir")


def test_a_machine_that_hangs_uses_up_a_retry(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.sweep.tpu.vm._SILENCE", 0.5)
    with at_work(gcs_folder, *jobs("wait")) as machine:
        machine._patience = 1.0
        with tpu.queue.lock:
            tpu.queue.machines[0].cut_power()  # the queued resource stays ACTIVE, and its node READY
        until(lambda: machine.poll() is not None)
    assert machine.poll() == -9
    assert names(tpu) == []


def test_a_machine_that_could_not_be_heard_for_long_has_not_hung(
    tpu: TpuService, gcs: Gcs, gcs_folder: str, jobs: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.sweep.tpu.vm._SILENCE", 0.5)
    with at_work(gcs_folder, *jobs("wait")) as machine:
        machine._patience = 1.5
        for lose in (
            lambda: gcs.fault(BucketFault("GET", "status.json", 403, times=99)),
            lambda: tpu.faults.append(Fault("GetQueuedResource", grpc.StatusCode.UNAVAILABLE, "no route", times=99)),
        ):
            lose()
            time.sleep(2.5)
            gcs.fault()
            tpu.faults.clear()
            time.sleep(0.7)
            assert machine.poll() is None
        machine.terminate()
        until(lambda: machine.poll() is not None)
    assert (machine.poll(), len(tpu.queue.machines)) == (75, 1)


def test_a_disk_that_cannot_be_mounted_fails_the_job(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):  # noqa: ARG001
    batch = jobs("sent")
    with fleet(gcs_folder, batch, mount="echo no such device >&2; false") as made:
        Pool(batch, made.start, JobLimits(), Recorder()).run()
    said = "the data disk could not be mounted on the VM; the log says why (hydra.launcher.disk, mount)"
    assert (batch[0].state, batch[0].reason) == (JobState.FAILED, said)
    assert "no such device\n" in batch[0].log.read_text()


def test_a_vm_that_never_reports_is_replaced_and_in_the_end_the_job_fails(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    tpu.queue.troubles.append(Trouble("no boot", times=3))
    batch = jobs("sent")
    with fleet(gcs_folder, batch, boot_minutes=0.5 / 60) as made:
        Pool(batch, made.start, JobLimits(), Recorder()).run()
    assert batch[0].state == JobState.FAILED
    assert batch[0].reason.startswith("3 slices never reported to gs://tests/")
    assert names(tpu) == []


def test_a_slice_that_deletes_itself_before_its_first_report_has_not_been_taken_away(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    tpu.queue.troubles.append(Trouble("no boot", times=9))

    def give_up() -> None:
        with tpu.queue.lock:
            for name, queued in list(tpu.queue.resources.items()):
                if queued.state.name == "ACTIVE":
                    tpu.queue.delete(name, force=True)

    batch = jobs("sent")
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(), Recorder(give_up)).run()
    assert (batch[0].state, batch[0].preemptions) == (JobState.FAILED, 0)
    assert batch[0].reason.startswith("3 slices never reported to gs://tests/")


def test_zones_that_take_requests_in_vain_are_given_a_rest(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    tpu.queue.troubles.append(Trouble("stockout", times=99))
    (job,) = jobs("sent")
    with fleet(gcs_folder, [job]) as made:
        machine = made.start(job, 0)
        until(lambda: machine.progress()["stage"] == "no zone has room")
        machine.terminate()
        until(lambda: machine.poll() is not None)
    assert [request.method for request in tpu.log].count("CreateQueuedResource") == 2  # one in each zone
    assert names(tpu) == []


def test_a_slice_deletes_itself_when_nobody_watches(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):
    tpu.faults.append(Fault("DeleteQueuedResource", grpc.StatusCode.UNAVAILABLE, "no route"))
    (job,) = jobs("sent")
    with fleet(gcs_folder, [job]) as made:
        made.start(job, 0)
        until(lambda: names(tpu))
        made.leave()
    until(lambda: not names(tpu))
    assert attempt.read_status(f"{gcs_folder}/jobs/{1:016x}/1").code == 0


def test_a_lost_network_ends_nothing(tpu: TpuService, gcs: Gcs, gcs_folder: str, jobs: Callable[..., list[Job]]):
    tpu.faults.append(Fault("ListQueuedResources", grpc.StatusCode.UNAVAILABLE, "no route", times=2))
    tpu.faults.append(Fault("CreateQueuedResource", grpc.StatusCode.UNAVAILABLE, "no route", carried_out=True, times=2))
    tpu.faults.append(Fault("GetQueuedResource", grpc.StatusCode.UNAVAILABLE, "no route", times=3))
    tpu.faults.append(Fault("GetQueuedResource", grpc.StatusCode.UNAUTHENTICATED, "expired", times=2))
    gcs.fault(BucketFault("GET", "000001%2F1%2Fstatus.json", 401, times=2))  # asked when its cost so far is added up
    attempt.write_order(f"{gcs_folder}/jobs/{1:016x}/1", order())
    attempt.note_answer(f"{gcs_folder}/jobs/{1:016x}/1")
    batch = jobs("sent")
    batch[0].price = None  # so that the first to ask is the job's thread
    began = time.monotonic()
    with fleet(gcs_folder, batch) as made:
        Pool(batch, made.start, JobLimits(), Recorder()).run()
    assert batch[0].state == JobState.FINISHED
    assert len(tpu.queue.machines) == 1
    assert time.monotonic() - began < 60

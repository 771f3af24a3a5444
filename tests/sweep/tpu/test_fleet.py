"""The slices of a sweep: taken up from an earlier command, left to a later one, and given back."""

from collections.abc import Callable

import grpc
import pytest

from glr import storage
from glr.sweep.job import Job, JobState
from glr.sweep.tpu import attempt
from tests.sweep.conftest import until
from tests.sweep.tpu.test_vm import fleet, names
from tests.tpu.service import Fault, TpuService


def test_a_slice_is_given_back_although_the_answer_to_its_request_was_lost(
    tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]
):
    lost = Fault("CreateQueuedResource", grpc.StatusCode.UNAVAILABLE, "no route", carried_out=True, times=99)
    tpu.faults.append(lost)
    (job,) = jobs("wait")
    with fleet(gcs_folder, [job]) as made:
        machine = made.start(job, 0)
        until(lambda: names(tpu))
        machine.terminate()
        until(lambda: machine.poll() is not None)
    assert names(tpu) == []


def test_slices_are_left_at_work_and_taken_up_again(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):
    (job,) = jobs("wait")
    with fleet(gcs_folder, [job]) as made:
        made.start(job, 0)
        until(lambda: tpu.queue.machines and (tpu.queue.machines[0].folder / "glr/ready").exists())
        assert made.leave() == 1
    assert names(tpu) == ["glr-0000000000000001-1"]
    (job,) = jobs("wait")
    with fleet(gcs_folder, [job]) as made:
        assert job.at_work
        machine = made.start(job, 0)
        until(lambda: machine.progress()["stage"] == "running")
        machine.terminate()
        until(lambda: machine.poll() is not None)
    assert machine.poll() == 75
    assert len(tpu.queue.machines) == 1
    assert job.log.read_text().endswith("saved\n")
    assert names(tpu) == []


def test_what_nobody_needs_is_given_back(tpu: TpuService, gcs_folder: str, jobs: Callable[..., list[Job]]):
    (job,) = jobs("wait")
    with fleet(gcs_folder, [job]) as made:
        made.start(job, 0)
        until(tpu.running)
        made.leave()
    job.state = JobState.SKIPPED
    with fleet(gcs_folder, [job]):
        pass
    assert names(tpu) == []
    (job,) = jobs("wait")
    with fleet(gcs_folder, [job]) as made:
        machine = made.start(job, 0)
        until(lambda: names(tpu))
        machine.terminate()  # before the job runs
        until(lambda: machine.poll() is not None)
    assert machine.poll() in (-15, 75, 143)
    assert names(tpu) == []


def test_a_bucket_that_does_not_answer_at_first_ends_nothing(
    tpu: TpuService,  # noqa: ARG001
    gcs_folder: str,
    jobs: Callable[..., list[Job]],
    monkeypatch: pytest.MonkeyPatch,
):
    answers = iter([storage.UnreachableError("no route"), 2.5])

    def spent(folder: str) -> float:  # noqa: ARG001
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer  # the real one comes after two minutes
        return answer

    monkeypatch.setattr(attempt, "spent", spent)
    (job,) = jobs("sent")
    with fleet(gcs_folder, [job]):
        assert job.spent == 2.5

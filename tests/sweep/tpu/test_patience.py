"""Services that do not answer for a while, and slices that are deleted."""

import grpc
import pytest

from glr.storage import UnreachableError
from glr.sweep.tpu import patience
from glr.sweep.tpu.patience import Resting, patiently
from glr.sweep.tpu.queued import QueuedResources, Rented
from glr.sweep.tpu.refusal import BusyError, LoginError
from glr.sweep.tpu.slices import JOB_LABEL, Slice
from tests.sweep.conftest import until
from tests.tpu.service import Fault, TpuService

ZONE = "us-west4-a"


def rented(queue: QueuedResources, number: int) -> Rented:
    name = f"glr-ab-{number}"
    queue.create(Slice("v5litepod-8", "v2-alpha-tpuv5-lite"), ZONE, name, {JOB_LABEL: "ab"}, {})
    found = queue.look(ZONE, name)
    assert found is not None
    return found


def test_what_is_not_answered_is_asked_again_and_said_once(capsys: pytest.CaptureFixture[str]):
    answers = iter([BusyError("busy"), UnreachableError("no route"), "yes"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask, Resting(0.01)) == "yes"
    assert capsys.readouterr().out == "waiting: busy\n"
    with pytest.raises(LoginError):
        patiently(lambda: (_ for _ in ()).throw(LoginError("log in")), Resting(0.01))


def test_slices_are_deleted_although_the_service_is_busy_at_first(tpu: TpuService):
    queue = QueuedResources("tests")
    slices = [rented(queue, number) for number in (1, 2)]
    until(lambda: len(tpu.running()) == 2)
    tpu.faults.append(Fault("DeleteQueuedResource", grpc.StatusCode.UNAVAILABLE, "busy", times=2))
    assert patience.delete(queue, slices, 0.1) is None
    assert tpu.queue.resources == {}


def test_slices_that_remain_are_named(tpu: TpuService, monkeypatch: pytest.MonkeyPatch):
    queue = QueuedResources("tests")
    slices = [rented(queue, number) for number in (1, 2)]
    tpu.faults.append(Fault("DeleteQueuedResource", grpc.StatusCode.PERMISSION_DENIED, "no"))
    said = patience.delete(queue, slices, 0.1)
    assert said is not None
    assert said.startswith(
        "these slices still exist (this account may not use Cloud TPU in project tests, zone us-west"
    )
    assert said.endswith("): glr-ab-1 in us-west4-a")
    tpu.faults.append(Fault("GetQueuedResource", grpc.StatusCode.UNAUTHENTICATED, "expired"))
    said = patience.delete(queue, slices[:1], 0.1)
    assert said is not None
    assert "gcloud auth application-default login" in said
    monkeypatch.setattr(patience, "_DELETING", 0.0)
    assert patience.delete(queue, slices[:1], 0.1) == "these slices still exist: glr-ab-1 in us-west4-a"

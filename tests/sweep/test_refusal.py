"""Each error of Google's client is one sentence that says what to do."""

import grpc
import pytest
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from glr.errors import GlrError
from glr.sweep.queued import QueuedResources
from glr.sweep.refusal import BusyError, ShortageError, explained
from glr.sweep.slices import JOB_LABEL, Slice
from tests.tpu.resources import Trouble
from tests.tpu.service import Fault, TpuService

ZONE = "us-west4-a"
WANTED = Slice("v5litepod-8", "v2-alpha-tpuv5-lite")


@pytest.fixture
def queue(tpu: TpuService) -> QueuedResources:  # noqa: ARG001
    return QueuedResources("tests")


def create(queue: QueuedResources, wanted: Slice = WANTED, zone: str = ZONE) -> None:
    queue.create(wanted, zone, "glr-ab-1", {JOB_LABEL: "ab"}, {"startup-script": "true"})


@pytest.mark.parametrize(
    ("code", "message", "reason", "said"),
    [
        (
            "PERMISSION_DENIED",
            "no",
            "SERVICE_DISABLED",
            "the Cloud TPU API is disabled in project tests; run gcloud ser",
        ),
        (
            "PERMISSION_DENIED",
            "no",
            "IAM_PERMISSION_DENIED",
            "this account may not use Cloud TPU in project tests, zone ",
        ),
        ("PERMISSION_DENIED", "iam.serviceAccounts.actAs", "", "hydra.launcher.service_account: this account may not"),
        ("UNAUTHENTICATED", "no", "", "no credentials for Cloud TPU; run gcloud auth application-default login"),
        ("INVALID_ARGUMENT", "odd", "", "Cloud TPU refused the request in us-west4-a (400 odd)"),
    ],
)
def test_a_refusal(tpu: TpuService, queue: QueuedResources, code: str, message: str, reason: str, said: str):
    tpu.faults.append(Fault("CreateQueuedResource", getattr(grpc.StatusCode, code), message, reason))
    with pytest.raises(GlrError) as error:
        create(queue)
    assert str(error.value).startswith(said.replace("(400 odd)", "(odd)"))
    assert "\n" not in str(error.value)
    assert not isinstance(error.value, BusyError | ShortageError)


def test_an_unknown_image_kind_or_zone(queue: QueuedResources):
    with pytest.raises(GlrError, match=r"^hydra.launcher.runtime_version=tpu-old does not exist in us-west4-a; gcloud"):
        create(queue, Slice("v5litepod-8", "tpu-old"))
    with pytest.raises(GlrError, match=r"^hydra.launcher.accelerator=v7-8 does not exist in us-west4-a; gcloud"):
        create(queue, Slice("v7-8", "v2-alpha-tpuv5-lite"))
    with pytest.raises(GlrError, match=r"^this account may not use Cloud TPU in project tests, zone mars-1; correct "):
        create(queue, zone="mars-1")


def test_no_quota_is_told_from_a_quota_that_is_used_up(tpu: TpuService, queue: QueuedResources):
    tpu.queue.quota[ZONE] = 0
    with pytest.raises(
        ShortageError, match=r"^project tests has a quota of 0 for this kind of TPU \(Quota.*iam-adm"
    ) as e:
        create(queue)
    assert e.value.for_good
    tpu.queue.quota[ZONE] = 4
    with pytest.raises(ShortageError, match=r"^Quota limit") as e:
        create(queue)
    assert not e.value.for_good


def test_a_request_whose_answer_was_lost_is_repeated_without_harm(tpu: TpuService, queue: QueuedResources):
    tpu.faults.append(Fault("CreateQueuedResource", grpc.StatusCode.UNAVAILABLE, "gone", carried_out=True))
    with pytest.raises(BusyError, match="does not answer"):
        create(queue)
    create(queue)
    assert len(queue.rented(ZONE)) == 1


def test_a_stockout_is_a_shortage(tpu: TpuService, queue: QueuedResources):
    tpu.queue.troubles.append(Trouble("stockout"))
    create(queue)
    while (found := queue.look(ZONE, "glr-ab-1")) is None or found.trouble is None:
        pass
    assert isinstance(found.trouble, ShortageError)
    assert str(found.trouble).startswith("There is no more capacity in the zone")
    queue.delete(found)
    queue.delete(found)  # again, while it is being deleted or gone


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (RefreshError("invalid_grant: Invalid JWT: Token must be a short-lived token"), GlrError, "clock is wrong"),
        (
            api.ServiceUnavailable("Getting metadata from plugin failed with error: invalid_grant: Invalid JWT"),
            GlrError,
            "clock is wrong",
        ),
        (DefaultCredentialsError("none"), GlrError, "gcloud auth application-default login"),
        (TransportError("no route"), BusyError, "Google cannot be reached"),
        (api.ServiceUnavailable("later"), BusyError, "does not answer"),
    ],
)
def test_credentials_the_clock_and_the_network(raised: Exception, kind: type, said: str):
    with pytest.raises(GlrError, match=said) as error, explained("p", "z"):
        raise raised
    assert type(error.value) is kind

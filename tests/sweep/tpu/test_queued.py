"""Cloud TPU's queued resources by Google's client, against the fake service: each error is one sentence."""

import pytest
from grpc import StatusCode

from glr.errors import GlrError
from glr.sweep.tpu.queued import QueuedResources
from glr.sweep.tpu.refusal import BusyError, LoginError, ShortageError
from glr.sweep.tpu.slices import FOLDER, JOB_LABEL, SWEEP_LABEL, Slice
from tests.sweep.conftest import until
from tests.tpu.client import connect
from tests.tpu.resources import Trouble
from tests.tpu.service import Fault, TpuService
from tests.tpu.test_service import asked

ZONE, NAME = "us-west4-a", "glr-0123456789abcdef-1"
V5E = Slice("v5litepod-8", "v2-alpha-tpuv5-lite")
LABELS, DATA = {JOB_LABEL: "0123456789abcdef", SWEEP_LABEL: "abc"}, {"startup-script": "true", FOLDER: "gs://tests/a"}


@pytest.fixture
def queue(tpu: TpuService) -> QueuedResources:
    del tpu  # TPU_EMULATOR_HOST names it
    return QueuedResources("tests")


def request(queue: QueuedResources, wanted: Slice = V5E, zone: str = ZONE, name: str = NAME) -> None:
    queue.create(wanted, zone, name, LABELS, DATA)


@pytest.mark.parametrize(
    ("code", "message", "reason", "sentence"),
    [
        (
            StatusCode.PERMISSION_DENIED,
            "Cloud TPU API has not been used in project 123 before or it is disabled.",
            "SERVICE_DISABLED",
            "the Cloud TPU API is disabled in project tests; run gcloud services enable tpu.googleapis.com",
        ),
        (
            StatusCode.PERMISSION_DENIED,
            "Permission 'tpu.queuedresources.create' denied on 'projects/tests/locations/us-west4-a'",
            "IAM_PERMISSION_DENIED",
            "this account may not use Cloud TPU in project tests, zone us-west4-a; correct hydra.launcher.project",
        ),
        (
            StatusCode.PERMISSION_DENIED,
            "The user does not have permission iam.serviceAccounts.actAs on tpu@tests.iam.gserviceaccount.com",
            "",
            "hydra.launcher.service_account: this account may not use it; give it the role roles/iam.",
        ),
        (
            StatusCode.UNAVAILABLE,
            "Getting metadata from plugin failed with error: ('invalid_grant: Invalid JWT: Token must be a short-lived "
            "token (60 minutes) and in a reasonable timeframe. Check your iat and exp values', {})",
            "",
            "Google refuses the credentials because this machine's clock is wrong; set the clock, then try again",
        ),
        (StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials.", "", "no credentials for Cloud"),
        (
            StatusCode.INVALID_ARGUMENT,
            "Network 'lan' not found.",
            "",
            "Cloud TPU refused the request in us-west4-a (Net",
        ),
    ],
)
def test_each_refusal_is_one_sentence(
    code: StatusCode, message: str, reason: str, sentence: str, tpu: TpuService, queue: QueuedResources
):
    tpu.faults.append(Fault("CreateQueuedResource", code, message, reason))
    with pytest.raises(GlrError) as refused:
        request(queue)
    assert type(refused.value) is (LoginError if "credentials" in sentence else GlrError)
    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("wanted", "zone", "sentence"),
    [
        (
            Slice("v5litepod-8", "v2-alpha-tpuv9"),
            ZONE,
            "hydra.launcher.runtime_version=v2-alpha-tpuv9 does not exist in",
        ),
        (Slice("v7-8", "v2-alpha-tpuv5-lite"), ZONE, "hydra.launcher.accelerator=v7-8 does not exist in us-west4-a"),
        (V5E, "mars-1a", "this account may not use Cloud TPU in project tests, zone mars-1a"),
    ],
)
def test_settings_that_cloud_tpu_does_not_know(wanted: Slice, zone: str, sentence: str, queue: QueuedResources):
    with pytest.raises(GlrError) as refused:
        request(queue, wanted, zone)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(("chips", "for_good"), [(0, True), (8, False)])
def test_a_quota_of_0_does_not_come_back_by_waiting(
    chips: int, for_good: bool, tpu: TpuService, queue: QueuedResources
):
    tpu.queue.quota[ZONE] = chips
    if chips:
        request(queue, name=f"{NAME}0")
    with pytest.raises(ShortageError) as short:
        request(queue)
    assert short.value.for_good == for_good
    assert str(short.value).startswith("project tests has a quota of 0") == for_good


def test_a_stockout_and_an_expired_request_are_shortages(tpu: TpuService, queue: QueuedResources):
    tpu.queue.troubles.append(Trouble("stockout"))
    request(queue)
    until(lambda: queue.look(ZONE, NAME).state == "FAILED")
    trouble = queue.look(ZONE, NAME).trouble
    assert isinstance(trouble, ShortageError)
    assert str(trouble).startswith('There is no more capacity in the zone "us-west4-a"')
    tpu.queue.capacity[ZONE] = 0
    request(queue, Slice("v5litepod-8", "v2-alpha-tpuv5-lite", queue_minutes=1 / 60), name=f"{NAME}0")
    until(lambda: queue.look(ZONE, f"{NAME}0").state == "FAILED")
    assert isinstance(queue.look(ZONE, f"{NAME}0").trouble, ShortageError)


def test_a_lost_answer_creates_nothing_twice(tpu: TpuService, queue: QueuedResources):
    tpu.faults.append(Fault("CreateQueuedResource", StatusCode.UNAVAILABLE, "connection reset", carried_out=True))
    with pytest.raises(BusyError, match="Cloud TPU does not answer"):
        request(queue)
    request(queue)
    assert list(tpu.queue.resources) == [f"projects/tests/locations/{ZONE}/queuedResources/{NAME}"]


def test_a_slice_is_listed_until_it_is_deleted_and_others_never(tpu: TpuService, queue: QueuedResources):
    with connect(tpu.address) as client:
        client.create_queued_resource(asked(name="somebody-elses"))
    for number in range(3):
        request(queue, name=f"{NAME}{number}")
    until(lambda: {each.state for each in queue.rented(ZONE)} == {"ACTIVE"})
    assert all(queue.has_node(each.zone, each.name) for each in queue.rented(ZONE))
    first, second, third = queue.rented(ZONE)
    assert (first.job, first.sweep, first.folder) == ("0123456789abcdef", "abc", "gs://tests/a")
    assert (first.accelerator, first.node_only, first.age < 60) == ("v5litepod-8", False, True)
    for each in (second, third, third):
        queue.delete(each)
    until(lambda: [each.name for each in queue.rented(ZONE)] == [first.name])
    assert (queue.look(ZONE, second.name), queue.has_node(ZONE, second.name)) == (None, False)
    queue.delete(second)

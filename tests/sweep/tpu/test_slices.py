"""The request for a slice, and the kinds of slices."""

import pytest
from google.cloud.tpu_v2alpha1.types import CreateQueuedResourceRequest

from glr.errors import GlrError
from glr.sweep.tpu.slices import Slice, accelerator_of
from tests.tpu.rules import check

PARENT = "projects/p/locations/us-west4-a"


@pytest.mark.parametrize(
    ("name", "kind", "image"),
    [
        ("v3-8", "v3-8", "tpu-ubuntu2204-base"),
        ("v5e-4", "v5litepod-4", "v2-alpha-tpuv5-lite"),
        ("v5litepod-8", "v5litepod-8", "v2-alpha-tpuv5-lite"),
        ("v5p-8", "v5p-8", "v2-alpha-tpuv5"),
        ("v6e-1", "v6e-1", "v2-alpha-tpuv6e"),
    ],
)
def test_a_kind_has_its_name_at_google_and_its_image(name: str, kind: str, image: str):
    assert accelerator_of(name) == (kind, image)


@pytest.mark.parametrize("name", ["v3-32", "v5e-16", "v6e-256"])
def test_a_pod_is_refused_in_one_sentence(name: str):
    with pytest.raises(GlrError, match=rf"^hydra.launcher.accelerator={name}: a slice of several hosts .* is not supp"):
        accelerator_of(name)


@pytest.mark.parametrize("name", ["a100", "v9-8", "v5e-3", "v3", "v3-"])
def test_an_unknown_kind_is_refused(name: str):
    with pytest.raises(GlrError, match=rf"^hydra.launcher.accelerator={name}: expected one of v2-8, v3-8, "):
        accelerator_of(name)


def test_the_request_has_the_fields_that_google_documents():
    wanted = Slice(
        "v5litepod-8",
        "v2-alpha-tpuv5-lite",
        capacity="reserved",
        reservation="mine",
        network="net",
        external_ips=False,
        service_account="vm@p.iam.gserviceaccount.com",
        queue_minutes=1.5,
        disk="sets",
    )
    labels, data = {"glr-job": "ab12"}, {"startup-script": "true"}
    request = CreateQueuedResourceRequest(wanted.request("p", "us-west4-a", "glr-ab12-1", labels, data))
    check(PARENT, request)
    resource = request.queued_resource
    (spec,) = resource.tpu.node_spec
    assert (request.parent, spec.parent, request.queued_resource_id, spec.node_id) == (
        *[PARENT] * 2,
        *["glr-ab12-1"] * 2,
    )
    assert (dict(spec.node.labels), dict(spec.node.metadata)) == (labels, data)
    assert (spec.node.network_config.network, spec.node.network_config.enable_external_ips) == ("net", False)
    assert spec.node.service_account.email == "vm@p.iam.gserviceaccount.com"
    (disk,) = spec.node.data_disks
    assert (disk.source_disk, disk.mode.name) == ("projects/p/zones/us-west4-a/disks/sets", "READ_ONLY")
    assert resource.guaranteed.reserved
    assert resource.reservation_name == f"{PARENT}/reservations/mine"
    assert resource.queueing_policy.valid_until_duration.total_seconds() == 90


@pytest.mark.parametrize(("capacity", "tier"), [("spot", "spot"), ("on_demand", "guaranteed")])
def test_the_capacity_is_the_tier(capacity: str, tier: str):
    request = Slice("v3-8", "tpu-ubuntu2204-base", capacity).request("p", "us-west4-a", "x", {}, {})
    made = CreateQueuedResourceRequest(request)
    check(PARENT, made)
    assert [name for name in ("spot", "guaranteed", "best_effort") if name in made.queued_resource] == [tier]
    assert not made.queued_resource.guaranteed.reserved
    assert "queueing_policy" not in made.queued_resource

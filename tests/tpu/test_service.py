"""The fake Cloud TPU, driven by Google's client."""

import datetime
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.tpu_v2alpha1 import TpuClient
from google.cloud.tpu_v2alpha1.types import Node, QueuedResource, QueuedResourceState
from grpc import StatusCode

from glr import storage
from tests.gcs.fixture import Gcs
from tests.tpu.client import connect
from tests.tpu.leaks import leaks
from tests.tpu.metadata import TOKEN
from tests.tpu.resources import Trouble
from tests.tpu.service import Fault, TpuService

State = QueuedResourceState.State
PARENT = "projects/tests/locations/us-west4-a"


@pytest.fixture
def client(tpu: TpuService) -> Iterator[TpuClient]:
    with connect(tpu.address) as opened:
        yield opened


def asked(script: str = "true", name: str = "job-1", **node: Any) -> dict[str, Any]:
    """A request for a spot v5e-8 that runs a script."""
    given = {
        "accelerator_type": "v5litepod-8",
        "runtime_version": "v2-alpha-tpuv5-lite",
        "metadata": {"startup-script": script},
        "labels": {"glr-sweep": "abc"},
    } | node
    resource = QueuedResource(tpu={"node_spec": [{"parent": PARENT, "node_id": name, "node": given}]}, spot={})
    return {"parent": PARENT, "queued_resource_id": name, "queued_resource": resource}


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def state(client: TpuClient, name: str = "job-1") -> State:
    return client.get_queued_resource(name=f"{PARENT}/queuedResources/{name}").state.state


def test_a_queued_resource_becomes_a_vm_that_runs_its_script_until_it_is_deleted(
    tpu: TpuService, client: TpuClient, gcs_folder: str, tmp_path: Path
):
    script = f"echo up; echo $HOME > place; gcloud storage cp place {gcs_folder}/place; sleep 1000 & sleep 1000"
    operation = client.create_queued_resource(asked(script))
    seen = {state(client)}
    while State.ACTIVE not in seen:
        seen.add(state(client))
    assert seen >= {State.CREATING, State.ACCEPTED, State.PROVISIONING, State.ACTIVE}
    assert operation.result().name == f"{PARENT}/queuedResources/job-1"
    node = client.get_node(name=f"{PARENT}/nodes/job-1")
    assert (node.state, node.queued_resource) == (Node.State.READY, operation.result().name)
    until(lambda: storage.exists(f"{gcs_folder}/place"))
    assert storage.read(f"{gcs_folder}/place").decode().strip() == str(tmp_path / "machines/000-job-1")
    with pytest.raises(exceptions.FailedPrecondition):
        client.delete_queued_resource(name=operation.result().name)
    client.delete_queued_resource({"name": operation.result().name, "force": True}).result(timeout=20)
    assert tpu.queue.machines[0].processes() == []
    with pytest.raises(exceptions.NotFound):
        state(client)
    assert list(client.list_nodes(parent=PARENT)) == []


def test_a_preempted_vm_is_told_and_has_a_grace_before_it_is_killed(tpu: TpuService, client: TpuClient, tmp_path: Path):
    trap = "trap 'echo told >> ended; exit 1' TERM; echo up > up; while true; do sleep 0.05; done"
    shutdown = (
        'curl -s -H Metadata-Flavor:Google "$GCE_METADATA_HOST/computeMetadata/v1/instance/preempted" > preempted'
    )
    metadata = {"startup-script": trap, "shutdown-script": shutdown}
    client.create_queued_resource(asked(metadata=metadata))
    disk = tmp_path / "machines/000-job-1"
    until((disk / "up").exists)
    tpu.preempt(f"{PARENT}/queuedResources/job-1")
    until(lambda: state(client) == State.SUSPENDED)
    told = client.get_queued_resource(name=f"{PARENT}/queuedResources/job-1").state
    assert told.state_initiator == QueuedResourceState.StateInitiator.SERVICE
    assert ((disk / "ended").read_text(), (disk / "preempted").read_text()) == ("told\n", "TRUE")
    with pytest.raises(exceptions.AlreadyExists):
        client.create_queued_resource(asked())
    client.delete_queued_resource(name=f"{PARENT}/queuedResources/job-1").result(timeout=20)


def test_an_abrupt_preemption_tells_nothing(tpu: TpuService, client: TpuClient, tmp_path: Path):
    client.create_queued_resource(asked("trap 'echo told > ended' TERM; echo up > up; sleep 1000 & wait"))
    disk = tmp_path / "machines/000-job-1"
    until((disk / "up").exists)
    tpu.preempt(f"{PARENT}/queuedResources/job-1", abrupt=True)
    until(lambda: state(client) == State.SUSPENDED)
    assert not (disk / "ended").exists()
    assert tpu.queue.machines[0].processes() == []


def test_quotas_count_what_is_not_deleted(tpu: TpuService, client: TpuClient):
    tpu.queue.quota["us-west4-a"], tpu.queue.capacity["us-west4-a"] = 16, 1
    client.create_queued_resource(asked())
    until(lambda: state(client) == State.ACTIVE)
    client.create_queued_resource(asked(name="job-2"))
    with pytest.raises(exceptions.ResourceExhausted, match="Limit: 16 in zone us-west4-a"):
        client.create_queued_resource(asked(name="job-3"))
    tpu.preempt(f"{PARENT}/queuedResources/job-1")
    until(lambda: state(client, "job-2") == State.ACTIVE)  # it had waited for the slice
    assert state(client) == State.SUSPENDED
    with pytest.raises(exceptions.ResourceExhausted):
        client.create_queued_resource(asked(name="job-3"))
    client.delete_queued_resource(name=f"{PARENT}/queuedResources/job-1").result(timeout=20)
    client.create_queued_resource(asked(name="job-3"))
    names = [one.name.rpartition("/")[2] for one in client.list_queued_resources(parent=PARENT)]
    names += [one.name.rpartition("/")[2] for one in client.list_queued_resources(parent="projects/tests/locations/-")]
    assert names == ["job-2", "job-3"] * 2


def test_a_zone_without_capacity_lets_requests_wait_until_they_expire(tpu: TpuService, client: TpuClient):
    tpu.queue.capacity["us-west4-a"] = 0
    request = asked()
    request["queued_resource"].queueing_policy = {"valid_until_duration": datetime.timedelta(seconds=1)}
    client.create_queued_resource(request)
    until(lambda: state(client) == State.WAITING_FOR_RESOURCES)
    until(lambda: state(client) == State.FAILED)
    error = client.get_queued_resource(name=f"{PARENT}/queuedResources/job-1").state.failed_data.error
    assert (error.code, "valid_until" in error.message) == (4, True)


@pytest.mark.parametrize(
    ("what", "after"), [("stockout", State.FAILED), ("stuck", State.PROVISIONING), ("no boot", State.ACTIVE)]
)
def test_troubles_come_as_often_as_they_are_set(what: str, after: State, tpu: TpuService, client: TpuClient):
    tpu.queue.troubles.append(Trouble(what, "us-west4-a"))
    for name in ("job-1", "job-2"):
        client.create_queued_resource(asked("echo up > up", name))
        until(
            lambda name=name: state(client, name) not in {State.CREATING, State.ACCEPTED, State.WAITING_FOR_RESOURCES}
        )
    until(lambda: state(client, "job-2") == State.ACTIVE)
    until(tpu.queue.machines[-1].folder.joinpath("up").exists)
    assert state(client) == after
    assert not tpu.queue.machines[0].folder.joinpath("up").exists() or what != "no boot"
    message = client.get_queued_resource(name=f"{PARENT}/queuedResources/job-1").state.failed_data.error.message
    assert ('no more capacity in the zone "us-west4-a"' in message) == (what == "stockout")


def test_faults_are_answers_and_a_repeated_request_id_creates_nothing_twice(tpu: TpuService, client: TpuClient):
    tpu.faults.append(Fault("CreateQueuedResource", StatusCode.PERMISSION_DENIED, "no", "SERVICE_DISABLED"))
    with pytest.raises(exceptions.PermissionDenied, match="no") as refused:
        client.create_queued_resource(asked())
    assert (refused.value.reason, refused.value.metadata) == ("SERVICE_DISABLED", {"service": "tpu.googleapis.com"})
    tpu.faults.append(Fault("CreateQueuedResource", StatusCode.UNAVAILABLE, "lost", carried_out=True))
    request = asked() | {"request_id": str(uuid.uuid4())}
    with pytest.raises(exceptions.ServiceUnavailable):
        client.create_queued_resource(request)
    assert client.create_queued_resource(request).result(timeout=20).name.endswith("/job-1")
    assert [one.method for one in tpu.log].count("CreateQueuedResource") == 3
    assert '"glr-sweep": "abc"' in tpu.log[0].message


@pytest.mark.parametrize(
    ("node", "complaint"),
    [
        ({"runtime_version": "v2-alpha-tpuv9"}, "Runtime version"),
        ({"accelerator_type": "v5litepod-3"}, "Accelerator type"),
        ({"labels": {"Glr": "a"}}, "labels: Glr"),
        ({"labels": {"glr": "seed=1"}}, "labels: seed=1"),
        ({"metadata": {"startup-script": "#" * 300_000}}, "larger than 256 KB"),
    ],
)
def test_fields_are_checked_as_google_documents_them(node: dict[str, Any], complaint: str, client: TpuClient):
    with pytest.raises(exceptions.InvalidArgument, match=complaint):
        client.create_queued_resource(asked(**node))


def test_only_its_own_project_and_zones_are_served(client: TpuClient):
    for parent in ("projects/another/locations/us-west4-a", "projects/tests/locations/mars-1"):
        with pytest.raises(exceptions.PermissionDenied, match="or it may not exist"):
            client.list_nodes(parent=parent)


def test_a_vm_reads_its_metadata_and_its_secrets_and_deletes_itself(
    tpu: TpuService, client: TpuClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "the laptop's own")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/tests.mlflow").write_text("s3cret")
    script = f"""
    env -u NO_GCE_CHECK {sys.executable} -c 'if True:
        import google.auth, google.auth.transport.requests
        credentials, project = google.auth.default()
        credentials.refresh(google.auth.transport.requests.Request())
        print("google.auth:", project, credentials.token)'
    about() {{ curl -sf -H Metadata-Flavor:Google "$GCE_METADATA_HOST/computeMetadata/v1/$1"; }}
    zone=$(basename "$(about instance/zone)"); project=$(about project/project-id)
    curl -sf "$GCE_METADATA_HOST/computeMetadata/v1/project/project-id" || echo refused
    env; gcloud secrets versions access latest --secret=mlflow --project=$project
    gcloud compute tpus queued-resources delete $(about instance/name) --zone=$zone --project=$project --force --quiet \
        --async
    """
    name = client.create_queued_resource(asked(script)).result(timeout=20).name
    until(lambda: name not in tpu.queue.resources)
    console = tpu.queue.machines[0].folder.joinpath("console.txt").read_text()
    assert f"google.auth: tests {TOKEN}\n" in console
    assert ("refused\n" in console, "s3cret" in console, "the laptop's own" in console) == (True, True, False)
    assert "s3cret" not in str(tpu.log)


def test_a_reboot_runs_the_script_again_on_the_same_disk(tpu: TpuService, client: TpuClient, tmp_path: Path):
    client.create_queued_resource(asked("echo up >> up; setsid sleep 1000"))
    disk = tmp_path / "machines/000-job-1"
    until((disk / "up").exists)
    tpu.queue.machines[0].reboot()
    until(lambda: (disk / "up").read_text() == "up\n" * 2)
    assert len(tpu.queue.machines[0].processes()) <= 2  # bash and its sleep


def test_random_preemptions_take_running_vms(tpu: TpuService, client: TpuClient):
    names = [client.create_queued_resource(asked("sleep 1000", f"job-{n}")).result(timeout=20).name for n in range(3)]
    until(lambda: sorted(tpu.running()) == names)
    tpu.preempt_at_random(2, 0.1, seed=0).join(timeout=20)
    until(lambda: sum(state(client, name.rpartition("/")[2]) == State.SUSPENDED for name in names) == 2)
    assert len(tpu.running()) == 1


def test_leaks_are_found_on_disks_in_the_bucket_and_in_requests(
    tpu: TpuService, client: TpuClient, gcs: Gcs, gcs_folder: str, tmp_path: Path
):
    client.create_queued_resource(asked(f"echo s3cret > file; gcloud storage cp file {gcs_folder}/file"))
    until(lambda: storage.exists(f"{gcs_folder}/file"))
    found = leaks("s3cret", tmp_path, gcs_folder, gcs, tpu)
    places = [f"{tmp_path}/machines/000-job-1/file", f"{tmp_path}/machines/000-job-1/startup-script"]
    assert sorted(found[:2]) == places
    assert (found[2], "CreateQueuedResource" in found[3], len(found)) == (f"{gcs_folder}/file", True, 4)

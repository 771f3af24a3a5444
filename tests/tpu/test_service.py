"""The fake Cloud TPU, driven by Google's client."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.tpu_v2alpha1 import TpuClient
from google.cloud.tpu_v2alpha1.types import Node, QueuedResource, QueuedResourceState

from glr import storage
from tests.tpu.client import connect
from tests.tpu.service import TpuService

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

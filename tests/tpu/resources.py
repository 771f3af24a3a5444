"""The queued resources of the fake Cloud TPU: their states, and the VMs that come and go with them."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud.tpu_v2alpha1 import types
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from tests.tpu.machine import Machine
from tests.tpu.metadata import Metadata
from tests.tpu.rules import Refused, chips

State = types.QueuedResourceState.State
Initiator = types.QueuedResourceState.StateInitiator
_HOLDS_A_SLICE = {State.PROVISIONING, State.ACTIVE, State.SUSPENDING}
_MAY_BE_DELETED = {State.ACCEPTED, State.WAITING_FOR_RESOURCES, State.FAILED, State.SUSPENDED}


@dataclass(frozen=True)
class Latencies:
    """Seconds: how long a queued resource is in a state at least, a VM may take to shut down, an answer takes."""

    creating: float = 0.05
    accepted: float = 0.05
    provisioning: float = 0.2
    grace: float = 30.0
    answer: float = 0.0


@dataclass
class Trouble:
    """What goes wrong with the next `times` queued resources of a zone that leave its queue.

    Args:
        what: "stockout": PROVISIONING ends in FAILED. "stuck": PROVISIONING does not end. "no boot": ACTIVE, but the VM
            runs nothing.
        zone: the zone; "": any.
        times: the number of queued resources.
    """

    what: str
    zone: str = ""
    times: int = 1


@dataclass
class Queued:
    """A queued resource and its VM.

    Args:
        message: the queued resource as the service tells it.
        due: time.monotonic() of the earliest change of its state.
        expires: time.time() after which it does not leave the queue.
        trouble: what goes wrong with it.
        machine: its VM, while there is one.
        node: its node as the service tells it, while there is one.
    """

    message: types.QueuedResource
    due: float
    expires: float
    trouble: str = ""
    machine: Machine | None = None
    node: types.Node | None = None

    @property
    def name(self) -> str:
        """projects/PROJECT/locations/ZONE/queuedResources/ID."""
        return self.message.name

    @property
    def zone(self) -> str:
        """The zone it was requested in."""
        return self.name.split("/")[3]

    @property
    def state(self) -> State:
        """The current state."""
        return self.message.state.state

    def turn(self, state: State, wait: float = 0.0, **more: Any) -> None:
        """Enter a state, for `wait` seconds at least; `more` are fields of QueuedResourceState."""
        data = f"{state.name.lower()}_data"
        known = {} if state == State.WAITING_FOR_RESOURCES or data in more else {data: {}}
        self.message.state = types.QueuedResourceState(state=state, **known, **more)
        self.due = time.monotonic() + wait


class Queue:
    """All queued resources. A thread moves them through their states; `lock` guards everything.

    Args:
        folder: the disks of the VMs, a folder each, which stay.
        environment: more variables of the VMs' processes.
        latencies: how long things take.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], latencies: Latencies):
        self.lock = threading.RLock()
        self.resources: dict[str, Queued] = {}
        self.capacity: dict[str, int] = {}  # slices of a zone; others have enough
        self.quota: dict[str, int] = {}  # chips of a zone; others have enough
        self.troubles: list[Trouble] = []
        self.machines: list[Machine] = []
        self.latencies = latencies
        self._folder, self._environment = folder, environment
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, name: str, asked: types.QueuedResource) -> Queued:
        """Put a new queued resource into the queue.

        Raises:
            Refused: its name is taken, or the zone's quota is used up, to which all count that are not deleted.
        """
        if name in self.resources:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{name}' already exists.")
        message, zone = types.QueuedResource(asked), name.split("/")[3]
        node, limit = message.tpu.node_spec[0].node, self.quota.get(zone)
        used = sum(chips(one.message.tpu.node_spec[0].node) for one in self.resources.values() if one.zone == zone)
        if limit is not None and used + chips(node) > limit:
            metric = "TPUV5sPreemptibleLitepodPerProjectPerZoneForTPUAPI"
            text = f"Quota limit '{metric}' has been exceeded. Limit: {limit} in zone {zone}."
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, text, "RATE_LIMIT_EXCEEDED")
        message.name = name
        message.create_time = _now()
        self.resources[name] = queued = Queued(message, 0.0, _expiry(message.queueing_policy))
        queued.turn(State.CREATING, self.latencies.creating)
        return queued

    def delete(self, name: str, force: bool) -> None:
        """Begin to delete a queued resource, with its node if `force`.

        Raises:
            Refused: there is none of that name, or its state forbids it.
        """
        queued = self.get(name)
        if queued.state == State.DELETING or not (force or queued.state in _MAY_BE_DELETED):
            text = f"Queued resource '{name}' in the state {queued.state.name} cannot be deleted."
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, text)
        queued.turn(State.DELETING)
        self._switch_off(queued)

    def suspend(self, queued: Queued, initiator: Initiator, grace: float | None = None) -> None:
        """Take a queued resource's node away, after a grace (None: the usual one)."""
        queued.turn(State.SUSPENDING, state_initiator=initiator)
        self._switch_off(queued, grace)
        if queued.node:
            preempted = initiator == Initiator.SERVICE
            queued.node.state = types.Node.State.PREEMPTED if preempted else types.Node.State.DELETING

    def get(self, name: str) -> Queued:
        """Return a queued resource.

        Raises:
            Refused: there is none of that name.
        """
        if name not in self.resources:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{name}' was not found")
        return self.resources[name]

    def close(self) -> None:
        """End all VMs, and the thread."""
        self.closed.set()
        self._thread.join()
        for machine in self.machines:
            machine.cut_power()

    def _run(self) -> None:
        while not self.closed.wait(0.05):
            with self.lock:
                for queued in list(self.resources.values()):
                    if time.monotonic() >= queued.due:
                        self._advance(queued)

    def _advance(self, queued: Queued) -> None:
        """Move a queued resource to its next state, if it is time for that."""
        if queued.state == State.CREATING:
            queued.turn(State.ACCEPTED, self.latencies.accepted)
        elif queued.state == State.ACCEPTED:
            queued.turn(State.WAITING_FOR_RESOURCES)
        elif queued.state == State.WAITING_FOR_RESOURCES:
            self._leave_queue(queued)
        elif queued.state == State.PROVISIONING and queued.trouble != "stuck":
            self._finish_provisioning(queued)
        elif queued.state in {State.SUSPENDING, State.DELETING}:
            if queued.machine and not queued.machine.is_off():
                queued.due = time.monotonic() + 0.2  # looking for processes takes some milliseconds
                return
            queued.machine = queued.node = None
            if queued.state == State.DELETING:
                del self.resources[queued.name]
            else:
                queued.turn(State.SUSPENDED, state_initiator=queued.message.state.state_initiator)

    def _leave_queue(self, queued: Queued) -> None:
        """Begin to provision a queued resource if its zone has a slice left, unless it has waited too long."""
        zone = queued.zone
        taken = sum(one.zone == zone and one.state in _HOLDS_A_SLICE for one in self.resources.values())
        if time.time() > queued.expires:
            text = "The request was not fulfilled within its valid_until constraint."
            queued.turn(State.FAILED, failed_data={"error": {"code": code_pb2.DEADLINE_EXCEEDED, "message": text}})
        elif taken < self.capacity.get(zone, taken + 1):
            trouble = next((one for one in self.troubles if one.times > 0 and one.zone in {"", zone}), None)
            if trouble:
                trouble.times -= 1
                queued.trouble = trouble.what
            spec = queued.message.tpu.node_spec[0]
            queued.node = types.Node(spec.node)
            queued.node.name = f"{spec.parent}/nodes/{spec.node_id}"
            queued.node.queued_resource, queued.node.create_time = queued.name, _now()
            queued.node.state = types.Node.State.CREATING
            queued.turn(State.PROVISIONING, self.latencies.provisioning)

    def _finish_provisioning(self, queued: Queued) -> None:
        assert queued.node
        if queued.trouble == "stockout":
            text = (
                f'There is no more capacity in the zone "{queued.zone}"; you can try in another zone where Cloud TPU '
                "Nodes are offered (see https://cloud.google.com/tpu/docs/regions)"
            )
            queued.node = None
            queued.turn(State.FAILED, failed_data={"error": {"code": code_pb2.RESOURCE_EXHAUSTED, "message": text}})
            return
        queued.node.state, queued.node.health = types.Node.State.READY, types.Node.Health.HEALTHY
        _, project, _, zone, _, name = queued.node.name.split("/")
        attributes = dict(queued.node.metadata) | {"accelerator-type": queued.node.accelerator_type}
        account = queued.node.service_account.email or "123456789012-compute@developer.gserviceaccount.com"
        metadata = Metadata(project, zone, name, attributes, account)
        folder = self._folder / f"{len(self.machines):03d}-{name}"
        queued.machine = Machine(folder, metadata, self._environment)
        self.machines.append(queued.machine)
        if queued.trouble != "no boot":
            queued.machine.boot()
        queued.turn(State.ACTIVE)
        queued.due = float("inf")

    def _switch_off(self, queued: Queued, grace: float | None = None) -> None:
        if queued.machine:
            queued.machine.shut_down(self.latencies.grace if grace is None else grace)


def _expiry(policy: types.QueuedResource.QueueingPolicy) -> float:
    if "valid_until_duration" in policy:
        return time.time() + policy.valid_until_duration.total_seconds()
    return policy.valid_until_time.timestamp() if "valid_until_time" in policy else float("inf")


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.GetCurrentTime()
    return stamp

"""Cloud TPU on loopback: the gRPC service google.cloud.tpu.v2alpha1.Tpu, with VMs that are local processes.

It serves the official client on an insecure channel to `address`, keeps what Google documents of fields and states
(`tests/tpu/rules.py`), and logs every request. What goes wrong is set by `queue.quota`, `queue.capacity`,
`queue.troubles` and `faults`, and by `preempt`.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.cloud.tpu_v2alpha1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from grpc_status import rpc_status

from tests.tpu.resources import Initiator, Latencies, Queue, Queued, State
from tests.tpu.rules import ACCELERATORS, RUNTIMES, Refused, check

PAGE = 2  # items of a page at most, so that lists have several


@dataclass
class Fault:
    """An error as the answer to the next `times` requests of a method.

    Args:
        method: as CreateQueuedResource.
        code, message, reason: the error; see `Refused`.
        carried_out: carry the request out before the error, as if the right answer were lost.
        times: the number of requests.
    """

    method: str
    code: grpc.StatusCode
    message: str
    reason: str = ""
    carried_out: bool = False
    times: int = 1


@dataclass(frozen=True)
class Request:
    """A request as it is logged: its method, its message as JSON, and its headers."""

    method: str
    message: str
    headers: tuple[tuple[str, str | bytes], ...]


class TpuService:
    """The service, until `close`.

    Args:
        folder: the disks of the VMs, a folder each, which stay.
        project: the only project that the caller may use.
        zones: where TPUs are offered.
        environment: more variables of the VMs' processes, as the address of the storage emulator.
        latencies: how long things take.
    """

    def __init__(
        self,
        folder: Path,
        project: str = "tests",
        zones: Sequence[str] = ("us-west4-a", "us-west4-b", "europe-west4-b"),
        environment: Mapping[str, str] | None = None,
        latencies: Latencies | None = None,
    ):
        self.project, self.zones = project, zones
        self.faults: list[Fault] = []
        self.log: list[Request] = []
        self.preempted: list[str] = []  # a name for each preemption
        self._operations: dict[str, str] = {}  # an operation's name -> its target's
        self._requested: dict[str, operations_pb2.Operation] = {}  # by request_id
        self._server = grpc.server(ThreadPoolExecutor(16))
        methods = {
            "CreateQueuedResource": self._create,
            "GetQueuedResource": lambda asked: self.queue.get(asked.name).message,
            "ListQueuedResources": self._list_resources,
            "DeleteQueuedResource": self._delete,
            "GetNode": lambda asked: self._node(asked.name).node,
            "ListNodes": self._list_nodes,
            "DeleteNode": self._delete_node,
            "ListAcceleratorTypes": self._list_accelerators,
            "ListRuntimeVersions": self._list_runtimes,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._serve, name, method),
                request_deserializer=getattr(types, f"{name}Request").deserialize,
                response_serializer=_serialized,
            )
            for name, method in methods.items()
        }
        operations = grpc.unary_unary_rpc_method_handler(
            partial(self._serve, "GetOperation", lambda asked: self._operation(asked.name)),
            request_deserializer=operations_pb2.GetOperationRequest.FromString,
            response_serializer=_serialized,
        )
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("google.cloud.tpu.v2alpha1.Tpu", handlers),
                grpc.method_handlers_generic_handler("google.longrunning.Operations", {"GetOperation": operations}),
            )
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self.queue = Queue(folder, {**(environment or {}), "TPU_EMULATOR_HOST": self.address}, latencies or Latencies())
        self._server.start()

    def close(self) -> None:
        """End the service and all VMs."""
        self._server.stop(None).wait()
        self.queue.close()

    def running(self) -> list[str]:
        """The names of the queued resources whose VM runs its script."""
        with self.queue.lock:
            active = [one for one in self.queue.resources.values() if one.state == State.ACTIVE]
            return [one.name for one in active if one.trouble != "no boot"]

    def preempt(self, name: str, abrupt: bool = False) -> None:
        """Take a spot VM away: after its grace, or, if `abrupt`, at once."""
        with self.queue.lock:
            queued = self.queue.get(name)
            assert queued.state == State.ACTIVE, queued.state
            assert "guaranteed" not in queued.message, "only spot VMs are preempted"
            if queued.machine:
                queued.machine.metadata.preempt()
                if abrupt:
                    queued.machine.cut_power()
            self.queue.suspend(queued, Initiator.SERVICE)
            self.preempted.append(name)

    def preempt_at_random(self, count: int, seconds: float, seed: int, abrupt: float = 0.3) -> threading.Thread:
        """Preempt `count` times one of the VMs that run, `seconds` apart on average; returns the thread that does it.

        A share `abrupt` of them loses its power at once.
        """
        thread = threading.Thread(target=self._preempt_at_random, args=(count, seconds, seed, abrupt), daemon=True)
        thread.start()
        return thread

    def _preempt_at_random(self, count: int, seconds: float, seed: int, abrupt: float) -> None:
        generator = random.Random(seed)
        while count and not self.queue.closed.wait(generator.expovariate(1 / seconds)):
            with self.queue.lock:
                if running := self.running():
                    self.preempt(generator.choice(running), generator.random() < abrupt)
                    count -= 1

    def _serve(self, name: str, method: Callable[[Any], Any], asked: Any, context: grpc.ServicerContext) -> Any:
        message = type(asked).to_json(asked) if hasattr(type(asked), "to_json") else str(asked)
        headers = tuple((key, value) for key, value in context.invocation_metadata())
        time.sleep(self.queue.latencies.answer)
        with self.queue.lock:
            self.log.append(Request(name, message, headers))
            fault = next((one for one in self.faults if one.method == name and one.times > 0), None)
            try:
                if fault:
                    fault.times -= 1
                    if fault.carried_out:
                        method(asked)
                    raise Refused(fault.code, fault.message, fault.reason)
                self._check_place(getattr(asked, "parent", "") or asked.name)
                return method(asked)
            except Refused as refused:
                context.abort_with_status(rpc_status.to_status(refused.status))

    def _check_place(self, name: str) -> None:
        """Refuse a name outside the project and its zones."""
        match name.split("/"):
            case ["projects", project, "locations", zone, *_]:
                if project != self.project or zone not in {*self.zones, "-"}:
                    text = f"Permission denied on 'projects/{project}/locations/{zone}' (or it may not exist)"
                    raise Refused(grpc.StatusCode.PERMISSION_DENIED, text)
            case _:
                raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Malformed name: '{name}'")

    def _create(self, asked: types.CreateQueuedResourceRequest) -> operations_pb2.Operation:
        if asked.request_id in self._requested:
            return self._requested[asked.request_id]
        check(asked.parent, asked)
        queued = self.queue.add(f"{asked.parent}/queuedResources/{asked.queued_resource_id}", asked.queued_resource)
        operation = self._begin("create", queued.name)
        if asked.request_id:
            self._requested[asked.request_id] = operation
        return operation

    def _delete(self, asked: types.DeleteQueuedResourceRequest) -> operations_pb2.Operation:
        self.queue.delete(asked.name, asked.force)
        return self._begin("delete", asked.name)

    def _delete_node(self, asked: types.DeleteNodeRequest) -> operations_pb2.Operation:
        self.queue.suspend(self._node(asked.name), Initiator.USER)
        return self._begin("delete", asked.name)

    def _node(self, name: str) -> Queued:
        for queued in self.queue.resources.values():
            if queued.node and queued.node.name == name:
                return queued
        raise Refused(grpc.StatusCode.NOT_FOUND, f"Resource '{name}' was not found")

    def _begin(self, verb: str, target: str) -> operations_pb2.Operation:
        name = f"{'/'.join(target.split('/')[:4])}/operations/{verb}-{len(self._operations)}"
        self._operations[name] = target
        return self._operation(name)

    def _operation(self, name: str) -> operations_pb2.Operation:
        if name not in self._operations:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Operation '{name}' was not found")
        target, verb = self._operations[name], name.rpartition("/")[2].partition("-")[0]
        operation = operations_pb2.Operation(name=name)
        operation.metadata.Pack(types.OperationMetadata.pb(types.OperationMetadata(target=target, verb=verb)))
        queued = self.queue.resources.get(target)
        nodes = {one.node.name for one in self.queue.resources.values() if one.node}
        if verb == "create" and queued and queued.state != State.CREATING:
            operation.response.Pack(types.QueuedResource.pb(queued.message))
        elif verb == "delete" and not queued and target not in nodes:
            gone = types.QueuedResource.pb(types.QueuedResource(name=target))
            operation.response.Pack(empty_pb2.Empty() if "/nodes/" in target else gone)
        operation.done = operation.HasField("response")
        return operation

    def _list_resources(self, asked: types.ListQueuedResourcesRequest) -> types.ListQueuedResourcesResponse:
        page, token = _page([one.message for one in self._in(asked.parent)], asked)
        return types.ListQueuedResourcesResponse(queued_resources=page, next_page_token=token)

    def _list_nodes(self, asked: types.ListNodesRequest) -> types.ListNodesResponse:
        page, token = _page([one.node for one in self._in(asked.parent) if one.node], asked)
        return types.ListNodesResponse(nodes=page, next_page_token=token)

    def _list_accelerators(self, asked: types.ListAcceleratorTypesRequest) -> types.ListAcceleratorTypesResponse:
        items = [{"name": f"{asked.parent}/acceleratorTypes/{name}", "type_": name} for name in ACCELERATORS]
        page, token = _page(items, asked)
        return types.ListAcceleratorTypesResponse(accelerator_types=page, next_page_token=token)

    def _list_runtimes(self, asked: types.ListRuntimeVersionsRequest) -> types.ListRuntimeVersionsResponse:
        items = [{"name": f"{asked.parent}/runtimeVersions/{name}", "version": name} for name in RUNTIMES]
        page, token = _page(items, asked)
        return types.ListRuntimeVersionsResponse(runtime_versions=page, next_page_token=token)

    def _in(self, parent: str) -> list[Queued]:
        """The queued resources of a zone, or of all zones: locations/-."""
        every = parent.endswith("/locations/-")
        return [one for one in self.queue.resources.values() if every or one.name.startswith(f"{parent}/")]


def _page(items: list[Any], asked: Any) -> tuple[list[Any], str]:
    """A page of a list, and the token of the next one."""
    begin, size = int(asked.page_token or 0), min(asked.page_size or PAGE, PAGE)
    return items[begin : begin + size], str(begin + size) if begin + size < len(items) else ""


def _serialized(message: Any) -> bytes:
    pure = type(message).pb(message) if hasattr(type(message), "pb") else message
    return pure.SerializeToString()

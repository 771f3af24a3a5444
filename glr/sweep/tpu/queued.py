"""Cloud TPU's queued resources, by Google's client: create, look at, list and delete; each error is one sentence.

Only this module talks to Cloud TPU. With TPU_EMULATOR_HOST=HOST:PORT it talks to an emulator there, without
credentials.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glr.config.installation import library
from glr.errors import GlrError
from glr.sweep.tpu.refusal import explained, failed, without_accelerator, without_image
from glr.sweep.tpu.slices import FOLDER, JOB_LABEL, SWEEP_LABEL, Slice

_EMULATOR = "TPU_EMULATOR_HOST"
_PATIENCE = 30.0  # seconds that one request may take
WAITING = ("CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES")
TAKEN = ("SUSPENDING", "SUSPENDED", "DELETING")
_GONE = ("PREEMPTED", "TERMINATED", "STOPPED", "DELETING")  # states of a node that does not come back


@dataclass(frozen=True)
class Rented:
    """A queued resource of a glr job.

    Attributes:
        zone, name: where it is, and its id.
        state: Cloud TPU's word for its state.
        labels: those of its node.
        folder: its job's folder in the bucket.
        accelerator: its kind, such as v3-8.
        age: seconds since its creation, by Google's clock and this machine's.
        node_only: a node that no queued resource holds any more.
        trouble: why it failed; None: it has not failed.
    """

    zone: str
    name: str
    state: str
    labels: Mapping[str, str]
    folder: str
    accelerator: str
    age: float
    node_only: bool = False
    trouble: GlrError | None = None

    @property
    def job(self) -> str:
        """The key of its job."""
        return self.labels[JOB_LABEL]

    @property
    def sweep(self) -> str:
        """The key of its sweep."""
        return self.labels.get(SWEEP_LABEL, "")


class QueuedResources:
    """The queued resources of a project; methods may be called from several threads.

    Args:
        project: the project's id; None: that of the credentials.

    Raises:
        GlrError: the client is not installed, there are no credentials, or no project is known.
    """

    def __init__(self, project: str | None):
        tpu = library("google.cloud.tpu_v2alpha1", "gcp", "hydra/launcher=tpu_vm needs Google's client of Cloud TPU")
        address = os.environ.get(_EMULATOR)
        with explained(project, "-"):
            if address:
                import grpc
                from google.cloud.tpu_v2alpha1.services.tpu.transports import TpuGrpcTransport

                self._client: Any = tpu.TpuClient(transport=TpuGrpcTransport(channel=grpc.insecure_channel(address)))
            else:
                import google.auth

                credentials, own = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
                project = project or own
                self._client = tpu.TpuClient(credentials=credentials)
        if project is None:
            raise GlrError("hydra.launcher.project: the credentials name no project; give its id")
        self.project = project

    def check(self, wanted: Slice, zone: str) -> None:
        """Request nothing, but refuse a kind of slice or a system image that a zone does not have.

        Raises:
            GlrError: see `create`.
        """
        parent = f"projects/{self.project}/locations/{zone}"
        with explained(self.project, zone):
            kinds = {each.type_ for each in self._client.list_accelerator_types(parent=parent, timeout=_PATIENCE)}
            images = {each.version for each in self._client.list_runtime_versions(parent=parent, timeout=_PATIENCE)}
        if wanted.accelerator not in kinds:
            raise GlrError(without_accelerator(wanted, zone))
        if wanted.image not in images:
            raise GlrError(without_image(wanted, zone))

    def create(self, wanted: Slice, zone: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> None:
        """Request a slice; it is created later, so watch its state. A second call with the same name does nothing.

        Args:
            wanted: the kind of slice.
            zone: where.
            name: the new id.
            labels: the node's labels.
            data: the VM's metadata, which whoever may see the project can read.

        Raises:
            ShortageError: no quota in this zone.
            BusyError: the service does not answer now.
            GlrError: it refuses the request.
        """
        from google.api_core.exceptions import AlreadyExists

        with explained(self.project, zone, wanted):
            try:
                request = wanted.request(self.project, zone, name, labels, data)
                self._client.create_queued_resource(request, timeout=_PATIENCE)
            except AlreadyExists:
                return  # a request whose answer was lost

    def look(self, zone: str, name: str) -> Rented | None:
        """Return a queued resource; None: it is gone.

        Raises:
            GlrError: see `create`.
        """
        from google.api_core.exceptions import NotFound

        with explained(self.project, zone):
            try:
                found = self._client.get_queued_resource(name=self._name(zone, name), timeout=_PATIENCE)
            except NotFound:
                return None
        return _rented(found, self.project)

    def state(self, rented: Rented) -> str | None:
        """Return the state of a queued resource, or of a node that none holds; None: it is gone.

        Raises:
            GlrError: see `create`.
        """
        if rented.node_only:
            return self._node_state(rented.zone, rented.name)
        found = self.look(rented.zone, rented.name)
        return found and found.state

    def has_node(self, zone: str, name: str) -> bool:
        """Return True if the slice's VM exists and may still run: a queued resource may be ACTIVE without one.

        Raises:
            GlrError: see `create`.
        """
        return self._node_state(zone, name) not in (None, *_GONE)

    def rented(self, zone: str) -> list[Rented]:
        """The queued resources of glr in a zone, and the nodes of glr that no queued resource holds.

        Raises:
            GlrError: see `create`.
        """
        parent = f"projects/{self.project}/locations/{zone}"
        with explained(self.project, zone):
            # Nodes first: that of a request which is made meanwhile must not look as if no request held it.
            nodes = list(self._client.list_nodes(parent=parent, timeout=_PATIENCE))
            resources = list(self._client.list_queued_resources(parent=parent, timeout=_PATIENCE))
        found = [_rented(resource, self.project) for resource in resources if len(resource.tpu.node_spec) == 1]
        held = {each.name for each in found}
        found += [_orphan(node, zone) for node in nodes if node.name.rpartition("/")[2] not in held]
        return [each for each in found if JOB_LABEL in each.labels]

    def delete(self, rented: Rented) -> None:
        """Begin to delete a slice, its VM first; a slice that is gone or being deleted stays as it is.

        Raises:
            GlrError: see `create`.
        """
        from google.api_core.exceptions import FailedPrecondition, NotFound

        with explained(self.project, rented.zone):
            try:
                if rented.node_only:
                    path = f"projects/{self.project}/locations/{rented.zone}/nodes/{rented.name}"
                    self._client.delete_node(name=path, timeout=_PATIENCE)
                else:
                    path = self._name(rented.zone, rented.name)
                    self._client.delete_queued_resource({"name": path, "force": True}, timeout=_PATIENCE)
            except (NotFound, FailedPrecondition):
                return

    def _node_state(self, zone: str, name: str) -> str | None:
        from google.api_core.exceptions import NotFound

        path = f"projects/{self.project}/locations/{zone}/nodes/{name}"
        with explained(self.project, zone):
            try:
                return self._client.get_node(name=path, timeout=_PATIENCE).state.name
            except NotFound:
                return None

    def _name(self, zone: str, name: str) -> str:
        return f"projects/{self.project}/locations/{zone}/queuedResources/{name}"


def _rented(found: Any, project: str) -> Rented:
    spec, state = found.tpu.node_spec[0], found.state
    trouble = None
    if state.state.name == "FAILED":
        trouble = failed(state.failed_data.error.code, state.failed_data.error.message, project)
    return Rented(
        zone=found.name.split("/")[3],
        name=found.name.rpartition("/")[2],
        state=state.state.name,
        labels=dict(spec.node.labels),
        folder=spec.node.metadata.get(FOLDER, ""),
        accelerator=spec.node.accelerator_type,
        age=_age(found.create_time),
        trouble=trouble,
    )


def _orphan(node: Any, zone: str) -> Rented:
    return Rented(
        zone=zone,
        name=node.name.rpartition("/")[2],
        state=node.state.name,
        labels=dict(node.labels),
        folder=node.metadata.get(FOLDER, ""),
        accelerator=node.accelerator_type,
        age=_age(node.create_time),
        node_only=True,
    )


def _age(created: Any) -> float:
    return max(0.0, time.time() - created.timestamp()) if created else 0.0

"""The TPU slice that a job rents: its kind, and the request for it as Cloud TPU's queued resources take it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glr.errors import GlrError

SWEEP_LABEL, JOB_LABEL = "glr-sweep", "glr-job"
FOLDER = "glr-folder"  # the key of the VM's metadata that names its folder in the bucket

# The system image of each generation (cloud.google.com/tpu/docs/runtimes).
_IMAGES = {
    **dict.fromkeys(("v2", "v3", "v4"), "tpu-ubuntu2204-base"),
    **{"v5litepod": "v2-alpha-tpuv5-lite", "v5p": "v2-alpha-tpuv5", "v6e": "v2-alpha-tpuv6e"},
}
_ONE_HOST = 8  # the largest slice of one host in its name's unit: cores for v2 to v4 and v5p, chips for the others
_SLICES = ("v2-8", "v3-8", "v4-8", "v5e-1", "v5e-4", "v5e-8", "v5p-8", "v6e-1", "v6e-4", "v6e-8")


@dataclass(frozen=True)
class Slice:
    """The settings of a slice; see conf of hydra/launcher=tpu_vm.

    Attributes:
        accelerator: Cloud TPU's name of the slice's kind, such as v3-8.
        image: its system image (`runtime_version`).
        capacity: spot, on_demand or reserved.
        reservation: the name of the reservation; None: any of the project's.
        network, subnetwork: None: the project's default network.
        external_ips: the VM has an address in the internet, which it needs to install packages from there.
        service_account: the VM's identity; None: the project's default compute service account.
        queue_minutes: how long a request waits in a zone's queue before the next zone is asked; None: for ever.
        disk: the name of a disk of the zone, attached read-only, as several slices may share it; None: none.
    """

    accelerator: str
    image: str
    capacity: str = "spot"
    reservation: str | None = None
    network: str | None = None
    subnetwork: str | None = None
    external_ips: bool = True
    service_account: str | None = None
    queue_minutes: float | None = None
    disk: str | None = None

    def request(
        self, project: str, zone: str, name: str, labels: Mapping[str, str], metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        """The request that creates a queued resource and, of the same name, its node.

        Fields: https://cloud.google.com/tpu/docs/reference/rest/v2alpha1/projects.locations.queuedResources
        """
        parent = f"projects/{project}/locations/{zone}"
        network = {"network": self.network, "subnetwork": self.subnetwork, "enable_external_ips": self.external_ips}
        node: dict[str, Any] = {
            "accelerator_type": self.accelerator,
            "runtime_version": self.image,
            "network_config": {key: value for key, value in network.items() if value is not None},
            "labels": dict(labels),
            "metadata": dict(metadata),
        }
        if self.service_account is not None:
            scope = "https://www.googleapis.com/auth/cloud-platform"
            node["service_account"] = {"email": self.service_account, "scope": [scope]}
        if self.disk is not None:
            path = f"projects/{project}/zones/{zone}/disks/{self.disk}"
            node["data_disks"] = [{"source_disk": path, "mode": "READ_ONLY"}]
        resource: dict[str, Any] = {"tpu": {"node_spec": [{"parent": parent, "node_id": name, "node": node}]}}
        if self.capacity == "spot":
            resource["spot"] = {}
        else:
            resource["guaranteed"] = {"reserved": self.capacity == "reserved"}
        if self.reservation is not None:
            resource["reservation_name"] = f"{parent}/reservations/{self.reservation}"
        if self.queue_minutes is not None:
            resource["queueing_policy"] = {"valid_until_duration": {"seconds": round(self.queue_minutes * 60)}}
        return {"parent": parent, "queued_resource_id": name, "queued_resource": resource}


def accelerator_of(name: str) -> tuple[str, str]:
    """Return Cloud TPU's name of a slice's kind, and the generation's system image; v5e-8 is v5litepod-8 there.

    Raises:
        GlrError: the name is unknown, or the slice has several hosts.
    """
    spelled = re.fullmatch(r"(v\w+)-(\d+)", name)
    generation = spelled[1].replace("v5e", "v5litepod") if spelled else ""
    if spelled and generation in _IMAGES and int(spelled[2]) > _ONE_HOST:
        raise GlrError(
            f"hydra.launcher.accelerator={name}: a slice of several hosts (a pod) is not supported; give "
            f"{spelled[1]}-{_ONE_HOST}, the largest of one host, and several jobs at a time (sweep.jobs)"
        )
    if spelled is None or name.replace("v5litepod", "v5e") not in _SLICES:
        raise GlrError(f"hydra.launcher.accelerator={name}: expected one of {', '.join(_SLICES)}")
    return f"{generation}-{spelled[2]}", _IMAGES[generation]

"""What Cloud TPU documents of the fields of a queued resource, and the errors for what breaks it.

https://cloud.google.com/tpu/docs/reference/rest/v2alpha1/projects.locations.queuedResources; labels and metadata:
https://cloud.google.com/compute/docs/labeling-resources and .../metadata/setting-custom-metadata.
"""

import re
import time
from typing import Any

import grpc
from google.cloud.tpu_v2alpha1 import types
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

RUNTIMES = ("tpu-ubuntu2204-base", "v2-alpha-tpuv4", "v2-alpha-tpuv5-lite", "v2-alpha-tpuv5", "v2-alpha-tpuv6e")
ACCELERATORS = ("v2-8", "v3-8", "v3-32", "v4-8", "v5litepod-1", "v5litepod-4", "v5litepod-8", "v5litepod-16", "v6e-8")


class Refused(Exception):  # noqa: N818 - a status, not an error of the program
    """An answer other than OK.

    Args:
        code: the status.
        message: the text for people.
        reason: ErrorInfo's reason, as SERVICE_DISABLED.
    """

    def __init__(self, code: grpc.StatusCode, message: str, reason: str = ""):
        super().__init__(message)
        self.status = status_pb2.Status(code=code.value[0], message=message)
        if reason:
            info = error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com")
            info.metadata["service"] = "tpu.googleapis.com"
            detail = any_pb2.Any()
            detail.Pack(info)
            self.status.details.append(detail)


def invalid(message: str) -> Refused:
    """INVALID_ARGUMENT."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def check(parent: str, request: types.CreateQueuedResourceRequest) -> None:
    """Refuse a request for a queued resource that the service would refuse."""
    _require(re.fullmatch(r"[A-Za-z0-9_.~+%-]+", request.queued_resource_id), "queued_resource_id", request)
    resource = request.queued_resource
    specs = resource.tpu.node_spec
    if len(specs) != 1:
        raise invalid("queued_resource.tpu.node_spec must have exactly one entry.")
    spec = specs[0]
    _require(spec.parent == parent, "node_spec.parent", spec.parent)
    if bool(spec.node_id) == ("multi_node_params" in spec):
        raise invalid("Exactly one of node_id and multi_node_params must be specified.")
    _require(re.fullmatch(r"[A-Za-z0-9_.~+%-]+", spec.node_id), "node_spec.node_id", spec.node_id)
    _check_policy(resource.queueing_policy)
    if resource.reservation_name:
        pattern = r"projects/[^/]+/locations/[^/]+/reservations/[^/]+"
        _require(re.fullmatch(pattern, resource.reservation_name), "reservation_name", resource.reservation_name)
    check_node(spec.node)
    for disk in spec.node.data_disks:
        _require(re.fullmatch(f"{parent.replace('locations', 'zones')}/disks/[^/]+", disk.source_disk), "disk", disk)


def check_node(node: types.Node) -> None:
    """Refuse a node that the service would refuse."""
    if node.runtime_version not in RUNTIMES:
        raise invalid(f'Runtime version "{node.runtime_version}" is invalid or not found.')
    if bool(node.accelerator_type) == ("accelerator_config" in node):
        raise invalid("Exactly one of accelerator_type and accelerator_config must be specified.")
    if node.accelerator_type and node.accelerator_type not in ACCELERATORS:
        raise invalid(f'Accelerator type "{node.accelerator_type}" is invalid or not found.')
    if "network_config" in node and node.network_configs:
        raise invalid("network_config and network_configs are mutually exclusive.")
    _require(len(node.description) <= 512, "node.description", node.description)
    _require(len(node.labels) <= 64, "node.labels", "more than 64")
    for key, value in node.labels.items():
        _require(re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key), "node.labels", key)
        _require(re.fullmatch(r"[a-z0-9_-]{0,63}", value), "node.labels", value)
    for key, value in node.metadata.items():
        _require(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", key), "node.metadata", key)
        _require(len(value.encode()) <= 256 * 1024, "node.metadata", f"{key} is larger than 256 KB")
    _require(sum(map(len, node.metadata.values())) <= 512 * 1024, "node.metadata", "more than 512 KB")
    if "service_account" in node and node.service_account.email:
        _require(re.fullmatch(r"[^@\s]+@[^@\s]+", node.service_account.email), "service_account", node.service_account)


def chips(node: types.Node) -> int:
    """What an accelerator counts in quotas: v2 and v3 count cores, later ones chips, v4 and v5p two cores a chip."""
    return int(node.accelerator_type.rpartition("-")[2])


def _check_policy(policy: types.QueuedResource.QueueingPolicy) -> None:
    for field in ("valid_until_duration", "valid_after_duration"):
        if field in policy and getattr(policy, field).total_seconds() <= 0:
            raise invalid(f"queueing_policy.{field} must be positive.")
    if "valid_until_time" in policy and policy.valid_until_time.timestamp() <= time.time():
        raise invalid("queueing_policy.valid_until_time must be in the future.")


def _require(condition: Any, field: str, value: Any) -> None:
    if not condition:
        raise invalid(f"Invalid value for {field}: {value}")

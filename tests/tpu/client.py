"""The official client of Cloud TPU, connected to the fake service."""

import grpc
from google.cloud.tpu_v2alpha1 import TpuClient
from google.cloud.tpu_v2alpha1.services.tpu.transports import TpuGrpcTransport


def connect(address: str) -> TpuClient:
    """Return a client of the service at HOST:PORT."""
    return TpuClient(transport=TpuGrpcTransport(channel=grpc.insecure_channel(address)))

"""Where a secret has got to that only the secret's own store and the memory of processes are to hold."""

from pathlib import Path

from glr import storage
from tests.gcs.fixture import Gcs
from tests.tpu.service import TpuService


def leaks(secret: str, folder: Path, bucket: str, gcs: Gcs, tpu: TpuService) -> list[str]:
    """The files, objects and requests that hold a secret.

    Args:
        secret: its text.
        folder: the disks of the VMs, of the laptop and of MLflow; its `secrets` stand for Secret Manager.
        bucket: a folder of the bucket, gs://...
        gcs, tpu: the services whose requests are searched.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    found = [str(path) for path in files if secret.encode() in path.read_bytes()]
    objects = [storage.join(bucket, name) for name in storage.files(bucket)]
    found += [path for path in objects if secret.encode() in storage.read(path)]
    return found + [str(request) for request in [*tpu.log, *gcs.log()] if secret in str(request)]

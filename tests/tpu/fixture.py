"""Cloud TPU on loopback as a fixture, `tpu`; its VMs reach the loopback Google Cloud Storage."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gcs.fixture import Gcs

if TYPE_CHECKING:
    from tests.tpu.service import TpuService


@pytest.fixture
def tpu(gcs: Gcs, tmp_path: Path) -> Iterator["TpuService"]:
    """The service, with no queued resource; this process and its children reach it by TPU_EMULATOR_HOST."""
    from tests.tpu.service import TpuService  # most tests need no gRPC

    environment = {**gcs.variables, "SECRETS": str(tmp_path / "secrets")}
    service = TpuService(tmp_path / "machines", environment=environment)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TPU_EMULATOR_HOST", service.address)
            yield service
    finally:
        service.close()

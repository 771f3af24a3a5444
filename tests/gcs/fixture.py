"""The loopback Google Cloud Storage as a fixture, `gcs`, and a folder in it for each test, `gcs_folder`."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gcs.emulator import Fault, Request


@dataclass(frozen=True)
class Gcs:
    """A running emulator.

    Args:
        bucket: the name of its one bucket.
        host: its address, http://127.0.0.1:PORT.
        variables: those by which a child process reaches it, TensorFlow's own gs:// too.
    """

    bucket: str
    host: str
    variables: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with `variables`."""
        return {**os.environ, **self.variables}

    def fault(self, *faults: Fault) -> None:
        """Let requests fail from now on, in place of the faults that were set before; see `Fault`."""
        self._ask("__faults", [asdict(fault) for fault in faults])

    def log(self) -> list[Request]:
        """The requests since this was last asked."""
        return [Request(**request) for request in self._ask("__log")]

    def _ask(self, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.host}/{path}", data, timeout=20) as answer:
            return json.loads(answer.read())


@contextmanager
def emulator(folder: Path) -> Iterator[Gcs]:
    """The emulator, a process of its own, whose certificate lies in a folder; its bucket is `tests`."""
    line = [sys.executable, str(Path(__file__).with_name("emulator.py")), str(folder), "tests"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            host = f"http://127.0.0.1:{int(process.stdout.readline())}"
            variables = {
                "STORAGE_EMULATOR_HOST": host,
                "https_proxy": host,
                "no_proxy": "127.0.0.1,localhost",
                "CURL_CA_BUNDLE": str(folder / "ca.pem"),
                "NO_GCE_CHECK": "true",
                "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
                "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "1000",
            }
            yield Gcs("tests", host, variables)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    """The emulator; this process's google.cloud.storage reaches it too."""
    with emulator(tmp_path_factory.mktemp("gcs")) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", opened.host)
        yield opened


@pytest.fixture
def gcs_folder(gcs: Gcs, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty folder of the bucket, gs://BUCKET/TEST; the log starts and the faults end with the test."""
    gcs.log()
    yield f"gs://{gcs.bucket}/{request.node.name}"
    gcs.fault()

"""A real MLflow server on loopback that can be killed and started again, and a proxy that makes it slow."""

import os
import select
import signal
import socket
import threading
import time
import urllib.request
from pathlib import Path

from tests.processes.forks import Forks

# What `mlflow server` starts, in a process that need not import MLflow first.
_SERVER = """
import os, sys
import uvicorn
from mlflow import server
port, store, artifacts = sys.argv[1:]
os.environ[server.BACKEND_STORE_URI_ENV_VAR] = store
os.environ[server.ARTIFACTS_DESTINATION_ENV_VAR] = artifacts
os.environ[server.ARTIFACT_ROOT_ENV_VAR] = "mlflow-artifacts:/"
os.environ[server.SERVE_ARTIFACTS_ENV_VAR] = "true"
from mlflow.server.fastapi_app import app

async def guarded(scope, receive, send):
    expected = (b"authorization", b"Bearer " + os.environ["TOKEN"].encode())
    if not os.environ["TOKEN"] or scope.get("path") in (None, "/health") or expected in scope["headers"]:
        return await app(scope, receive, send)
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body"})

uvicorn.run(guarded, host="127.0.0.1", port=int(port))
"""


class MlflowServer:
    """A server on a port of its own, with a SQLite store in a folder; the store survives a kill.

    Args:
        processes: these start the server.
        folder: holds its store, mlruns/mlflow.db, its artifacts and its log.
        token: it refuses requests without this bearer token; "": it asks for none.
    """

    def __init__(self, processes: Forks, folder: Path, token: str = ""):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._processes, self._folder, self._token = processes, folder, token
        self._process: int | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        (self._folder / "mlruns").mkdir(exist_ok=True)
        line = [str(self.port), f"sqlite:///{self._folder}/mlruns/mlflow.db", f"{self._folder}/artifacts"]
        log = ["server.log", "server.log"]
        self._process = self._processes.start(
            _SERVER, *line, command="-c", cwd=self._folder, log=log, TOKEN=self._token
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError((self._folder / "server.log").read_text())

    def kill(self) -> None:
        """Kill the server."""
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            self._processes.wait(self._process)
            self._process = None


class SlowProxy(threading.Thread):
    """Passes bytes to a server, each answer after a delay.

    Args:
        port: port of the server.
        delay: seconds.
    """

    def __init__(self, port: int, delay: float):
        super().__init__(daemon=True)
        self._target, self._delay = port, delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            asked = False
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is server and asked:
                        time.sleep(self._delay)
                    asked = ready is client
                    (server if ready is client else client).sendall(data)

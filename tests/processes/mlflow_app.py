"""A real MLflow server in a thread of this process, behind a proxy that can answer in its place."""

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

Answer = tuple[int, str, str]  # status, type of the content, content
Proxy = Callable[[str, int], Answer | None]  # the request's method and path, its size -> the answer; None: MLflow's own


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class ProxiedMlflow:
    """MLflow's own Flask application, served on loopback.

    Args:
        folder: holds its store and its artifacts.

    Attributes:
        proxy: answers requests in MLflow's place.
    """

    def __init__(self, folder: Path):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{folder}/mlruns/mlflow.db")
            patch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", f"{folder}/artifacts")
            patch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
            patch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
            from mlflow.server import app, handlers

            handlers._get_tracking_store()  # opened once, where the environment says
            handlers._get_artifact_repo_mlflow_artifacts()
        os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"  # each request for an artifact looks
        self.proxy: Proxy = lambda _request, _size: None
        self._app = app.wsgi_app
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        del os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"]

    def _answer(self, environ: dict[str, Any], start: Callable) -> Iterable[bytes]:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        size = int(environ.get("CONTENT_LENGTH") or 0)
        answer = self.proxy(request, size)
        if answer is None:
            return self._app(environ, start)
        environ["wsgi.input"].read(size)
        status, kind, content = answer
        headers = [("Content-Type", kind), ("Content-Length", str(len(content)))]
        start(f"{status} X", [*headers, ("Location", "/login")] if status in (301, 302, 303) else headers)
        return [content.encode()]

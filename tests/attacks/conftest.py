"""A real MLflow server behind a proxy that can send any answer."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.processes.mlflow_app import ProxiedMlflow


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Iterator[ProxiedMlflow]:
    folder = tmp_path_factory.mktemp("server")
    new_store(folder)
    server = ProxiedMlflow(folder)
    yield server
    server.close()


@pytest.fixture
def server(mlflow: ProxiedMlflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxiedMlflow]:
    """The server, with the study tests still to come."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient(mlflow.uri)
    if old := client.get_experiment_by_name("tests"):
        client.rename_experiment(old.experiment_id, f"tests of {time.time()}")
    yield mlflow
    mlflow.proxy = lambda _request, _size: None

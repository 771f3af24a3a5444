"""A whole small run over 1 and 4 replicas, and over two processes that reach each other by network: the same run."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.processes.forks import Forks
from tests.train.replicas import HEADS
from tests.train.test_killed import weights

EPOCHS, EVERY = 12, 6
pytestmark = pytest.mark.slow
Result = tuple[dict[str, np.ndarray], dict[str, list[float]]]
# All take minutes: ALL_HEADS=1 pytest -n0 tests/train/test_workers.py -k replicas
TRIED = [("adacos_semi", "l2")]
if os.environ.get("ALL_HEADS"):
    TRIED += sorted({(head, penalty) for head in HEADS for penalty in ("none", "l2")} - {*TRIED})
NAMES = ("loss", "penalty", "accuracy", "head_scale", "learning_rate", "public/gap", "private/map_at_100")


@pytest.fixture(scope="module")
def line(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    # SGD: Adam would make full steps of what rounding leaves of the gradients that are 0 (biases before a BatchNorm).
    return [
        *["backbone=small_cnn", "backbone.width=4", "model.embedding_size=8", "augment=study", "study=workers"],
        *["data=folder", f"data.source.path={class_folders}", f"data.path={tmp_path_factory.mktemp('set')}/set"],
        *["data.image_size=16", "train.batch_size=24", f"train.epochs={EPOCHS}", "optimizer=sgd"],
        *["optimizer.learning_rate=0.02", "regularization=l2", "model.batchnorm=synchronised"],
        *[f"evaluate.every={EVERY}", "evaluate.gallery=0"],
    ]


def result(folder: Path) -> Result:
    """The weights that a run stored, and its metrics."""
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("workers")
    assert experiment
    (record,) = client.search_runs([experiment.experiment_id])
    assert record.info.status == "FINISHED"
    history = {name: client.get_metric_history(record.info.run_id, name) for name in NAMES}
    return weights(folder), {name: [metric.value for metric in metrics] for name, metrics in history.items()}


def check_same(actual: Result, expected: Result, epochs: int = EPOCHS, every: int = EVERY) -> None:
    for name, values in expected[1].items():
        assert len(values) == epochs // (every if "/" in name else 1), name
        np.testing.assert_allclose(actual[1][name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    assert actual[0].keys() == expected[0].keys()
    for name, values in expected[0].items():
        np.testing.assert_allclose(actual[0][name], values, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.fixture
def folder(tmp_path: Path, new_store: Callable[[Path], Path]) -> Path:
    """The two workers of a run; the first one records. Both have a package with a head, and a choice of it."""
    new_store(tmp_path / "0")
    for worker in ("0", "1"):
        (tmp_path / worker / "choices/head").mkdir(parents=True)
        (tmp_path / worker / "owned").mkdir()
        (tmp_path / worker / "owned/heads.py").write_text(
            "from glr.model.head.adacos import AdaCosSemi\nclass Own(AdaCosSemi): ...\n"
        )
        (tmp_path / worker / "choices/head/own.yaml").write_text("_target_: owned.heads.Own\nlabel: Own\n")
    return tmp_path


@pytest.fixture(scope="module")
def alone(
    processes: Forks, line: list[str], new_store: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Result:
    folder = tmp_path_factory.mktemp("alone")
    new_store(folder)
    assert processes.run(*line, "strategy=cpu", cwd=folder) == 0, (folder / "log.txt").read_text()
    return result(folder)


@pytest.mark.parametrize(("head", "regularization"), TRIED)
def test_a_run_on_replicas(
    processes: Forks,
    line: list[str],
    alone: Result,
    new_store: Callable[[Path], Path],
    tmp_path: Path,
    head: str,
    regularization: str,
):
    by_count = {1: alone} if (head, regularization) == TRIED[0] else {}
    # From step to step rounding grows, the faster the larger the scale: 18 steps are what float32 bears of every head.
    epochs, every = (EPOCHS, EVERY) if by_count else (6, 3)
    short = [f"train.epochs={epochs}", f"evaluate.every={every}"]
    calm = [] if head.startswith("adacos") else ["head.scale=4", "optimizer.learning_rate=0.005"]
    for replicas in {1, 4} - by_count.keys():
        new_store(folder := tmp_path / f"{replicas}")
        where = [f"head={head}", f"regularization={regularization}", "strategy=cpu", f"strategy.replicas={replicas}"]
        assert processes.run(*line, *where, *short, *calm, cwd=folder) == 0, (folder / "log.txt").read_text()
        by_count[replicas] = result(folder)
    check_same(by_count[4], by_count[1], epochs, every)


def ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    numbers = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return numbers


def start(processes: Forks, folder: Path, *arguments: str, count: int = 2) -> list[int]:
    """Start two workers of one run in separate folders with shared checkpoints; return their process ids."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports(count)]}
    started = []
    for index in range(count):
        (folder / f"{index}").mkdir(exist_ok=True)
        task: dict[str, Any] = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        places = ["strategy=multi_worker", f"checkpoint.path={folder}/checkpoints"]
        cwd = folder / f"{index}"
        started.append(processes.start(*arguments, *places, cwd=cwd, TF_CONFIG=json.dumps(task)))
    return started


def said(folder: Path, index: int) -> str:
    return (folder / f"{index}/log.txt").read_text()


def begun(processes: Forks, folder: Path, *arguments: str, epoch: int) -> list[int]:
    """Two workers that have finished an epoch."""
    started, past = start(processes, folder, *arguments), f"epoch {epoch}/"
    deadline = time.monotonic() + 200
    while past not in (said(folder, 0) if (folder / "0/log.txt").exists() else ""):
        assert time.monotonic() < deadline, said(folder, 0) + said(folder, 1)
        time.sleep(0.005)
    return started


def test_two_processes_train_one_run_through_signals_and_a_death(
    processes: Forks, line: list[str], alone: Result, folder: Path
):
    """A signal to one stops all after the same step; after a worker's death the run goes on from its checkpoint.

    The head is a user's own, with the mathematics of the head that the run alone has.
    """
    line = ["--config-dir", "choices", *line, "head=own"]
    for signalled, epoch in ((0, 2), (1, 7)):
        started = begun(processes, folder, *line, epoch=epoch)
        os.kill(started[signalled], signal.SIGTERM)
        codes = [processes.wait(process) for process in started]
        assert codes == [75, 75], said(folder, 0) + said(folder, 1)
        assert said(folder, 1) == ""  # the chief prints and records, the others compute
    started = begun(processes, folder, *line, "checkpoint.steps=1", epoch=9)
    os.kill(started[1], signal.SIGKILL)
    assert [processes.wait(process) for process in started] == [1, -signal.SIGKILL]
    assert "error: worker 0 of 2 lost the others (" in said(folder, 0)
    (folder / "1/log.txt").unlink()  # TensorFlow may have its say about a death
    codes = [processes.wait(process) for process in start(processes, folder, *line, "checkpoint.steps=1")]
    assert codes == [0, 0], said(folder, 0) + said(folder, 1)
    stopped = re.findall(r"stopped after step (\d+), saved; the same command continues", said(folder, 0))
    continued = re.findall(rf"continuing after step (\d+) of {3 * EPOCHS} ", said(folder, 0))
    assert len(stopped) == 2
    assert continued[:2] == stopped
    assert int(stopped[1]) <= int(continued[2]) < 3 * EPOCHS
    check_same(result(folder / "0"), alone)
    assert f"epoch {EPOCHS}/{EPOCHS}: loss " in said(folder, 0)
    assert said(folder, 1) == ""
    assert not list((folder / "1").rglob("mlruns/mlflow.db"))
    assert not list((folder / "checkpoints").rglob("*.npz"))

"""Real runs, killed and started again: the same weights to the last bit, one MLflow run, every step once.

KILLED_RUNS=50 pytest -n0 tests/train/test_killed.py -k random      more runs that are killed at random moments
HARD_RUNS=13 pytest -n0 tests/train/test_killed.py -k everything     all settings whose state a checkpoint must carry
"""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from glr.model.network import RetrievalModel
from glr.sweep import progress
from tests.conftest import here
from tests.processes.forks import Forks

EPOCHS = 4


@pytest.fixture(scope="module")
def line(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [
        *["backbone=small_cnn", "backbone.width=8"],
        *["model.embedding_size=16", "augment=study", "study=killed"],
        *["data=folder", f"data.source.path={class_folders}", f"data.path={tmp_path_factory.mktemp('set')}/set"],
        *["data.image_size=24", "train.batch_size=12", f"train.epochs={EPOCHS}", "optimizer.learning_rate=0.01"],
        *["evaluate.untrained=true", "evaluate.gallery=0", "checkpoint.steps=1"],
    ]


@pytest.fixture(scope="module")
def expected(
    line: list[str], new_store: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """The weights of an undisturbed run that saved no checkpoint."""
    folder = tmp_path_factory.mktemp("undisturbed")
    new_store(folder)
    assert "\nepoch 4/4: " in here("train", *line, "checkpoint.steps=null", cwd=folder)
    return weights(folder)


def weights_of(artifacts: Path) -> dict[str, np.ndarray]:
    """Every array of a run's last and best weights."""
    arrays: dict[str, np.ndarray] = {}
    for name in ("last", "best"):
        with h5py.File(artifacts / f"artifacts/weights/{name}.weights.h5") as content:
            content.visititems(
                lambda key, value, name=name: (
                    arrays.update({f"{name}/{key}": value[()]}) if isinstance(value, h5py.Dataset) else None
                )
            )
    return arrays


def weights(folder: Path) -> dict[str, np.ndarray]:
    """Return the last weights of a folder's only run."""
    (file,) = (folder / "mlruns/artifacts").glob("*/artifacts/weights/last.weights.h5")
    return weights_of(file.parents[2])


def runs(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("killed")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def check(folder: Path, expected: dict[str, np.ndarray]) -> None:
    """Check that one run finished with every epoch once and the same weights, and left no files."""
    final = weights(folder)
    assert final.keys() == expected.keys()
    for name, values in expected.items():
        assert final[name].tobytes() == values.tobytes(), name
    (record,) = runs(folder)
    assert record.info.status == "FINISHED"
    assert "failure" not in record.data.tags
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    for name in ("loss", "images_per_second", "learning_rate", "public/gap", "private_score"):
        steps = [metric.step for metric in client.get_metric_history(record.info.run_id, name)]
        assert steps == list(range(1, EPOCHS + 1)), name
    assert [metric.step for metric in client.get_metric_history(record.info.run_id, "untrained/public/gap")] == [0]
    for name in ("journal", "checkpoints"):
        assert list((folder / "mlruns" / name).iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(int(os.environ.get("KILLED_RUNS", "1"))))
def test_killed_at_random_moments(processes: Forks, line: list[str], expected, work: Path, number: int):
    """Kill one to three times, at any time or during a write."""
    random, log = np.random.default_rng(number), work / "log.txt"
    for _ in range(random.integers(1, 4)):
        if random.random() < 0.5:
            code = processes.run(*line, cwd=work, dies_at=int(random.integers(1, 61)))
        else:
            process = processes.start(*line, cwd=work)
            time.sleep(random.uniform(0.1, 6.0))
            os.kill(process, signal.SIGKILL)
            code = processes.wait(process)
        if code == 0:  # it was faster
            break
        assert code == -signal.SIGKILL, log.read_text()
    else:
        assert processes.run(*line, cwd=work) == 0, log.read_text()
    check(work, expected)


# Settings whose state a checkpoint must carry to the last bit.
HARD = {
    "EMA, bfloat16, AdamW": ["optimizer=adamw", "optimizer.use_ema=true", "train.precision=mixed_bfloat16"],
    "accumulated gradients": ["optimizer.gradient_accumulation_steps=5"],
    "two steps a call": ["train.steps_per_execution=2"],
    "float16 with its loss scale": ["train.precision=mixed_float16"],
    "LAMB, warm-up": ["optimizer=lamb", "schedule=warmup_cosine"],
    "RMSprop with momentum, steps": ["optimizer=rmsprop", "optimizer.momentum=0.5", "schedule=step"],
    "SGD, Nesterov, ramp": ["optimizer=sgd", "optimizer.nesterov=true", "schedule=ramp"],
    "CurricularFace": ["head=curricularface"],
    "dynamic AdaCos": ["head=adacos_dynamic"],
    "sub-centres, L2": ["head=subcenter_arcface", "regularization=l2"],
    "validation": ["data.validation_share=0.2"],
    "transformer with dropout, stochastic depth, layer decay, pairs": [
        *["backbone=vit_tiny", "data.image_size=32", "pooling=cls_gem", "train.layer_decay=0.8", "train.drop_path=0.5"],
        *["backbone.architecture.num_layers=2", "backbone.architecture.dropout_rate=0.1", "head=supcon"],
        *["data.sampler=classes", "data.images_per_class=3"],
    ],
    "batches left out, EMA overwritten": [
        *["train.on_nan=skip_batch", "optimizer.use_ema=true", "optimizer.ema_overwrite_frequency=5"]
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", list(HARD)[: int(os.environ.get("HARD_RUNS", "1"))])
def test_killed_while_it_writes_everything_that_has_a_state_goes_on_exactly(
    processes: Forks, line: list[str], new_store: Callable[[Path], Path], tmp_path: Path, case: str
):
    """Kill the run four times, and continue it with another parallelism.

    The disk is asked to keep something some 60 times: the journal's records, the sender's notes, checkpoints.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    other_backbone = HARD[case][0].startswith("backbone=")
    line = [*(line[2:] if other_backbone else line), *HARD[case], f"data.path={tmp_path}/set"]
    for folder in (whole, killed):
        folder.mkdir()
        new_store(folder)
    assert processes.run(*line, "checkpoint.steps=null", cwd=whole) == 0, (whole / "log.txt").read_text()
    for at in (1, 9, 48, 42):
        assert processes.run(*line, cwd=killed, dies_at=at) == -signal.SIGKILL, (killed / "log.txt").read_text()
    assert processes.run(*line, "data.parallelism=1", cwd=killed) == 0, (killed / "log.txt").read_text()
    assert (killed / "log.txt").read_text().count("continuing after step") == 2
    check(killed, weights(whole))


def started(processes: Forks, *arguments: str, cwd: Path, sign: str) -> int:
    """Start a run and wait until `sign` appears in its log."""
    process = processes.start(*arguments, cwd=cwd)
    deadline = time.monotonic() + 120
    while sign not in ((cwd / "log.txt").read_text() if (cwd / "log.txt").exists() else ""):
        assert time.monotonic() < deadline, (cwd / "log.txt").read_text()
        time.sleep(0.02)
    return process


def signal_in_the_last_step(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Send this process SIGTERM in the last step of an epoch."""
    reports, report = [], progress.report

    def reported(**values: Any) -> None:
        reports.extend([values["epoch"]] if "seconds_left" in values else [])
        if reports.count(epoch) == 2:  # the first step of an epoch is told, and the last
            os.kill(os.getpid(), signal.SIGTERM)
        report(**values)

    monkeypatch.setattr(progress, "report", reported)


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
def test_a_signal_saves_first_and_a_full_disk_in_the_end_costs_no_training(
    processes: Forks, line: list[str], expected, work: Path, monkeypatch: pytest.MonkeyPatch
):
    """Three signals and a full disk stop the run; the process that continues records what the epoch measured."""
    only_then, log = [*line, "checkpoint.steps=null"], work / "log.txt"
    with monkeypatch.context() as patched:
        signal_in_the_last_step(patched, 1)
        assert here("train", *line, cwd=work) == "75"
    for number, code, sign in ((signal.SIGHUP, 75, "epoch 1/4: "), (signal.SIGINT, 130, "epoch 3/4: ")):
        process = started(processes, *only_then, cwd=work, sign=sign)
        os.kill(process, number)
        assert processes.wait(process) == code, log.read_text()
        (record,) = runs(work)
        assert record.info.status == "KILLED"
    assert "continuing after step 6 of 24 (epoch 1, to be evaluated)" in log.read_text()
    assert log.read_text().count("saved; the same command continues") == 2
    assert log.read_text().count("continuing after step ") == 2
    with monkeypatch.context() as patched:
        patched.setattr(RetrievalModel, "save_weights", full_disk)
        assert here("train", *only_then, "checkpoint.room_minutes=0", cwd=work) == "74"
    (record,) = runs(work)
    assert record.info.status == "KILLED"
    assert "continuing after step 24 of 24 (epoch 4, to be evaluated)" in here("train", *only_then, cwd=work)
    check(work, expected)


@pytest.mark.slow
def test_a_changed_setting_two_at_once_and_starting_anew(processes: Forks, line: list[str], expected, work: Path):
    process = started(processes, *line, cwd=work, sign="epoch 1/4: ")
    os.kill(process, signal.SIGSTOP)
    assert processes.run(*line, cwd=work) == 1
    assert f"another process ({process}) is training this run" in (work / "log.txt").read_text()
    os.kill(process, signal.SIGKILL)
    assert processes.wait(process) == -signal.SIGKILL
    assert processes.run(*line, "train.epochs=9", cwd=work) == 1
    assert "is unfinished, and had other settings (train.epochs: 4 -> 9)" in (work / "log.txt").read_text()
    assert len(runs(work)) == 1
    assert processes.run(*line, "resume=never", cwd=work) == 0, (work / "log.txt").read_text()
    ended = {run.info.status: run.info.run_id for run in runs(work)}
    assert sorted(ended) == ["FINISHED", "KILLED"]  # the first was found dead, and marked
    files = (work / f"mlruns/artifacts/{ended['FINISHED']}").rglob("last.weights.h5")
    with h5py.File(next(files)) as content:
        kernel = content["head/vars/0"]
        assert isinstance(kernel, h5py.Dataset)
        np.testing.assert_array_equal(kernel[()], expected["last/head/vars/0"])


@pytest.mark.slow
def test_places_that_cannot_be_written_are_said_before_training(processes: Forks, line: list[str], work: Path):
    (work / "file").write_text("")
    for place, sentence in (
        ("tracking.journal=file/journal", "error: file/journal"),
        ("checkpoint.path=file/checkpoints", "error: file/checkpoints"),
        (
            "tracking.uri=sqlite:///file/mlflow.db",
            "error: tracking.uri=sqlite:///file/mlflow.db: the MLflow store cannot",
        ),
    ):
        (work / "log.txt").unlink(missing_ok=True)
        assert processes.run(*line, place, cwd=work) == 1
        output = (work / "log.txt").read_text()
        assert sentence in output
        assert "Traceback" not in output
        assert "epoch" not in output

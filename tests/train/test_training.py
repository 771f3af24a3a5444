"""A job is trained to its end: returned scores equal the recorded ones, evaluated weights the stored ones."""

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient

from glr.data.prepared import PreparedData
from glr.devices.workers import Worker
from glr.train.evaluator import Evaluator
from glr.train.job import opened
from glr.train.step import TrainStep
from glr.train.training import train
from tests.train.test_job import config

__all__ = ["config"]  # a fixture


@pytest.fixture
def short(config):
    config.train.epochs, config.train.batch_size, config.evaluate.untrained, config.evaluate.gallery = 2, 12, True, 0
    config.data.image_size, config.data.cache_dir = 24, None
    return config


def test_what_is_returned_is_what_is_recorded(short, small_data: PreparedData):
    with opened(short, small_data, None, Worker()) as job:
        scores = train(job)
    client = MlflowClient(short.tracking.uri)
    metrics = client.get_run(job.run.id).data.metrics
    assert scores.keys() == {"trained", "untrained"}
    assert {name: metrics[name] for name in scores["trained"]} == scores["trained"]
    assert {name: metrics[f"untrained/{name}"] for name in scores["untrained"]} == scores["untrained"]
    history = [metric.value for metric in client.get_metric_history(job.run.id, "public_score")]
    assert len(history) == short.train.epochs
    assert metrics["best_public_score"] == max(history)
    assert metrics["best_epoch"] == 1 + history.index(max(history))
    for name in ("last", "best"):
        with h5py.File(client.download_artifacts(job.run.id, f"weights/{name}.weights.h5")) as file:
            assert "head" in file


def test_every_evaluation_and_all_stored_weights_are_averages(
    short, small_data: PreparedData, monkeypatch: pytest.MonkeyPatch
):
    short.optimizer.use_ema, short.optimizer.ema_momentum = True, 0.75
    short.train.epochs, short.evaluate.untrained = 3, False
    step, evaluate = TrainStep.__call__, Evaluator.__call__
    before, after, evaluated, kernels = [], [], [], []

    def stepped(self: TrainStep, *arguments: Any) -> tf.Tensor:
        kernels[:] = [self.model.head.kernel]
        before.append(kernels[0].numpy())
        outcome = step(self, *arguments)
        after.append(kernels[0].numpy())
        return outcome

    def scored(self: Evaluator, folder: Path) -> dict[str, float]:
        evaluated.append(kernels[0].numpy())
        return evaluate(self, folder) | {"public/gap": 1 / len(evaluated)}  # the first epoch is the best

    monkeypatch.setattr(TrainStep, "__call__", stepped)
    monkeypatch.setattr(Evaluator, "__call__", scored)
    with opened(short, small_data, None, Worker()) as job:
        train(job)
    averages = list(itertools.accumulate(after, lambda average, kernel: 0.75 * average + 0.25 * kernel))
    np.testing.assert_allclose(evaluated, averages[5::6], rtol=1e-4, atol=1e-6)  # 6 steps an epoch
    assert not np.allclose(evaluated, after[5::6], rtol=1e-2)
    np.testing.assert_array_equal(before[1:], after[:-1])  # training goes on from the weights, not from their averages
    for name, expected in (("best", evaluated[0]), ("last", evaluated[2])):
        file = MlflowClient(short.tracking.uri).download_artifacts(job.run.id, f"weights/{name}.weights.h5")
        with h5py.File(file) as content:
            kernel = content["head/vars/0"]
            assert isinstance(kernel, h5py.Dataset)
            np.testing.assert_array_equal(kernel[()], expected)

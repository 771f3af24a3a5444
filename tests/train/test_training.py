"""A job is trained to its end: the returned scores equal the recorded ones."""

import h5py
import pytest
from mlflow import MlflowClient

from glr.data.prepared import PreparedData
from glr.devices.workers import Worker
from glr.train.job import opened
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

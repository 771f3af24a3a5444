"""Samples of the machine's load, in a real store."""

import threading
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from glr.config.schema import Tracking
from glr.tracking import system
from glr.tracking.entries import Metrics, from_json
from glr.tracking.run import run
from glr.tracking.system import SystemMetrics


def tracking(work: Path, period: float | None) -> Tracking:
    uri = f"sqlite:///{work}/mlruns/mlflow.db"
    return Tracking(uri, str(work / "artifacts"), str(work / "journal"), 60, period)


def test_a_run_has_the_load_and_a_checkpoint_does_not(work: Path):
    with run(tracking(work, 0.1), "study", "a run") as opened:
        opened.record(recorded := Metrics({"loss": 0.5}, 1))
        deadline = time.monotonic() + 30
        while len(opened._journal.entries) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [from_json(entry) for entry in opened.metrics_so_far()] == [recorded]
    metrics = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db").get_run(opened.wait()).data.metrics
    load = {name for name in metrics if name.startswith("system/")}
    assert load >= {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
    total = psutil.virtual_memory().total / 1e6
    assert 0 < metrics["system/system_memory_usage_megabytes"] < total
    assert not any(thread.name == "system metrics" for thread in threading.enumerate())


def test_null_records_none(work: Path):
    with run(tracking(work, None), "study", "a run") as opened:
        time.sleep(0.2)
    assert MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db").get_run(opened.wait()).data.metrics == {}


def test_an_error_ends_the_samples_only(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    class Broken:
        def collect_metrics(self) -> None:
            raise OSError("the driver is gone")

    monkeypatch.setattr(system, "_monitors", lambda: [Broken()])
    sampled = SystemMetrics(0.01, lambda *_: None)
    sampled.start()
    sampled.join(10)
    assert not sampled.is_alive()
    sampled.end()
    assert capfd.readouterr().err == "no more system metrics: the driver is gone\n"

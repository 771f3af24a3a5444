"""Samples the machine's CPU, memory and GPUs while a run lasts, for MLflow's tab of system metrics."""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from glr.config.printing import say

PREFIX = "system/"  # MLflow shows metrics of this prefix in a tab of their own


class SystemMetrics(threading.Thread):
    """Records samples in a thread, the first after one period.

    It uses MLflow's own monitors: psutil reads CPU and memory, nvidia-ml-py the GPUs of Nvidia if it is installed.

    Args:
        period: seconds between two samples.
        record: takes a sample's metrics and their step.
    """

    def __init__(self, period: float, record: Callable[[Mapping[str, float], int], None]):
        super().__init__(name="system metrics", daemon=True)
        self._period = period
        self._record = record
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `end` is called; an error ends the samples, not the run."""
        try:
            monitors = _monitors()
            while not self._ended.wait(self._period):
                # A run that continues, on any machine, records greater steps.
                self._record(_sample(monitors), int(time.time()))
        except Exception as error:  # the drivers of devices raise their own
            say(f"no more system metrics: {error}", file=sys.stderr)

    def end(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self.join()


def _sample(monitors: Sequence[Any]) -> dict[str, float]:
    sample: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        sample |= {f"{PREFIX}{name}": value for name, value in monitor.aggregate_metrics().items()}
        monitor.clear_metrics()
    return sample


def _monitors() -> list[Any]:
    """MLflow's monitors of what this machine has."""
    import psutil
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    psutil.cpu_percent()  # it reports the use since the call before
    monitors: list[Any] = [CPUMonitor()]
    with suppress(ImportError, RuntimeError):  # nvidia-ml-py is missing, or there is no GPU
        monitors.append(GPUMonitor())
    return monitors

"""Several machines that train one run (strategy=multi_worker): this machine's index, and values that all agree on.

TensorFlow's TF_CONFIG lists the workers:
`{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}`.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from glr.config.component import class_of
from glr.errors import GlrError

_EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Worker:
    """This process as one of the workers that train a run.

    Attributes:
        index: the worker's number, from 0.
        count: number of workers; 1 if one machine trains the run.
    """

    index: int = 0
    count: int = 1

    @property
    def is_chief(self) -> bool:
        """True for the worker that prints, records and saves; the others only compute."""
        return self.index == 0


def this_worker(config: DictConfig) -> Worker:
    """Return this process's place among the workers; without strategy=multi_worker it is the only worker.

    Raises:
        GlrError: TF_CONFIG is missing or invalid.
    """
    return from_environment() if trains_together(config) else Worker()


def trains_together(config: DictConfig) -> bool:
    """Return True if several workers are to train a run: strategy=multi_worker."""
    return class_of("strategy", config.strategy["_target_"]) == "multi_worker"


def from_environment() -> Worker:
    """Return this process's place in TF_CONFIG.

    Raises:
        GlrError: TF_CONFIG is missing or invalid.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        raise GlrError(f"strategy=multi_worker: TF_CONFIG is not set; give every worker its own, as {_EXAMPLE}")
    try:
        given = json.loads(text)
        jobs, task = given["cluster"], given["task"]
        names = [(kind, number) for kind in ("chief", "worker") for number in range(len(jobs.get(kind, [])))]
        return Worker(names.index((task["type"], int(task["index"]))), len(names))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GlrError(f"strategy=multi_worker: TF_CONFIG={text} names no worker; give it as {_EXAMPLE}") from error


class Agreement:
    """Gives all workers the same value; a single worker keeps its own."""

    def __init__(self, worker: Worker, strategy: Any):
        import tensorflow as tf

        self._worker = worker
        self._strategy = strategy

        @tf.function(autograph=False)  # pyright: ignore[reportUntypedFunctionDecorator]
        def summed(value: tf.Tensor) -> tf.Tensor:
            def share() -> tf.Tensor:
                context = tf.distribute.get_replica_context()
                first = context.replica_id_in_sync_group % (strategy.num_replicas_in_sync // worker.count) == 0
                return tf.where(first, value, tf.zeros_like(value))

            return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(share), axis=None)

        self._summed = summed

    def chiefs(self, value: int) -> int:
        """Return the chief's value."""
        return self._sum(value if self._worker.is_chief else 0)

    def any(self, value: bool) -> bool:
        """Return True if `value` is true on any worker."""
        return self._sum(int(value)) > 0

    def _sum(self, value: int) -> int:
        import tensorflow as tf

        return value if self._worker.count == 1 else int(self._summed(tf.constant(value, tf.int32)))

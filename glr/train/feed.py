"""Split the input pipeline's global batches into replica batches, and prefetch them to the devices."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from glr.data.pipeline import TrainPipeline
from glr.errors import GlrError


class Feed:
    """Iterates over (distributed batch, number of its steps) for the steps `first` to `last` - 1, counted from 0.

    Each host decodes its own part of a batch only. With several steps per call, their batches are stacked; at the end
    of an epoch, where fewer steps may remain, the stack is padded.

    Args:
        pipeline: makes the batches; its batch size is a multiple of the number of replicas.
        strategy: distributes to the replicas.
        first, last: the first step, and the step after the last.
        steps_per_call: batches in a stack; 1: plain batches.
    """

    def __init__(
        self, pipeline: TrainPipeline, strategy: tf.distribute.Strategy, first: int, last: int, steps_per_call: int = 1
    ):
        self._failure: GlrError | None = None
        self._step, self._last = first, last
        self._steps_per_epoch = pipeline.steps_per_epoch
        self._steps_per_call = steps_per_call

        def dataset(context: tf.distribute.InputContext) -> "tf.data.Dataset[object]":
            share = pipeline.batch_size // context.num_input_pipelines
            part = pipeline.batch_size // context.num_replicas_in_sync
            rows = range(context.input_pipeline_id * share, (context.input_pipeline_id + 1) * share)

            def replica_batches() -> Iterator[tuple[np.ndarray, ...]]:
                try:
                    batches = pipeline.batches(first, last, rows)
                    for steps in self._calls(first):
                        stack = [next(batches) for _ in range(steps)]
                        for start in range(0, share, part):
                            parts = [[array[start : start + part] for array in batch] for batch in stack]
                            yield tuple(map(self._stacked, zip(*parts, strict=True)))
                except GlrError as error:
                    self._failure = error
                    raise

            size = pipeline.image_size
            stacked = () if steps_per_call == 1 else (steps_per_call,)
            signature = (
                tf.TensorSpec((*stacked, part, size, size, 3), tf.uint8),
                tf.TensorSpec((*stacked, part), tf.int32),
                tf.TensorSpec((*stacked, part, 3, 4), tf.float32),
            )
            options = tf.data.Options()
            # With autotune, deleting an iterator waits up to a minute for its thread.
            options.autotune.enabled = False
            batches = tf.data.Dataset.from_generator(replica_batches, output_signature=signature)
            return batches.prefetch(2).with_options(options)

        self._dataset, self._strategy = dataset, strategy

    @cached_property
    def _iterator(self) -> Iterator[object]:
        """The iterator over batches, created at the first batch so that decoding does not begin earlier."""
        return iter(self._strategy.distribute_datasets_from_function(self._dataset))

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> tuple[Any, int]:
        if self._step >= self._last:
            raise StopIteration
        steps = next(self._calls(self._step))
        self._step += steps
        try:
            return next(self._iterator), steps
        except tf.errors.OpError:
            if self._failure is not None:
                raise self._failure from None
            raise

    def _calls(self, step: int) -> Iterator[int]:
        """Yield each call's number of steps, from `step` on; no call crosses the end of an epoch."""
        while step < self._last:
            left = self._steps_per_epoch - step % self._steps_per_epoch
            steps = min(self._steps_per_call, left, self._last - step)
            yield steps
            step += steps

    def _stacked(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        if self._steps_per_call == 1:
            return arrays[0]
        return np.stack([*arrays, *[arrays[-1]] * (self._steps_per_call - len(arrays))])

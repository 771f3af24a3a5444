"""From the input pipeline to the replicas: global batches cut into replica batches, and sent ahead to the devices."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from glr.data.pipeline import TrainPipeline
from glr.errors import GlrError


class Feed:
    """A distributed iterator over the batches of steps `first` to `last` (from 0, exclusive).

    Each host decodes its own part of a batch only.

    Args:
        pipeline: makes the batches; its batch size is a multiple of the number of replicas.
        strategy: of the replicas.
        first, last: steps.
    """

    def __init__(self, pipeline: TrainPipeline, strategy: tf.distribute.Strategy, first: int, last: int):
        self._failure: GlrError | None = None

        def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
            share = pipeline.batch_size // context.num_input_pipelines
            part = pipeline.batch_size // context.num_replicas_in_sync
            rows = range(context.input_pipeline_id * share, (context.input_pipeline_id + 1) * share)

            def replica_batches() -> Iterator[Any]:
                try:
                    for batch in pipeline.batches(first, last, rows):
                        for start in range(0, share, part):
                            yield tuple(array[start : start + part] for array in batch)
                except GlrError as error:
                    self._failure = error
                    raise

            size = pipeline.image_size
            signature = (
                tf.TensorSpec((part, size, size, 3), tf.uint8),
                tf.TensorSpec((part,), tf.int32),
                tf.TensorSpec((part, 3, 4), tf.float32),
            )
            options = tf.data.Options()
            # With autotune on, dropping an iterator waits for its thread, up to a minute.
            options.autotune.enabled = False
            batches = tf.data.Dataset.from_generator(replica_batches, output_signature=signature)
            return batches.prefetch(2).with_options(options)

        self._iterator = iter(strategy.distribute_datasets_from_function(dataset))

    def __iter__(self) -> "Feed":
        return self

    def __next__(self) -> Any:
        try:
            return next(self._iterator)
        except tf.errors.OpError:
            if self._failure is not None:
                raise self._failure from None
            raise

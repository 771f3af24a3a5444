"""Every head keeps what the interface promises."""

from typing import Any

import pytest
import tensorflow as tf

from glr.model.head.pairs import PairHead
from tests.model.head.choices import FILES, head_of

BATCH, CLASSES, DIMENSIONS = 24, 40, 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_larger_than_the_cosines(file):
    """Forward and backward: pairs of the batch, or images by class weights, but no triplets and no pairs of pairs."""
    head = head_of(file, CLASSES)
    head.build((None, DIMENSIONS))

    def gradients(descriptors: tf.Tensor, labels: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(descriptors)
            loss = tf.reduce_mean(head(descriptors, labels)[0])
        return tape.gradient(loss, [descriptors, *(weight.value for weight in head.trainable_weights)])

    batch = tf.TensorSpec((BATCH, DIMENSIONS)), tf.TensorSpec((BATCH,), tf.int32)
    graph = tf.function(gradients, autograph=False).get_concrete_function(*batch).graph
    shapes = [output.shape for operation in graph.get_operations() for output in operation.outputs]
    columns = BATCH if isinstance(head, PairHead) else head.columns
    assert max(shape.num_elements() for shape in shapes) == BATCH * columns

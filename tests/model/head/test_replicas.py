"""What a head needs of the whole batch: as it is on one replica, of every replica on several.

tests/train/test_replicas.py trains on several.
"""

import numpy as np
import pytest
import tensorflow as tf

from glr.model.head.replicas import gathered, global_mean
from glr.preflight.replica import OneOfMany

VALUES = tf.constant([1.0, 4.0, 7.0])


def both() -> tuple[tf.Tensor, tf.Tensor]:
    return gathered(VALUES), global_mean(VALUES[0])


@pytest.mark.parametrize("run", [lambda f: f(), tf.distribute.OneDeviceStrategy("/cpu:0").run], ids=["none", "one"])
def test_one_replica_has_the_whole_batch(run):
    actual, mean = run(both)
    np.testing.assert_array_equal(actual, VALUES)
    assert mean == 1


def test_several_replicas_exchange_what_is_needed():
    strategy = OneOfMany(4)
    traced = tf.function(lambda: strategy.run(both)).get_concrete_function()
    assert [output.shape.as_list() for output in traced.outputs] == [[12], []]
    assert strategy.exchanged == 4 * (12 + 1)  # bytes

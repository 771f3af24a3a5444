"""One of several replicas makes the step that `train` makes, with XLA's collectives."""

import numpy as np
import pytest
import tensorflow as tf

from glr.config.check import composed
from glr.config.component import build
from glr.model.loading import build_model
from glr.preflight.replica import OneOfMany
from glr.train.step import TrainStep
from tests.preflight.test_tracing import TOY


def test_one_replica_of_one_makes_the_same_step_as_train():
    config, _ = composed("train", [*TOY, "head=arcface", "regularization=l2", "optimizer=sgd"])
    random = np.random.default_rng(0)
    batch = (
        tf.constant(random.integers(0, 256, (16, 16, 16, 3)).astype(np.uint8)),
        tf.constant(random.integers(0, 5, 16).astype(np.int32)),
        tf.tile(tf.eye(3, 4)[tf.newaxis], (16, 1, 1)),
    )
    weights = []
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), OneOfMany(1)):
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            model = build_model(config, 5, 16)
            optimizer = build(config.optimizer, learning_rate=0.01)
        step = TrainStep(model, optimizer, lambda _: 0.01, build(config.regularization), strategy, 16)
        compiled = isinstance(strategy, OneOfMany)  # its collectives exist for XLA only
        tf.function(lambda s=strategy, step=step: s.run(step.replica_step, batch), jit_compile=compiled)()
        weights.append([weight.value.numpy() for weight in model.trainable_variables])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("replicas", [2, 8])
def test_collectives_keep_shapes_and_add_up(replicas: int):
    strategy = OneOfMany(replicas)

    def step(values: tf.Tensor) -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        assert context.num_replicas_in_sync == replicas
        mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
        assert mean.shape == values.shape
        rows, columns = context.all_gather(values, axis=0), context.all_gather(values, axis=1)
        assert rows.shape == (3 * replicas, 5)
        assert columns.shape == (3, 5 * replicas)
        return [mean, rows, columns]

    compiled = tf.function(lambda values: strategy.run(step, (values,)), jit_compile=True)
    text = compiled.experimental_get_compiler_ir(tf.TensorSpec((3, 5)))(stage="hlo")
    groups = "{{" + ",".join(map(str, range(replicas))) + "}}"
    assert text.count("all-reduce(") == text.count(f"replica_groups={groups}") == 3
    assert "replica-id(" in text
    assert strategy.exchanged == 4 * 15 * (1 + 2 * replicas)

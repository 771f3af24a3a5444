"""The traced step is the one that `train` runs, on one of several replicas."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from glr.config.check import composed
from glr.config.component import build
from glr.model.loading import build_model
from glr.preflight.replica import OneOfMany
from glr.preflight.tracing import trace
from glr.train.step import TrainStep

TOY = ["backbone=small_cnn", "data=folder", "data.image_size=16", "train.batch_size=16", "model.embedding_size=8"]


def test_every_gradient_and_what_the_head_gathers_is_summed_over_the_replicas():
    config, _ = composed("train", [*TOY, "head=adacos_semi", "regularization=l2"])
    module, traced = trace(config, replicas=8, classes=1000, steps_per_epoch=10)
    model = build_model(config, 1000, 16)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert traced.parameters == model.count_params()
    running = sum(2 * norm.moving_mean.shape[0] for norm in model.batch_norms())  # means and variances
    # Each of 8 replicas brings 2 angles into their places of 16.
    assert traced.exchanged == 4 * trainable + 4 * running + 4 * 16
    assert module.count(b"all-reduce") >= len(model.trainable_variables)


def test_several_steps_a_call_have_the_batches_of_all_of_them_there():
    one, four = (
        trace(composed("train", [*TOY, *more])[0], replicas=8, classes=10, steps_per_epoch=10)
        for more in ([], ["train.steps_per_execution=4"])
    )
    assert four[1] == one[1]
    share = (2, 16, 16, 3)
    assert share in arguments(one[0])
    assert (4, *share) in arguments(four[0])
    assert len(arguments(four[0])) == len(arguments(one[0])) + 1  # the number of the step


def arguments(module: bytes) -> list[tuple[int, ...]]:
    """The shape of each."""
    shape = hlo_pb2.HloModuleProto.FromString(module).host_program_shape
    return [tuple(parameter.dimensions) for parameter in shape.parameters]


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
        tf.function(lambda s=strategy, step=step: s.run(step._replica_step, batch), jit_compile=compiled)()
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

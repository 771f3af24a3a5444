"""The traced step is the one that `train` runs, on one of several replicas."""

import numpy as np
import pytest
from tensorflow.compiler.xla.service import hlo_pb2

from glr.config.check import composed
from glr.model.loading import build_model
from glr.preflight.tracing import trace

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


@pytest.mark.parametrize(
    ("head", "gathered"),
    [
        # There and back: 16 descriptors of 8 numbers. There: 16 labels, and the share of losses above 0.
        ("supcon", 2 * 16 * 8 + 16 + 1),
        # There and back: two sums for each of 1000 classes from each of 8 replicas.
        ("proxy_anchor", 2 * 8 * 2 * 1000),
    ],
)
def test_heads_that_compare_the_whole_batch_are_traced_with_what_they_exchange(head: str, gathered: int):
    config, _ = composed("train", [*TOY, f"head={head}", "data.sampler=classes", "data.images_per_class=4"])
    module, traced = trace(config, replicas=8, classes=1000, steps_per_epoch=10)
    model = build_model(config, 1000, 16)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    running = sum(2 * norm.moving_mean.shape[0] for norm in model.batch_norms())
    assert traced.exchanged == 4 * (trainable + running + gathered)
    assert module.count(b"all-reduce") >= len(model.trainable_variables)


def test_a_transformer_with_falling_rates_is_traced():
    pytest.importorskip("keras_hub")
    sizes = {"num_layers": 2, "hidden_dim": 16, "num_heads": 2, "mlp_dim": 32}
    network = ["backbone=vit_tiny", *(f"backbone.architecture.{name}={value}" for name, value in sizes.items())]
    rates = ["pooling=cls_gem", "optimizer=adamw", "train.layer_decay=0.8", "train.drop_path=0.1", "head=arcface"]
    config, _ = composed("train", [*TOY[1:], *network, *rates])
    _, traced = trace(config, replicas=8, classes=10, steps_per_epoch=10)
    model = build_model(config, 10, 16)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert traced.parameters == model.count_params()
    assert traced.exchanged == 4 * trainable + 4 * 2 * 8  # gradients, and the statistics of the last BatchNorm


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

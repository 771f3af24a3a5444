"""The step has no operation that a TPU cannot compile, and computes in float32 where the policy must not apply."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.component import build
from glr.config.installation import CONF
from glr.model.backbone import SmallCNN
from glr.model.network import RetrievalModel
from glr.model.pooling import GeM
from glr.optim.regularization import L2
from glr.optim.schedule import Constant
from glr.train.step import TrainStep

HEADS = sorted(path.stem for path in (CONF / "head").glob("*.yaml"))
BATCH, SIDE = 8, 16


@pytest.fixture
def bfloat16() -> Iterator[None]:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def small_cnn() -> keras.Model:
    return SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=0.0, image_size=SIDE)


def one_layer() -> keras.Model:
    """A network that takes less time to trace, for what does not depend on the network."""
    images = keras.Input((SIDE, SIDE, 3))
    return keras.Model(images, keras.layers.Conv2D(4, 3, 4)(images))


def made(head: str = "adacos_semi", network: Callable[[], keras.Model] = small_cnn, **options: Any) -> TrainStep:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model = RetrievalModel(
            network(),
            GeM(p=3.0, learnable=True, floor=1e-6),
            build(OmegaConf.load(CONF / f"head/{head}.yaml"), num_classes=5),
            embedding_size=8,
            batchnorm_momentum=0.9,
            normalization="minus_one_one",
        )
        optimizer = keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    regularization = L2(weight_decay=0.01, scope="all")
    return TrainStep(model, optimizer, Constant(peak=0.01), regularization, strategy, BATCH, **options)


def graphs(step: TrainStep) -> Iterator[tf.Graph]:
    """Yield the graph of a traced step, then the graphs of the functions that it calls."""
    stacked = () if step.steps_per_call == 1 else (step.steps_per_call,)
    batch = (
        tf.TensorSpec((*stacked, BATCH, SIDE, SIDE, 3), tf.uint8),
        tf.TensorSpec((*stacked, BATCH), tf.int32),
        tf.TensorSpec((*stacked, BATCH, 3, 4), tf.float32),
    )
    arguments = [batch] if step.steps_per_call == 1 else [batch, tf.TensorSpec((), tf.int32)]
    waiting, seen = [step._compiled.get_concrete_function(*arguments).graph], set()
    while waiting:
        graph: Any = waiting.pop()
        yield graph
        for name, function in graph._functions.items():
            if name not in seen and hasattr(function, "graph"):
                seen.add(name)
                waiting.append(function.graph)


def findings(step: TrainStep) -> list[str]:
    """List what a TPU cannot compile: calls of Python, separately compiled functions, unknown shapes."""
    texts = []
    for graph in graphs(step):
        functions, operations = graph.as_graph_def().library.function, graph.get_operations()
        texts += [f"{f.signature.name} is compiled by itself" for f in functions if f.attr["_XlaMustCompile"].b]
        texts += [f"{operation.name} calls Python" for operation in operations if "PyFunc" in operation.type]
        # A loop's condition gets every value of its body, and stands for those that it ignores by such placeholders.
        used = [operation for operation in operations if "redundant_placeholder" not in operation.name]
        # The last outputs of a fused BatchNorm, and their gradients of zero, are room that only GPUs use.
        used = [o for o in used if not (o.type == "ZerosLike" and "FusedBatchNorm" in o.inputs[0].op.type)]
        shapes = [(o, value.shape) for o in used for value in o.outputs[: 3 if "FusedBatchNorm" in o.type else None]]
        texts += [f"{o.name} ({o.type}) has the shape {s}" for o, s in shapes if not s.is_fully_defined()]
    return texts


@pytest.mark.parametrize("head", HEADS)
def test_the_step_can_be_compiled_as_a_whole(head: str):
    assert findings(made(head, one_layer)) == []


@pytest.mark.parametrize("options", [{"steps_per_call": 3}, {"skip_non_finite": True}], ids=str)
def test_so_can_several_and_one_that_may_be_left_out(options: dict[str, Any]):
    assert findings(made(**options)) == []


@pytest.mark.parametrize(
    ("hook", "finding"),
    [
        (lambda x: tf.numpy_function(np.abs, [x], tf.float32), "calls Python"),
        (lambda x: tf.function(tf.abs, jit_compile=True)(x), "is compiled by itself"),
        (lambda x: tf.boolean_mask(x, tf.reduce_sum(x, 1) > 0), "has the shape (None, 5)"),
    ],
    ids=["numpy", "jit", "mask"],
)
def test_what_it_looks_for_is_found(monkeypatch: pytest.MonkeyPatch, hook: Any, finding: str):
    step = made("norm_softmax", one_layer)
    right = step.model.head.with_margin

    def wrong(cosines: tf.Tensor, *rest: tf.Tensor) -> tf.Tensor:
        tf.reduce_sum(hook(cosines))
        return right(cosines, *rest)

    monkeypatch.setattr(step.model.head, "with_margin", wrong)
    assert any(finding in text for text in findings(step))


@pytest.mark.usefixtures("bfloat16")
def test_heads_norms_and_descriptors_are_float32_in_bfloat16():
    model = made().model
    network = model.network
    assert network.get_layer("conv0").compute_dtype == "bfloat16"
    assert network.get_layer("embedding").compute_dtype == "bfloat16"
    assert network.get_layer("embedding_norm").compute_dtype == "float32"
    assert {weight.dtype for weight in model.variables if "float" in weight.dtype} == {"float32"}
    images = tf.constant(np.random.default_rng(0).integers(0, 255, (BATCH, SIDE, SIDE, 3)), tf.uint8)
    assert model.describe(images).dtype == tf.float32
    losses, _ = model.losses_of(images, tf.zeros(BATCH, tf.int32), tf.eye(3, 4, batch_shape=[BATCH]))
    assert losses.dtype == tf.float32
    descriptors = tf.cast(network(images, training=False), tf.bfloat16)
    assert model.head.cosines(descriptors).dtype == tf.float32


@pytest.mark.usefixtures("bfloat16")
def test_the_backbones_norms_compute_in_float32_in_bfloat16():
    """Input and output are bfloat16; mean, variance and normalised values are computed in float32; a ReLU follows."""
    norm = made().model.network.get_layer("norm0")
    random = np.random.default_rng(1)
    given = tf.cast(random.normal(3.0, 1.0, (64, 8, 8, 4)), tf.bfloat16)
    outputs = norm(given, training=True)
    values = given.numpy().astype(np.float64)
    mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
    # bfloat16 has 8 bits: a sum of 4096 values in it would be wrong in the second digit.
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-4)
    expected = (values - mean) / np.sqrt(variance + norm.epsilon)
    assert outputs.dtype == tf.bfloat16
    rounded = np.maximum(expected, 0).astype(outputs.numpy().dtype)
    assert np.mean(outputs.numpy() == rounded) > 0.98  # except values half-way between two numbers
    np.testing.assert_allclose(outputs.numpy().astype(np.float64), rounded.astype(np.float64), rtol=2**-7)

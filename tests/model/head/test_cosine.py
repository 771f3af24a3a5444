"""Every head with class weights, built from its own YAML, keeps what the template promises."""

import inspect
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.model.head.cosine import CosineHead
from tests.model.head.choices import FILES, arguments_of, head_of, target_of

every_head = pytest.mark.parametrize(
    "file", [file for file in FILES if issubclass(target_of(file), CosineHead)], ids=lambda file: file.stem
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_yaml_lists_every_argument_and_the_constructor_hides_none(file):
    parameters = inspect.signature(target_of(file)).parameters
    assert set(arguments_of(file)) == set(parameters) - {"num_classes"}
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters.values())


def test_labels():
    labels = {file.stem: OmegaConf.create({"head": OmegaConf.load(file)}).head.label for file in FILES}
    assert len(set(labels.values())) == len(labels)  # a table's reader tells any two heads apart
    assert (
        labels
        | {
            "adacos_dynamic": "AdaCos(Dynamic)",
            "adacos_fixed": "AdaCos(Fixed)",
            "adacos_semi": "AdaCos(Semi)",
            "circle": "Circle(g=80.0, m=0.4)",
            "multi_similarity": "MultiSimilarity(a=2.0, b=50.0, l=0.5, e=0.1)",
            "proxy_anchor": "ProxyAnchor(s=32.0, m=0.1)",
            "soft_triple": "SoftTriple(s=20.0, m=0.01, K=10)",
            "supcon": "SupCon(T=0.1)",
            "triplet": "Triplet(hard, m=0.2)",
            "arcface": "ArcFace(s=C-1, m=0.5)",
            "cosface": "CosFace(s=64.0, m=0.35)",
            "curricularface": "CurricularFace(s=64.0, m=0.5)",
            "norm_softmax": "NormSoftmax(s=20.0)",
            "subcenter_arcface": "SubCenterArcFace(s=64.0, m=0.5, K=3)",
        }
        == labels
    )


@every_head
def test_correct_is_the_nearest_class_by_plain_cosine(file, problem_of):
    problem = problem_of(seed=1, batch=40, own=[0.9, 1.2])
    _, correct = problem.build(head_of(file, problem.num_classes))(*problem.inputs())
    expected = problem.angles.argmin(axis=1) == problem.labels
    assert {True, False} == set(expected)
    np.testing.assert_array_equal(correct, expected)


@every_head
def test_lengths_of_descriptors_and_of_class_weights_do_not_count(file, problem_of):
    problem = problem_of(seed=2)
    losses = problem.losses(problem.build(head_of(file, 7)))
    again = problem_of(seed=2)
    again.descriptors *= np.linspace(0.1, 50, 8)[:, None]
    again.kernel *= np.linspace(0.1, 50, 7)
    np.testing.assert_allclose(again.losses(again.build(head_of(file, 7))), losses, rtol=2e-5)


@every_head
def test_one_small_step_against_the_gradient_raises_the_own_cosine(file, problem_of):
    problem = problem_of(seed=3)
    head = problem.build(head_of(file, problem.num_classes))
    before = np.cos(problem.own_angles).mean()
    descriptors, labels = problem.inputs()
    with tf.GradientTape() as tape:
        tape.watch(descriptors)
        losses, _ = head(descriptors, labels)
    problem.descriptors = (descriptors - 1e-3 * tape.gradient(losses, descriptors)).numpy()
    assert np.cos(problem.own_angles).mean() > before + 1e-5


@every_head
@pytest.mark.usefixtures("mixed_bfloat16")
def test_finite_at_cosines_of_exactly_1_and_minus_1_in_mixed_bfloat16(file):
    kernel = np.eye(4, dtype=np.float32) * [1, 2, 4, 0]  # and a class without a direction
    head = head_of(file, 4)
    head.build((None, 4))
    head.kernel.assign(np.tile(kernel, (1, head.kernel.shape[1] // 4)))
    descriptors = tf.constant([[1, 0, 0, 0], [-1, 0, 0, 0], [0, 4, 0, 0], [0, 0, -2, 0], [0, 0, 0, 0]], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(descriptors)
        losses, _ = head(descriptors, tf.constant([0, 0, 1, 2, 3]))
    assert head.kernel.dtype == losses.dtype == "float32"
    # Exactly, but for the mean over SoftTriple's centres, whose weights may add up to 1 + 1e-7.
    np.testing.assert_allclose(
        np.diag(head.cosines(descriptors).numpy()[[0, 1, 2, 3]][:, [0, 0, 1, 2]]), [1, -1, 1, -1], rtol=2e-7
    )
    gradients: Any = tape.gradient(losses, [descriptors, head.kernel.value])
    for values in (losses, *gradients):
        assert np.isfinite(tf.cast(values, tf.float32)).all()


@every_head
def test_xla_compiles_it_and_agrees(file, problem_of):
    """XLA, and so a TPU, accepts only static shapes and no Python."""
    problem = problem_of(seed=4)
    head = problem.build(head_of(file, problem.num_classes))
    twin = problem.build(head_of(file, problem.num_classes))
    losses, correct = tf.function(lambda *batch: head(*batch), jit_compile=True)(*problem.inputs())
    np.testing.assert_allclose(losses, problem.losses(twin), rtol=1e-5, atol=1e-5)
    assert correct.dtype == tf.bool
    for weight, expected in zip(head.weights, twin.weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5)


@every_head
def test_as_many_classes_as_gldv2_full(file):
    head = head_of(file, 203_094)
    losses, _ = head(tf.constant([[1.0, -2.0], [0.5, 0.1]]), tf.constant([0, 203_093]))
    assert losses.shape == (2,)
    assert np.isfinite(losses).all()


def test_fixed_scale_is_a_weight_that_does_not_train():
    head = CosineHead(num_classes=81_313, scale=None)
    head.build((None, 2))
    np.testing.assert_allclose(np.exp(head.scale.numpy() / np.sqrt(2)), 81_312, rtol=1e-4)
    assert [weight.name for weight in head.weights] == ["kernel", "scale"]
    assert [weight.name for weight in head.trainable_weights] == ["kernel"]


@pytest.mark.parametrize(
    ("file", "argument", "value"),
    [
        ("norm_softmax", "scale", -1.0),
        ("norm_softmax", "scale", 0.0),
        ("norm_softmax", "scale", float("nan")),
        ("norm_softmax", "num_classes", 1),
        ("adacos_fixed", "num_classes", 2),
        ("adacos_semi", "num_classes", 2),
        ("arcface", "margin", -0.1),
        ("arcface", "margin", 1.6),
        ("subcenter_arcface", "centers", 0),
        ("cosface", "margin", 1.1),
        ("curricularface", "momentum", 1.01),
        ("proxy_anchor", "margin", 1.1),
        ("soft_triple", "centers", 0),
        ("soft_triple", "temperature", 0.0),
        ("triplet", "num_classes", 1),
        ("triplet", "margin", 0.0),
        ("triplet", "negatives", "easy"),
        ("supcon", "temperature", 0.0),
        ("multi_similarity", "alpha", 0.0),
        ("multi_similarity", "beta", float("inf")),
        ("multi_similarity", "base", 1.5),
        ("multi_similarity", "epsilon", -0.1),
        ("circle", "margin", -0.1),
        ("circle", "gamma", 0.0),
    ],
)
def test_wrong_values_are_named(file, argument, value):
    file = next(f for f in FILES if f.stem == file)
    arguments = {"num_classes": 7, **arguments_of(file), argument: value}
    with pytest.raises(ValueError, match=f"^{argument}={value}: "):
        target_of(file)(**arguments)


@every_head
def test_the_loss_of_a_regular_simplex(file):
    """The vertices of a simplex as weights and as descriptors, in as many steps as a scale takes to settle."""
    vertices = np.eye(7) - 1 / 7
    head = head_of(file, 7)
    head.build((None, 7))
    head.kernel.assign(np.tile(vertices, (1, head.kernel.shape[1] // 7)))
    losses = [head(tf.constant(vertices, tf.float32), tf.range(7))[0] for _ in range(12)][-1]
    fresh = head_of(file, 7)
    fresh.build((None, 1))
    np.testing.assert_allclose(np.mean(losses), fresh.simplex_loss(np.arange(7)), rtol=1e-3, atol=1e-5)

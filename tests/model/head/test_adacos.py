import numpy as np
import pytest
import tensorflow as tf

from glr.model.head.adacos import AdaCosDynamic, AdaCosSemi, cos_of_median
from glr.model.head.norm_softmax import NormSoftmax

# Own angles of successive batches, radians: below pi/4 the median counts, above it does not; odd and even batches.
STEPS = [(8, [1.3, 1.5]), (8, [0.5, 0.7, 0.9]), (7, [0.2, 0.3]), (7, [0.6, 1.2, 0.1]), (8, [0.1, 0.5])]


def semi(problem, previous):  # noqa: ARG001
    return np.log(problem.num_classes - 1) / np.cos(min(np.pi / 4, np.median(problem.own_angles)))


def dynamic(problem, previous):
    wrong = ~problem.one_hot
    b_avg = np.mean(
        [np.exp(previous * np.cos(row[mask])).sum() for row, mask in zip(problem.angles, wrong, strict=True)]
    )
    return np.log(b_avg) / np.cos(min(np.pi / 4, np.median(problem.own_angles)))


@pytest.mark.parametrize(("head", "formula"), [(AdaCosSemi, semi), (AdaCosDynamic, dynamic)])
def test_scales_and_losses_over_several_steps(problem_of, head, formula):
    head = head(num_classes=7)
    scale, scales = np.sqrt(2) * np.log(6), []
    for seed, (batch, own) in enumerate(STEPS):
        problem = problem_of(seed=20 + seed, batch=batch, own=own)
        problem.build(head) if not head.built else head.kernel.assign(problem.kernel)
        scales.append(scale := formula(problem, scale))
        expected = problem.cross_entropy(scale * np.cos(problem.angles))
        np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(head.scale.numpy(), scale, rtol=1e-5)
    assert np.ptp(scales) > 0.3


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
def test_median_is_numpys(batch):
    angles = np.random.default_rng(batch).uniform(0, 0.7, batch)
    expected = np.cos(np.median(angles))
    np.testing.assert_allclose(cos_of_median(tf.constant(np.cos(angles), tf.float32)), expected, rtol=1e-6)


def test_cosines_rounded_beyond_1():
    assert cos_of_median(tf.constant([1.0000001, 1.0000001])) == 1
    np.testing.assert_allclose(cos_of_median(tf.constant([-1.0000001, -1.0000001])), np.sqrt(0.5), rtol=1e-6)


@pytest.mark.parametrize("head", [AdaCosSemi, AdaCosDynamic])
def test_no_gradient_goes_through_the_scale(problem_of, head):
    problem = problem_of(seed=30, own=[0.3, 0.6])
    head = problem.build(head(num_classes=7))
    descriptors, labels = problem.inputs()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(descriptors)
        losses, _ = head(descriptors, labels)
        constant = problem.build(NormSoftmax(num_classes=7, scale=float(head.scale.numpy())))
        expected, _ = constant(descriptors, labels)
    gradient = tape.gradient(expected, descriptors)
    np.testing.assert_allclose(tape.gradient(losses, descriptors), gradient, rtol=1e-4, atol=1e-6)


def test_dynamic_keeps_its_scale_where_the_wrong_classes_sum_to_less_than_1():
    head = AdaCosDynamic(num_classes=3)
    head.build((None, 2))
    head.kernel.assign([[1, -1, -1], [0, 0, 0]])
    losses, _ = head(tf.constant([[1.0, 0.0], [2.0, 0.0]]), tf.constant([0, 0]))
    s = np.sqrt(2) * np.log(2)
    assert 2 * np.exp(-s) < 1  # B_avg: ln is negative
    np.testing.assert_allclose(head.scale.numpy(), s, rtol=1e-6)
    np.testing.assert_allclose(losses, np.log1p(2 * np.exp(-2 * s)), rtol=1e-5)


def test_dynamic_does_not_overflow():
    head = AdaCosDynamic(num_classes=4)
    head.build((None, 4))
    head.kernel.assign(np.eye(4))
    head.scale.assign(200.0)  # exp(200) is beyond float32
    losses, _ = head(tf.constant([[1.0, 0, 0, 0], [0, 1.0, 0, 0]]), tf.constant([0, 2]))
    # B_avg = (3 + exp(200) + 2) / 2; the median of the angles 0 and pi/2 is pi/4.
    np.testing.assert_allclose(head.scale.numpy(), (200 - np.log(2)) * np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(losses, [0, head.scale.numpy()], rtol=1e-6)

import numpy as np
import tensorflow as tf

from glr.model.head.curricularface import CurricularFace


def test_losses_and_t_over_several_steps(problem_of):
    head = CurricularFace(num_classes=7, margin=0.5, scale=16.0, momentum=0.7)
    t = 0.0
    for seed, own in enumerate([[0.4, 0.9, 1.4], [3.1, 0.2, 2.8], [1.1]]):
        problem = problem_of(seed=60 + seed, own=own)
        # A twin of the first image's class: where that class is opposite (3.1), so is the twin, and not hard.
        problem.kernel[:, (problem.labels[0] + 1) % 7] = 2 * problem.kernel[:, problem.labels[0]] + 0.1
        problem.build(head) if not head.built else head.kernel.assign(problem.kernel)
        angles, is_own = problem.angles, problem.one_hot
        theta = problem.own_angles[:, None]
        t += 0.3 * (np.cos(theta).mean() - t)
        hard = np.cos(angles) > np.cos(theta + 0.5)
        assert {True, False} == set(hard[~is_own])
        logits = np.where(hard, np.cos(angles) ** 2 + t * np.cos(angles), np.cos(angles))
        penalised = np.where(theta + 0.5 > np.pi, np.cos(theta) - 0.5 * np.sin(0.5), np.cos(theta + 0.5))
        expected = problem.cross_entropy(16 * np.where(is_own, penalised, logits))
        np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(head.t.numpy(), t, rtol=1e-5)


def test_no_gradient_goes_through_t(problem_of):
    """With momentum 0, t is the mean own cosine: a gradient through t would change the other examples' gradients."""
    problem = problem_of(seed=63)
    head = problem.build(CurricularFace(num_classes=7, margin=0.5, scale=16.0, momentum=0.0))
    descriptors, labels = problem.inputs()
    with tf.GradientTape() as tape:
        tape.watch(descriptors)
        losses, _ = head(descriptors, labels)
        first = losses[0]
    np.testing.assert_array_equal(tape.gradient(first, descriptors)[1:], 0)

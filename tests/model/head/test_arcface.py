import numpy as np
import pytest

from glr.model.head.arcface import ArcFace, SubCenterArcFace


def with_margin(angles, own, margin):
    """Cosines [B, C]; own is bool [B, C]."""
    beyond = angles + margin > np.pi
    assert {True, False} == set(beyond[own])
    penalised = np.where(beyond, np.cos(angles) - margin * np.sin(margin), np.cos(angles + margin))
    return np.where(own, penalised, np.cos(angles))


@pytest.mark.parametrize(("margin", "scale", "s"), [(0.5, None, np.sqrt(2) * np.log(6)), (0.3, 30.0, 30.0)])
def test_arcface(problem_of, margin, scale, s):
    problem = problem_of(seed=41, own=[0.05, 0.8, 1.6, 2.4, 2.6, 2.9, 3.1])
    head = problem.build(ArcFace(num_classes=7, margin=margin, scale=scale))
    expected = problem.cross_entropy(s * with_margin(problem.angles, problem.one_hot, margin))
    np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)


def test_subcenter_takes_each_class_s_nearest_centre(problem_of):
    centers, classes = 3, 7
    problem = problem_of(seed=42, own=[0.3, 1.0])
    head = SubCenterArcFace(num_classes=classes, margin=1.2, scale=16.0, centers=centers)
    head.build((None, 12))
    kernel = np.random.default_rng(43).normal(size=(12, centers, classes))
    # The first image lies at the far side of all of its class's centres: beyond pi - m of even the nearest.
    kernel[:, :, problem.labels[0]] += -9 * (problem.descriptors[0] / np.linalg.norm(problem.descriptors[0]))[:, None]
    head.kernel.assign(kernel.reshape(12, -1))
    d = problem.descriptors / np.linalg.norm(problem.descriptors, axis=1, keepdims=True)
    angles = np.arccos([[max(x @ w / np.linalg.norm(w) for w in kernel[:, :, c].T) for c in range(classes)] for x in d])
    expected = problem.cross_entropy(16 * with_margin(angles, problem.one_hot, 1.2))
    np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)


def test_one_centre_is_arcface(problem_of):
    problem = problem_of(seed=44)
    one = problem.build(SubCenterArcFace(num_classes=7, margin=0.5, scale=30.0, centers=1))
    plain = problem.build(ArcFace(num_classes=7, margin=0.5, scale=30.0))
    np.testing.assert_allclose(problem.losses(one), problem.losses(plain), rtol=1e-6)

import numpy as np
import pytest

from glr.model.head.cosface import CosFace


@pytest.mark.parametrize(("margin", "scale", "s"), [(0.35, 64.0, 64.0), (0.1, None, np.sqrt(2) * np.log(6))])
def test_loss(problem_of, margin, scale, s):
    problem = problem_of(seed=51)
    head = problem.build(CosFace(num_classes=7, margin=margin, scale=scale))
    expected = problem.cross_entropy(s * (np.cos(problem.angles) - margin * problem.one_hot))
    np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)

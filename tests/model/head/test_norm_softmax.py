import numpy as np
import pytest

from glr.model.head.norm_softmax import NormSoftmax


@pytest.mark.parametrize(("scale", "s"), [(20.0, 20.0), (None, np.sqrt(2) * np.log(6))])
def test_loss(problem_of, scale, s):
    problem = problem_of(seed=11)
    head = problem.build(NormSoftmax(num_classes=7, scale=scale))
    expected = problem.cross_entropy(s * np.cos(problem.angles))
    for _ in range(2):  # nothing changes from step to step
        np.testing.assert_allclose(problem.losses(head), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(head.scale.numpy(), s, rtol=1e-6)

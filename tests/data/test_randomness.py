"""Numbers by formula: a position's are its own, uniform, and independent of where drawing began."""

import numpy as np
import pytest

from glr.data.randomness import generator, uniforms


@pytest.mark.parametrize("draws", [1, 4, 9])
def test_a_positions_numbers_are_the_same_wherever_drawing_begins(draws: int):
    whole = uniforms(3, 1, 0, 100, draws)
    assert whole.shape == (100, draws)
    for first, count in ((0, 7), (13, 50), (99, 1)):
        np.testing.assert_array_equal(uniforms(3, 1, first, count, draws), whole[first : first + count])


def test_they_are_uniform_and_differ_between_seeds_epochs_and_positions():
    values = uniforms(0, 0, 0, 50_000, 9)
    assert ((values > 0) & (values < 1)).all()
    np.testing.assert_allclose(values.mean(0), 0.5, atol=0.006)
    np.testing.assert_allclose(values.std(0), 12**-0.5, rtol=0.01)
    np.testing.assert_allclose(np.corrcoef(values.T), np.eye(9), atol=0.02)
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.02
    assert len(np.unique(values)) == values.size
    for other in (uniforms(1, 0, 0, 50_000, 9), uniforms(0, 1, 0, 50_000, 9)):
        assert abs(np.corrcoef(values.ravel(), other.ravel())[0, 1]) < 0.01


def test_no_draws_are_no_numbers():
    assert uniforms(0, 0, 5, 3, 0).shape == (3, 0)


def test_purposes_have_generators_of_their_own():
    first = [generator(1, *place).random() for place in (("a", 0), ("b", 0), ("a", 1), ("a", 0))]
    assert first[0] == first[3]
    assert len(set(first)) == 3

"""What a choice on Public costs."""

import numpy as np
import pytest

from glr.statistics.bootstrap import bootstrap
from glr.statistics.choice import choice
from glr.statistics.estimators import Mean
from glr.statistics.replicates import Replicates


def test_the_winner_on_public_may_be_the_second_on_private():
    public = Replicates([0.5, 0.7, 0.6], np.tile([0.5, 0.7, 0.6], (3, 1)), [0, 1, 2])
    private = Replicates([0.4, 0.5, 0.53], np.tile([0.4, 0.5, 0.53], (3, 1)), [0, 1, 2])
    chosen = choice(public, private)
    assert (chosen.best, chosen.private_rank, chosen.private_loss) == (1, 2, pytest.approx(0.03))
    assert chosen.optimism == 0  # no resample changes the winner


def test_of_positions_the_lowest_is_the_best():
    public = Replicates([5.0, 3.0], np.tile([5.0, 3.0], (3, 1)), [0, 1])
    private = Replicates([4.0, 6.0], np.tile([4.0, 6.0], (3, 1)), [0, 1])
    chosen = choice(public, private, lowest=True)
    assert (chosen.best, chosen.private_rank, chosen.private_loss, chosen.optimism) == (1, 2, 2.0, 0.0)


def test_the_optimism_is_the_expected_excess_of_the_best_of_equal_ones():
    """Of k independent normal means with standard error e the best one exceeds its truth by e E[max of k]."""
    values = np.random.default_rng(0).normal(size=(4, 400))
    values -= values.mean(axis=1, keepdims=True)
    measured = Replicates(np.zeros(4), bootstrap([Mean(row) for row in values], 400, 4000), range(4))
    assert choice(measured, measured).optimism == pytest.approx(1.0294 / 20, rel=0.06)

"""A worked example whose figures other libraries gave; `oracles.py` has the command."""

import numpy as np
import pytest

from glr.retrieval.metrics import average_precision
from glr.statistics.randomization import holm, sign_flip_test
from tests.statistics.oracles import P_VALUES, rankings


def test_ranx_finds_the_same_scores_and_the_same_p():
    systems = [[average_precision(set(range(5)), each) for each in rankings(system)] for system in range(2)]
    assert [np.mean(values) for values in systems] == pytest.approx([0.44166429997971174, 0.5028915519655445])
    assert sign_flip_test(np.subtract(*systems), 100_000) == pytest.approx(0.140139, abs=0.004)


def test_statsmodels_adjusts_p_values_alike():
    assert holm(P_VALUES) == pytest.approx([0.006, 0.12, 0.06, 0.2, 0.12, 0.12])

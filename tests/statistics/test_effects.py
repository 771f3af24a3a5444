"""Effects of settings in a full and in a partial grid."""

import numpy as np
import pytest

from glr.statistics.effects import effects, effects_given, ranges
from glr.statistics.replicates import Replicates


def study(values: dict[tuple[str, int], float]):
    """Configurations with a head and a width, two seeds each, that no query tells apart."""
    runs = np.repeat(list(values.values()), 2) + np.tile([-0.01, 0.01], len(values))
    settings = [{"head": head, "width": width, "epochs": 3} for head, width in values]
    return settings, Replicates(runs, np.tile(runs, (10, 1)), np.repeat(np.arange(len(values)), 2))


def test_an_effect_is_the_mean_over_pairs_that_differ_in_nothing_else():
    settings, measured = study({("a", 1): 0.1, ("b", 1): 0.2, ("a", 2): 0.3, ("b", 2): 0.6, ("c", 2): 0.5})
    rows = {(each.setting, each.values): each for each in effects(settings, measured)}
    assert {key: (each.pairs, pytest.approx(each.estimate.value)) for key, each in rows.items()} == {
        ("head", ("a", "b")): (2, 0.2),
        ("head", ("a", "c")): (1, 0.2),
        ("head", ("b", "c")): (1, -0.1),
        ("width", (1, 2)): (2, 0.3),
    }
    # Two pairs of means of two: s² (4 / 2) / 2² for s² = 0.0002, 5 degrees of freedom.
    estimate = rows["head", ("a", "b")].estimate
    assert estimate.high - estimate.value == pytest.approx(2.5706 * (0.0002 / 2) ** 0.5, rel=1e-4)


def test_the_effect_of_a_setting_at_each_value_of_another():
    settings, measured = study({("a", 1): 0.1, ("b", 1): 0.2, ("a", 2): 0.3, ("b", 2): 0.6})
    rows = {(each.setting, each.given): each.estimate.value for each in effects_given(settings, measured)}
    assert rows == {
        ("head", ("width", 1)): pytest.approx(0.1),
        ("head", ("width", 2)): pytest.approx(0.3),
        ("width", ("head", "a")): pytest.approx(0.2),
        ("width", ("head", "b")): pytest.approx(0.4),
    }


def test_a_setting_of_more_than_twelve_values_is_a_range():
    grid = {(head, width): 0.1 for head in "ab" for width in range(13)}
    settings, measured = study(grid)
    assert ranges(settings) == {"width": 13}
    assert {each.setting for each in [*effects(settings, measured), *effects_given(settings, measured)]} == {"head"}
    settings, measured = study({key: value for key, value in grid.items() if key[1] < 12})
    assert ranges(settings) == {}
    assert sum(each.setting == "width" for each in effects(settings, measured)) == 66  # all pairs of 12 values


def test_configurations_without_a_partner_have_no_effects():
    settings, measured = study({("a", 1): 0.1, ("b", 2): 0.2})
    assert effects(settings, measured) == effects_given(settings, measured) == []

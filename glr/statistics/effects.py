"""Effects of settings: the mean difference that a setting makes between configurations that agree in all others."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from glr.statistics.replicates import Estimate, Replicates

Settings = Mapping[str, Hashable]
MOST = 12  # values of a factor


@dataclass(frozen=True)
class Effect:
    """What a setting's change from one value to another adds to the metric, on average over pairs of configurations.

    Attributes:
        setting: name of the setting.
        values: the value before and after the change.
        estimate: the mean difference.
        pairs: number of pairs of configurations.
        given: another setting and its value that all these configurations have; None: any.
    """

    setting: str
    values: tuple[Hashable, Hashable]
    estimate: Estimate
    pairs: int
    given: tuple[str, Hashable] | None = None


def effects(settings: Sequence[Settings], replicates: Replicates, level: float = 0.95) -> list[Effect]:
    """Estimate each change between two values of each factor, where some pair differs in nothing else.

    A setting of more than `MOST` values is no factor: see `ranges`.

    Args:
        settings: settings of the configurations, with the same names in each.
        replicates: their metric.
        level: nominal coverage of the intervals.
    """
    return [effect for name in _factors(settings) for effect in _effects(settings, replicates, name, None, level)]


def effects_given(settings: Sequence[Settings], replicates: Replicates, level: float = 0.95) -> list[Effect]:
    """Estimate the effects of each factor at each value of each other factor; where they differ, the two interact."""
    names = _factors(settings)
    return [
        effect
        for name in names
        for other in names
        if other != name
        for value in dict.fromkeys(each[other] for each in settings)
        for effect in _effects(settings, replicates, name, (other, value), level)
    ]


def ranges(settings: Sequence[Settings]) -> dict[str, int]:
    """Return the settings of more than `MOST` values, with their numbers of values.

    A search has drawn them from a range: few pairs of configurations share two of the values, and all pairs of values
    would take minutes and fill pages.
    """
    return {name: number for name, number in _values(settings).items() if number > MOST}


def _effects(
    settings: Sequence[Settings], replicates: Replicates, name: str, given: tuple[str, Hashable] | None, level: float
) -> Iterator[Effect]:
    chosen = [number for number, each in enumerate(settings) if given is None or each[given[0]] == given[1]]
    places = {value: place for place, value in enumerate(dict.fromkeys(settings[number][name] for number in chosen))}
    alike: dict[frozenset[tuple[str, Hashable]], list[int]] = {}  # configurations that agree in all other settings
    for number in sorted(chosen, key=lambda number: places[settings[number][name]]):
        alike.setdefault(frozenset(settings[number].items() - {(name, settings[number][name])}), []).append(number)
    pairs: dict[tuple[Hashable, Hashable], list[tuple[int, int]]] = {}
    for members in alike.values():
        for first, second in combinations(members, 2):
            if settings[first][name] != settings[second][name]:
                pairs.setdefault((settings[first][name], settings[second][name]), []).append((first, second))
    for values in sorted(pairs, key=lambda values: (places[values[0]], places[values[1]])):
        weights = np.zeros(len(settings))
        for first, second in pairs[values]:
            weights[first] -= 1 / len(pairs[values])
            weights[second] += 1 / len(pairs[values])
        yield Effect(name, values, replicates.estimate(weights, level), len(pairs[values]), given)


def _factors(settings: Sequence[Settings]) -> list[str]:
    return [name for name, number in _values(settings).items() if 1 < number <= MOST]


def _values(settings: Sequence[Settings]) -> dict[str, int]:
    return {name: len({each[name] for each in settings}) for name in settings[0]} if settings else {}

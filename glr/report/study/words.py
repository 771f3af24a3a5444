"""Metrics and numbers in words, as sentences, tables and plots of studies print them."""

from collections.abc import Mapping, Sequence
from math import floor, log10

from glr.config.printing import counted

Metric = str  # `private/gap`; `gap` of a solution that is not divided

KINDS = {"train": "single models", "ensemble": "ensembles", "evaluation": "evaluations"}  # of configurations
_WORDS = {"map": "mAP", "mp": "mP", "gap": "GAP", "top1_accuracy": "top-1 accuracy"}


def metric_words(metric: Metric) -> str:
    """Return the name of a metric.

    Examples:
        >>> metric_words("private/map_at_100"), metric_words("gap"), metric_words("hard/mean_position")
        ('Private mAP@100', 'GAP', 'Hard mean position')
    """
    usage, _, name = metric.rpartition("/")
    kind, _, depth = name.partition("_at_")
    words = _WORDS.get(kind, kind.replace("_", " ")) + (f"@{depth}" if depth else "")
    return f"{usage.capitalize()} {words}".strip()


def lowest_is_best(metric: Metric) -> bool:
    """Return True for positions; the highest value of any other metric is the best."""
    return metric.endswith("_position")


def decimals(metric: Metric, width: float = 0.0) -> int:
    """Return the decimals to print: two digits of the interval's width, and at least three (one of a position).

    Examples:
        >>> decimals("gap", 0.016), decimals("gap", 0.00031), decimals("median_position", 2.5)
        (3, 5, 1)
    """
    digits = 1 - floor(log10(width)) if width > 0 else 0
    return min(max(digits, 1 if lowest_is_best(metric) else 3), 6)


def queries_in_words(queries: Mapping[str, int]) -> list[str]:
    """Return the number of queries of each usage, Public first.

    Examples:
        >>> queries_in_words({"Private": 1200, "Public": 1})
        ['1 Public query', '1,200 Private queries']
    """
    return [
        counted(number, f"{usage} query".lstrip(), f"{usage} queries".lstrip())
        for usage, number in sorted(queries.items(), reverse=True)
    ]


def first_of(names: Sequence[str], most: int = 3) -> str:
    """Name the first few, and count the others.

    Examples:
        >>> first_of(["a", "b", "c", "d", "e"])
        'a; b; c and 2 more'
    """
    return "; ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plain(value: float, places: int) -> str:
    """Format a number; a number that rounds to 0 has no sign.

    Examples:
        >>> plain(0.0214, 3), plain(-0.0001, 3)
        ('0.021', '0.000')
    """
    return f"{round(value, places) + 0.0:.{places}f}"


def signed(value: float, places: int) -> str:
    """Format a difference with its sign.

    Examples:
        >>> signed(0.0214, 3), signed(-0.0001, 3)
        ('+0.021', '0.000')
    """
    text = plain(value, places)
    return f"+{text}" if float(text) > 0 else text


def interval(low: float, high: float, places: int) -> str:
    """Format an interval.

    Examples:
        >>> interval(-0.0042, 0.0289, 3)
        '[-0.004, 0.029]'
    """
    return f"[{plain(low, places)}, {plain(high, places)}]"


def with_interval(value: float, low: float, high: float, places: int) -> str:
    """Format a difference with its interval.

    Examples:
        >>> with_interval(0.0214, -0.0042, 0.0289, 3)
        '+0.021 [-0.004, 0.029]'
    """
    return f"{signed(value, places)} {interval(low, high, places)}"

"""Ensembles that a search tried, as text and as a CSV."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glr.config.printing import counted

if TYPE_CHECKING:
    from glr.ensemble.combining import Choice


def weighted(names: Sequence[str], weights: Sequence[float]) -> str:
    """Join names by +, with their weights unless these are equal.

    Examples:
        >>> weighted(["a", "b"], [2.0, 0.5])
        '2 x a + 0.5 x b'
    """
    equal = len(set(weights)) == 1
    return " + ".join(name if equal else f"{weight:g} x {name}" for name, weight in zip(names, weights, strict=True))


def listing(tried: "Sequence[Choice]", names: Sequence[str], metric: str, most: int = 10) -> str:
    """List the first choices, a line each, below a heading.

    Args:
        tried: best first.
        names: the candidates' names.
        metric: the name of the search's metric, such as public/gap.
        most: choices to list.
    """
    heading = f"{counted(len(tried), 'combination')} of {len(names)} runs tried; the best by {metric}:"
    lines = (f"{c.score:.5f}  {weighted([names[n] for n in c.members], c.weights)}" for c in tried[:most])
    return "\n  ".join([heading, *lines])


def as_csv(tried: "Sequence[Choice]", names: Sequence[str], metric: str) -> str:
    """Return a CSV with a row for each choice; takes the arguments of `listing`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([metric, "members", "weights"])
    for choice in tried:
        members = "; ".join(names[n] for n in choice.members)
        writer.writerow([choice.score, members, "; ".join(f"{weight:g}" for weight in choice.weights)])
    return text.getvalue()

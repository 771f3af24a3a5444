"""Scores as a result of a command and as a table of text, and those that evaluations are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glr.config.usages import USAGES, metric_name
from glr.config.values import Score

if TYPE_CHECKING:
    import pandas as pd

# The metrics that evaluations are compared by; the first that a task has is its score.
_HEADLINES = (
    *(metric_name(usage, metric) for metric in ("map_at_100", "gap") for usage in USAGES),
    *("medium/map", "hard/map", "easy/map"),
)


@dataclass(frozen=True)
class Scored:
    """The result of a command that scores: `glr.run("evaluate", ...)`, and so for train, ensemble and score.

    Attributes:
        score: the score that studies compare, or the first headline of an evaluation.
        metrics: state -> metrics; the last state is the final one ("untrained", "trained"; "before", "after"; "").
        id: the run that holds the scores; None: nothing was recorded, or the run waits to be sent.
        name: the run's name.
        study: the run's study.
        pages: how to look at the study's runs in MLflow.
    """

    score: float
    metrics: Mapping[str, Mapping[str, float]]
    id: str | None = None
    name: str = ""
    study: str = ""
    pages: str = ""

    @property
    def scores(self) -> "pd.DataFrame":
        """The final metrics: a row for each metric, a column for each usage or part (`public`, `private`, `all`)."""
        import pandas as pd

        return pd.DataFrame(_by_part(list(self.metrics.values())[-1]))

    def _repr_html_(self) -> str:
        return self.scores.to_html(float_format="{:.4f}".format)


def _by_part(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    parts: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        part, _, metric = name.rpartition("/")
        parts.setdefault(part or "all", {})[metric] = value
    return parts


def of_solution(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics among a run's that a solution determined: `public/gap`, or `gap` of an undivided one."""
    usages = [usage.lower() for usage in USAGES if usage]
    return {
        name: value for name, value in metrics.items() if name.rpartition("/")[0] in usages or name in Score.__members__
    }


def headlines(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that evaluations are compared by; the first is the score."""
    return {name: metrics[name] for name in _HEADLINES if name in metrics}


def table(states: Mapping[str, Mapping[str, float]]) -> str:
    """Return a line per metric, with a column per part of the task (public, private; easy, medium, hard) and state.

    Args:
        states: the metrics of each state ("untrained" or "initial", "trained"; "" for a single state), named
            `<part>/<metric>`, or `<metric>` if the task has no parts. Other metrics, and metrics that the last state
            lacks, are left out.
    """
    last = [name for name in list(states.values())[-1] if name != "validation/accuracy"]
    split = [name.rpartition("/") for name in last]
    parts = list(dict.fromkeys(part for part, slash, _ in split if slash)) or [""]
    names = list(dict.fromkeys(name for part, _, name in split if part in parts))
    columns = [(part, state) for part in parts for state in states]
    lines = ["", " " * 18 + "".join(f"{part.capitalize() or 'Score':>12}" for part, _ in columns)]
    if any(states):
        lines.append(" " * 18 + "".join(f"{state:>12}" for _, state in columns))
    for name in names:
        values = [states[state].get(f"{part}/{name}" if part else name) for part, state in columns]
        lines.append(f"{name:<18}" + "".join(f"{'' if v is None else f'{v:.4f}':>12}" for v in values))
    return "\n".join(lines)

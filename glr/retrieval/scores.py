"""Scores as a table of text, and those that evaluations are compared by."""

from collections.abc import Mapping

from glr.config.usages import USAGES, metric_name

# The metrics that evaluations are compared by; the first that a task has is its score.
_HEADLINES = (
    *(metric_name(usage, metric) for metric in ("map_at_100", "gap") for usage in USAGES),
    *("medium/map", "hard/map", "easy/map"),
)


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

"""Scores as a table of text, and those that evaluations are compared by."""

from collections.abc import Mapping

# The metrics that evaluations are compared by; the first that a task has is its score.
_HEADLINES = (
    *("public/map_at_100", "private/map_at_100", "public/gap", "private/gap"),
    *("medium/map", "hard/map", "easy/map"),
)


def headlines(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that evaluations are compared by; the first is the score."""
    return {name: metrics[name] for name in _HEADLINES if name in metrics}


def table(states: Mapping[str, Mapping[str, float]]) -> str:
    """Return a line per metric, with a column per part of the task (public, private; easy, medium, hard) and state.

    Args:
        states: the metrics of each state ("untrained", "trained"; "" for a single state), named `<part>/<metric>`.
            Other metrics, and metrics that the last state lacks, are left out.
    """
    last = list(states.values())[-1]
    parts = list(dict.fromkeys(name.split("/")[0] for name in last if "/" in name and name != "validation/accuracy"))
    names = list(dict.fromkeys(name.partition("/")[2] for name in last if name.split("/")[0] in parts))
    columns = [(part, state) for part in parts for state in states]
    lines = ["", " " * 18 + "".join(f"{part.capitalize():>12}" for part, _ in columns)]
    if any(states):
        lines.append(" " * 18 + "".join(f"{state:>12}" for _, state in columns))
    for name in names:
        values = [states[state][f"{part}/{name}"] for part, state in columns]
        lines.append(f"{name:<18}" + "".join(f"{value:>12.4f}" for value in values))
    return "\n".join(lines)

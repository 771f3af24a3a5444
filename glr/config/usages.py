"""The usages of a solution's queries, which are scored separately, and the names of their metrics."""

from collections.abc import Iterable, Mapping

from glr.errors import GlrError

UNDIVIDED = ""  # the usage of all queries of a solution without Public and Private
USAGES = ("Public", "Private", UNDIVIDED)  # a run's best epoch is the best on the first usage that its solution has
IGNORED = "Ignored"


def metric_name(usage: str, metric: str) -> str:
    """The name of a usage's metric: `public/gap`, `private/gap`, or `gap` of an undivided solution."""
    return f"{usage.lower()}/{metric}" if usage else metric


def score_name(usage: str) -> str:
    """The name of a usage's score, which studies compare: `public_score`, `private_score` or `score`."""
    return f"{usage.lower()}_score" if usage else "score"


def scored_usages(names: Iterable[str], metric: str) -> list[str]:
    """The usages for which `names` hold a metric, Public first.

    Raises:
        GlrError: there are none.
    """
    names = set(names)
    if usages := [usage for usage in USAGES if metric_name(usage, metric) in names]:
        return usages
    known = ", ".join(sorted({name.rpartition("/")[2] for name in names})) or "none"
    raise GlrError(f"score={metric}: the set has no solution for this metric; its metrics are {known}")


def headline(scores: Mapping[str, float], metric: str) -> dict[str, float]:
    """The scores that studies compare: a metric for each usage, Public first; see `score_name`.

    Raises:
        GlrError: no usage has the metric.
    """
    return {score_name(usage): scores[metric_name(usage, metric)] for usage in scored_usages(scores, metric)}


def main_score(metrics: Mapping[str, float]) -> float | None:
    """The score that determines a run's best epoch, from the run's metrics; None: the run has no score."""
    return next((metrics[name] for name in map(score_name, USAGES) if name in metrics), None)


def main_metric(metrics: Mapping[str, float], score: str) -> str:
    """The full name of the metric in `main_score`, such as `public/gap`; `score` is the run's `evaluate.score`."""
    return metric_name(next(usage for usage in USAGES if score_name(usage) in metrics), score)

"""Plots of a run's retrieval: precision against recall, and the scores of right and wrong results."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from glr.errors import GlrError
from glr.html.palette import RIGHT, WRONG, css
from glr.retrieval.metrics import Answers, Rankings, interpolated_precision, mean_average_precision

_LEVELS = 100  # recall levels, in steps of 1 %
_NARROWEST = 1e-3  # a narrower range of scores is drawn as one value


def mean_interpolated_precision(solution: Answers, rankings: Rankings, k: int = 100) -> np.ndarray:
    """Precision at the recall levels 0, 0.01, ..., 1: the mean over the queries with a relevant image.

    See `glr.retrieval.metrics.interpolated_precision`; the first k results count. Recall is the share of all relevant
    images, even of more than k. A repeated image counts once.

    Returns:
        [101], falling; 0 at levels that no query reaches.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> mean_interpolated_precision({"q": {"a", "b"}}, {"q": ["a", "x", "b"]})[[0, 50, 51, 100]].round(3).tolist()
        [1.0, 1.0, 0.667, 0.667]
    """
    total, queries = np.zeros(_LEVELS + 1), 0
    for query, relevant in solution.items():
        if not relevant:
            continue
        queries += 1
        first: dict[object, int] = {}
        for rank, image in enumerate(islice(rankings.get(query, ()), k), start=1):
            if image in relevant:
                first.setdefault(image, rank)
        total += interpolated_precision(np.array(list(first.values()), float), len(relevant), _LEVELS)
    if not queries:
        raise GlrError("no query has a relevant image, so there is no precision and recall to draw")
    return total / queries


def plot_precision_recall(solutions: Mapping[str, Answers], rankings: Rankings, file: Path, *, k: int = 100) -> None:
    """Draw precision against recall as a PNG, as `mean_interpolated_precision` defines it, with mAP@k in the legend.

    A curve ends at the highest recall that any query reaches with its first k results.

    Args:
        solutions: the relevant images of each query, for each part of the task; a curve per part.
        rankings: the images found for each query, best first.
        file: path of the PNG to write.
        k: ranks that count.

    Raises:
        GlrError: a part has no query with a relevant image, or there are no parts.
    """
    if not solutions:
        raise GlrError("the task has no parts, so there is no precision and recall to draw")
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    levels = np.linspace(0, 1, _LEVELS + 1)
    for number, (part, solution) in enumerate(solutions.items()):
        precision = mean_interpolated_precision(solution, rankings, k)
        shown = max(np.count_nonzero(precision), 1)
        label = f"{part}: mAP@{k} {mean_average_precision(solution, rankings, k):.3f}"
        # The lines also differ in style, and a dot marks the end of each line.
        style = ("-", "--", ":", "-.")[number % 4]
        (line,) = axes.plot(levels[:shown], precision[:shown], style, linewidth=2, label=label)
        axes.plot(levels[shown - 1], precision[shown - 1], "o", color=line.get_color(), markersize=5, clip_on=False)
    axes.set(xlabel="recall", ylabel="interpolated precision", xlim=(0, 1), ylim=(0, 1.02))
    _finish(figure, file)


def plot_score_distribution(
    right: Sequence[float] | np.ndarray, wrong: Sequence[float] | np.ndarray, file: Path
) -> None:
    """Draw histograms of the scores of right and of wrong results as a PNG, each of area 1, with their medians.

    Args:
        right: similarities of right results; may be empty.
        wrong: similarities of wrong results; may be empty.
        file: path of the PNG to write.

    Raises:
        GlrError: both are empty.
    """
    scores = {"right": np.asarray(right, float), "wrong": np.asarray(wrong, float)}
    bins = score_bins([values for values in scores.values() if values.size])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    looks = {"right": (css(RIGHT), "-"), "wrong": (css(WRONG), "--")}
    for name, values in scores.items():
        colour, style = looks[name]
        if not values.size:
            axes.plot([], [], style, color=colour, label=f"{name}: none")
            continue
        middle = float(np.median(values))
        label = f"{name}: {values.size:,}, median {middle:.3f}"
        axes.hist(values, bins, density=True, histtype="stepfilled", color=colour, alpha=0.25)
        axes.hist(values, bins, density=True, histtype="step", color=colour, linestyle=style, linewidth=1.5)
        axes.axvline(middle, color=colour, linestyle=style, linewidth=2, label=label)
    beside = (bins[-1] - bins[0]) / 50  # room for the line of a median at the end
    axes.set(xlabel="similarity", ylabel="density", xlim=(bins[0] - beside, bins[-1] + beside))
    _finish(figure, file)


def score_bins(groups: Sequence[np.ndarray]) -> list[float]:
    """Return the edges of bins for all groups of scores, even if they hold a single value.

    The number of bins follows Rice's rule (2 n^(1/3)) for the smallest group, within 20..80, and is always odd, so that
    a single value lies in the middle of a bin.

    Raises:
        GlrError: there are no groups.
    """
    if not groups:
        raise GlrError("there are no results, so there are no scores to draw")
    low, high = float(min(map(np.min, groups))), float(max(map(np.max, groups)))
    if high - low < _NARROWEST:
        low, high = low - 0.05, high + 0.05
    count = int(np.clip(np.ceil(2 * np.cbrt(min(map(len, groups)))), 20, 80))
    return np.linspace(low, high, (count | 1) + 1).tolist()


def _finish(figure: Figure, file: Path) -> None:
    axes = figure.axes[0]
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=120)

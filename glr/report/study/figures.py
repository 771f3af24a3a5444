"""Plots of a study: differences and effects with their intervals, curves over epochs, ranks, precision and recall."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from glr.config.printing import counted
from glr.report.study.analysis import Metric
from glr.report.study.drawing import COLOURS, FAINT, INK, LINE, PAPER, drawn, shortened
from glr.report.study.words import decimals, lowest_is_best, metric_words, with_interval

Curve = Sequence[tuple[float, float]]

_ROW = 2.3  # lines: one of text, and the interval below it
_NAME, _LONG_NAME = 34, 48  # characters of a name beside a value, and on a line of its own
_NAME_LINES = 4
_DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 3)))
_TICKS = 5


class Bar(NamedTuple):
    """A row of a forest plot.

    Attributes:
        name: the configuration or the setting.
        value, low, high: the estimate and its interval.
        shown: True if the interval shows a difference; the point is then filled.
        note: a few words after the name.
    """

    name: str
    value: float
    low: float
    high: float
    shown: bool
    note: str = ""


def forest(bars: Sequence[Bar], metric: Metric, axis: str) -> str:
    """Draw differences with their intervals around 0, a row each with its name and its figures above it.

    Args:
        bars: from the top on; at least one.
        metric: determines the decimals.
        axis: names the differences, on the axis and in the text alternative.
    """
    notes = [f" ({bar.note})" if bar.note else "" for bar in bars]
    apart = any(len(bar.name + note) > _NAME for bar, note in zip(bars, notes, strict=True))
    names = [_in_lines(bar.name, note) for bar, note in zip(bars, notes, strict=True)]
    most = max(map(len, names))
    lines, side = (most + 2.2, "bottom") if apart else (_ROW, "center")
    beside, above, top = (1.05 / lines, 1.55 / lines, (len(names[0]) + 1) / lines) if apart else (0.46, 0.46, 0.46)
    texts = [with_interval(bar.value, bar.low, bar.high, decimals(metric, bar.high - bar.low)) for bar in bars]

    def plot(axes: Axes) -> None:
        axes.axvline(0, color=FAINT, linewidth=1, zorder=1)
        aside = axes.get_yaxis_transform()
        for row, (bar, name, text) in enumerate(zip(bars, names, texts, strict=True)):
            colour = COLOURS[0] if bar.shown else FAINT
            axes.plot([bar.low, bar.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="round", zorder=2)
            face = colour if bar.shown else PAPER
            axes.plot(bar.value, row, "o", color=colour, markerfacecolor=face, markersize=7, zorder=3)
            # The page's ground behind the letters: the line of 0 does not cross them.
            behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0}
            axes.text(0, row - above, "\n".join(name), transform=aside, va=side, fontweight="bold", bbox=behind)
            axes.text(1, row - beside, text, transform=aside, va="center", ha="right", color=FAINT, bbox=behind)
        ends = [0.0, *(end for bar in bars for end in (bar.low, bar.high))]
        margin = 0.04 * (max(ends) - min(ends) or 1.0)
        axes.set(
            xlim=(min(ends) - margin, max(ends) + margin), ylim=(len(bars) - 0.6, -0.39 - top), yticks=[], xlabel=axis
        )
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=_TICKS)
        axes.grid(axis="x")

    label = "; ".join(f"{bar.name} {text}{note}" for bar, text, note in zip(bars, texts, notes, strict=True))
    return drawn(plot, (len(bars) * lines + 3.2) * LINE, f"{axis}: {label}")


def curves(series: Mapping[str, Sequence[Curve]], axis: str) -> str:
    """Draw each configuration's mean over its seeds, with a band from the lowest to the highest seed.

    Args:
        series: by configuration, the (epoch, value) of each of its runs; at most as many as there are colours.
        axis: what the values are.
    """
    means = {name: _over_seeds(runs) for name, runs in series.items()}

    def plot(axes: Axes) -> None:
        for (epochs, mean, low, high), colour, dash in zip(means.values(), COLOURS, _DASHES, strict=False):
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(epochs, mean, color=colour, linestyle=dash, marker="o" if len(epochs) == 1 else None)
        axes.set(xlabel="epoch", ylabel=axis)
        axes.locator_params(axis="x", nbins=_TICKS, integer=True)
        axes.grid()
        _legend(axes, list(series))

    words = (
        f"{name} ends at {mean[-1]:.3f} after epoch {epochs[-1]:g} ({counted(len(series[name]), 'seed')})"
        for name, (epochs, mean, *_) in means.items()
    )
    return drawn(plot, 225 + LINE * len(series), f"{axis} by epoch: " + "; ".join(words))


def ranks(scores: Mapping[str, tuple[float, float]], metric: Metric) -> str:
    """Draw each configuration's rank on Public, its rank on Private, and a line between them.

    Args:
        scores: by configuration, its score on Public and on Private.
        metric: the metric, without usage.
    """
    names = list(scores)
    values = np.array(list(scores.values()), float)
    good = -values if lowest_is_best(metric) else values
    # Equal scores have the same rank, but each its own line.
    rank = 1 + (good[None] > good[:, None]).sum(axis=1)
    place = np.empty_like(rank)
    for column in (0, 1):
        place[np.lexsort((np.arange(len(names)), -good[:, column])), column] = np.arange(len(names))

    def plot(axes: Axes) -> None:
        colours = iter(COLOURS * len(names))
        for name, (public, private), (left, right), (first, then) in zip(names, values, place, rank, strict=True):
            moved = first != then
            colour = next(colours) if moved else FAINT
            axes.plot([0, 1], [left, right], color=colour, marker="o", markersize=6, linewidth=2.2 if moved else 1.2)
            axes.text(-0.06, left, f"{shortened(name, 22)}  {public:.3f}", ha="right", va="center", color=INK)
            change = f"  {'▲' if then < first else '▼'} {abs(first - then)}" if moved else ""
            axes.text(1.06, right, f"{private:.3f}{change}", ha="left", va="center", color=INK)
        axes.set(xlim=(-1.75, 1.6), ylim=(len(names) - 0.4, -1.1), xticks=[], yticks=[])
        axes.text(0, -0.75, "Public", ha="center", color=FAINT)
        axes.text(1, -0.75, "Private", ha="center", color=FAINT)
        axes.spines[:].set_visible(False)

    words = (
        f"{name} {public:.3f}, rank {first}, and {private:.3f}, rank {then}"
        for name, (public, private), (first, then) in zip(names, values, rank, strict=True)
    )
    return drawn(
        plot,
        LINE * 1.6 * len(names) + 2 * LINE,
        f"{metric_words(metric)} on Public and on Private: " + "; ".join(words),
    )


def precision_recall(series: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Draw the mean interpolated precision over recall of each configuration, with a band over its seeds.

    Args:
        series: by configuration, its runs' precision at equal steps of recall from 0 to 1: [L] each; at most as many
            configurations as there are colours.
    """

    def plot(axes: Axes) -> None:
        for runs, colour, dash in zip(series.values(), COLOURS, _DASHES, strict=False):
            stacked = np.stack(runs)
            levels = np.linspace(0, 1, stacked.shape[1])
            axes.fill_between(levels, stacked.min(axis=0), stacked.max(axis=0), color=colour, alpha=0.18, linewidth=0)
            axes.plot(levels, stacked.mean(axis=0), color=colour, linestyle=dash)
        axes.set(xlabel="recall", ylabel="interpolated precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid()
        _legend(axes, list(series))

    words = []
    for name, runs in series.items():
        mean = np.mean(runs, axis=0)
        words.append(f"{name} {mean[0]:.3f} at 0, {mean[len(mean) // 2]:.3f} at a half, {mean[-1]:.3f} at all")
    return drawn(plot, 225 + LINE * len(series), "Interpolated precision by recall: " + "; ".join(words))


def _in_lines(name: str, note: str) -> list[str]:
    """Break a name and its note into lines; cut the name where they are too many."""
    text = shortened(name, _NAME_LINES * _LONG_NAME - len(note)) + note
    return wrap(text, _LONG_NAME, break_on_hyphens=False, max_lines=_NAME_LINES, placeholder=f" …{note}")


def _over_seeds(runs: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the epochs of any run, and the mean, the lowest and the highest value of the runs that have the epoch."""
    values: dict[float, list[float]] = {}
    for run in runs:
        for epoch, value in run:
            values.setdefault(epoch, []).append(value)
    epochs = sorted(values)
    mean, low, high = (np.array([of(values[epoch]) for epoch in epochs]) for of in (np.mean, np.min, np.max))
    return np.array(epochs), mean, low, high


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """Put the names below the plot, a line each, so that long ones fit."""
    lines = [
        Line2D([], [], color=colour, linestyle=dash) for _, colour, dash in zip(names, COLOURS, _DASHES, strict=False)
    ]
    labels = [shortened(name, 46) for name in names]
    axes.figure.legend(lines, labels, loc="outside lower left", handlelength=2.8, labelcolor=INK)

"""The plots that a study has: which ones its analysis and its runs give, with headings and captions."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from glr.config.printing import counted
from glr.report.study import figures
from glr.report.study.analysis import Analysis, Metric, Row
from glr.report.study.answer import LEVEL, is_shown, ranked
from glr.report.study.drawing import COLOURS
from glr.report.study.figures import Bar, Curve
from glr.report.study.words import KINDS, decimals, metric_words, plain

_BARS = 30  # a plot of more rows is not read


class Plot(NamedTuple):
    """A plot with its heading, as an `<svg>` element, and its caption."""

    title: str
    svg: str
    caption: str


def plotted(
    analysis: Analysis, outcomes: Mapping[str, pa.Table], histories: Mapping[Metric, Mapping[str, Curve]]
) -> list[Plot]:
    """Draw the differences from the baseline, the effects, the ranks, the curves over epochs, precision and recall.

    A plot is left out where nothing is known that it could show. For the arguments see `glr.report.study.page.page`.
    """
    plots = [_differences(analysis), _effects(analysis), _ranks(analysis)]
    plots += [_curves(analysis, metric, runs) for metric, runs in histories.items()]
    plots.append(_precision(analysis, outcomes))
    return [plot for plot in plots if plot is not None]


def _differences(analysis: Analysis) -> Plot | None:
    rows = [row for row in ranked(analysis) if row.difference is not None]
    bars = [
        Bar(row.configuration.name, each.value, each.low, each.high, is_shown(each))
        for row in rows
        if (each := row.difference) is not None
    ]
    if not bars or analysis.baseline_row is None:
        return None
    metric = metric_words(analysis.metric)
    baseline = analysis.baseline_row.configuration.name
    tested = sum(row.difference is not None and row.difference.p_holm is not None for row in rows)
    caption = f"Each configuration minus {baseline}, on the same queries, with 95% intervals. "
    if tested:
        caption += f"Filled: p < {LEVEL} after Holm's adjustment for {counted(analysis.comparisons, 'comparison')}."
    if tested < len(bars):
        caption += f" {counted(len(bars) - tested, 'difference has', 'differences have')} no p-value."
    if analysis.one_seed:
        caption += " One seed each: the intervals speak of these trained models only."
    svg = figures.forest(bars[:_BARS], analysis.metric, f"difference in {metric}")
    return Plot("Differences", svg, caption + _rest(len(bars), "configurations"))


def _effects(analysis: Analysis) -> Plot | None:
    bars = [
        Bar(
            f"{effect.setting}: {effect.values[0]} → {effect.values[1]}",
            effect.estimate.value,
            effect.estimate.low,
            effect.estimate.high,
            effect.estimate.low > 0 or effect.estimate.high < 0,
            counted(effect.pairs, "pair"),
        )
        for effect in analysis.effects
    ]
    if not bars:
        return None
    caption = (
        "What a setting's change adds on average, over pairs of configurations that agree in everything else, with 95% "
        "intervals, not adjusted for their number. Filled: the interval leaves out 0."
    )
    svg = figures.forest(bars[:_BARS], analysis.metric, f"effect on {metric_words(analysis.metric)}")
    return Plot("Effects of settings", svg, caption + _rest(len(bars), "changes"))


def _ranks(analysis: Analysis) -> Plot | None:
    name = analysis.metric.rpartition("/")[2]
    usages = f"public/{name}", f"private/{name}"
    rows = [row for row in ranked(analysis) if all(usage in row.scores for usage in usages)]
    if len(rows) < 2:
        return None
    scores = {_label(row): tuple(row.scores[usage].value for usage in usages) for row in rows[:_BARS]}
    caption = f"Lines that cross are configurations that change ranks. {_choice(analysis)}".strip()
    svg = figures.ranks({label: (public, private) for label, (public, private) in scores.items()}, name)
    return Plot("Public against Private", svg, caption + _rest(len(rows), "configurations"))


def _choice(analysis: Analysis) -> str:
    """Say what it costs to choose by Public."""
    choice = analysis.choice
    if choice is None:
        return ""
    places = decimals(analysis.metric)
    behind = (
        f"{plain(choice.private_loss, places)} behind the best there" if choice.private_loss > 0 else "the best there"
    )
    best = analysis.rows[choice.best].configuration
    several = len({row.configuration.kind for row in ranked(analysis)}) > 1
    among = f" among {KINDS[best.kind]}" if several else ""
    return (
        f"Chosen by Public{among}: {best.name}. Because it was chosen, its score there is "
        f"too good, by {plain(max(choice.optimism, 0.0), places)} on average. On Private its rank is "
        f"{choice.private_rank}, {behind}."
    )


def _curves(analysis: Analysis, metric: Metric, runs: Mapping[str, Curve]) -> Plot | None:
    series: dict[str, Sequence[Curve]] = {}
    for row in ranked(analysis):
        curves = [runs[run.id] for run in row.configuration.finished if len(runs.get(run.id, ())) > 1]
        if curves:
            series[_label(row)] = curves
    if not series:
        return None
    svg = figures.curves(dict(islice(series.items(), len(COLOURS))), metric_words(metric))
    words = metric_words(metric)
    return Plot(f"{words[:1].upper()}{words[1:]} by epoch", svg, _over_seeds(len(series)))


def _precision(analysis: Analysis, outcomes: Mapping[str, pa.Table]) -> Plot | None:
    usage = analysis.metric.rpartition("/")[0]
    series: dict[str, list[np.ndarray]] = {}
    for row in islice(ranked(analysis), len(COLOURS)):
        means = [_mean_precision(outcomes[run.id], usage) for run in row.configuration.finished if run.id in outcomes]
        if known := [mean for mean in means if mean is not None]:
            series[_label(row)] = known
    if not series:
        return None
    caption = "Mean over the queries at eleven levels of recall. " + _over_seeds(len(ranked(analysis)))
    return Plot("Precision and recall", figures.precision_recall(series), caption)


def _mean_precision(table: pa.Table, usage: str) -> np.ndarray | None:
    """Return the mean interpolated precision [11] of a usage's queries; None: no query has one."""
    if "precisions" not in table.column_names:
        return None
    rows = table["precisions"].filter(pc.equal(pc.utf8_lower(table["usage"]), usage.lower())).drop_null()
    if not len(rows):
        return None
    return pc.list_flatten(rows).to_numpy().reshape(len(rows), -1).mean(axis=0)


def _label(row: Row) -> str:
    """Name a configuration in a plot; the number tells apart two of the same name."""
    return f"{row.configuration.index} {row.configuration.name}"


def _over_seeds(number: int) -> str:
    most = len(COLOURS)
    return "Lines are means over seeds, bands reach from the lowest to the highest seed." + (
        f" Drawn are the best {most} of {number:,} configurations." if number > most else ""
    )


def _rest(number: int, of_what: str) -> str:
    return f" Drawn are the first {_BARS} of {number:,} {of_what}." if number > _BARS else ""

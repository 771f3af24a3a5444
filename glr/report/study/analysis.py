"""What a study's runs say: scores with intervals, differences from a baseline, effects of settings, and the choice."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa

from glr.config.usages import USAGES, metric_name
from glr.errors import GlrError
from glr.report.study.configurations import Configuration, Settings, common, named
from glr.report.study.sample import Sample, samples
from glr.report.study.words import Metric, first_of, lowest_is_best
from glr.retrieval.scores import headlines
from glr.statistics.choice import Choice, choice
from glr.statistics.effects import MOST, Effect, effects, effects_given, ranges
from glr.statistics.randomization import holm
from glr.statistics.replicates import Replicates

_SCORED = re.compile(
    r"((public|private|easy|medium|hard)/)?(gap|top1_accuracy|map(_at_\d+)?|mp_at_\d+|recall_at_\d+|(mean|median)_position)"
    r"|leaderboard/(public|private)"
)
_is_scored = cache(_SCORED.fullmatch)  # thousands of runs have the same few names
_NO_FACTOR = f"No effects of {{}}: {{:,}} values, and a setting of more than {MOST} is a searched range"


@dataclass(frozen=True)
class MeanScore:
    """A configuration's mean score over its finished runs.

    Attributes:
        value: the mean.
        low, high: ends of the 95% interval; None if the runs stored no outcomes of queries.
        sd: standard deviation between seeds; None with one seed.
    """

    value: float
    low: float | None = None
    high: float | None = None
    sd: float | None = None


@dataclass(frozen=True)
class Difference:
    """A configuration's score minus the baseline's, on the same queries.

    Attributes:
        value: the difference.
        low, high: ends of the 95% interval.
        p: two-sided p-value of no difference: by Student's t where the spread of seeds is known, else by exchanging
            the two trained models' outcomes; None for medians, and between kinds if one has several seeds.
        p_holm: adjusted for all comparisons with the baseline.
        wins, losses: queries that it answers better, or worse, than the baseline.
    """

    value: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    wins: int
    losses: int


@dataclass(frozen=True)
class Row:
    """A configuration with its scores.

    Attributes:
        configuration: the configuration.
        scores: its score in each metric; empty if no run finished.
        difference: from the baseline, in the analysis's metric; None for the baseline, and without the same queries.
        probability_best: the share of resamples in which it is the best; None where it cannot be compared.
    """

    configuration: Configuration
    scores: Mapping[Metric, MeanScore]
    difference: Difference | None = None
    probability_best: float | None = None


@dataclass(frozen=True)
class Analysis:
    """The result of `analyse`.

    Attributes:
        study: name of the study, or several names.
        metric: the metric of differences, effects and probabilities.
        rows: the configurations, in order of index.
        common: settings that all configurations share, as tables print them (`Backbone`: `SmallCNN`).
        baseline: place of the baseline among the rows; None if no row can be compared.
        queries: number of queries of each usage.
        effects: effects of every setting of 2 to 12 values, where some pair of configurations differs in nothing else.
        interactions: effects at each value of another setting.
        choice: what choosing by Public costs on Private; None without both. Its `best` is a place among the rows.
        notes: sentences on what could not be compared, and why.
        one_seed: no configuration was run with two seeds, so that intervals speak of these trained models only.
        comparisons: number of comparisons that p-values are adjusted for: those with the baseline, or all pairs if it
            was chosen as the best one.
    """

    study: str
    metric: Metric
    rows: Sequence[Row]
    common: Mapping[str, str]
    baseline: int | None
    queries: Mapping[str, int]
    effects: Sequence[Effect]
    interactions: Sequence[Effect]
    choice: Choice | None
    notes: Sequence[str]
    one_seed: bool
    comparisons: int = 0

    @property
    def baseline_row(self) -> Row | None:
        """The baseline; None if no row can be compared."""
        return None if self.baseline is None else self.rows[self.baseline]


def analyse(
    study: str,
    rows: Sequence[Configuration],
    outcomes: Mapping[str, pa.Table],
    *,
    metric: str | None = None,
    baseline: str | None = None,
    notes: Sequence[str] = (),
    resamples: int = 2000,
) -> Analysis:
    """Analyse a study.

    Args:
        study: its name.
        rows: its configurations.
        outcomes: outcomes of queries, by the id of the run.
        metric: such as `private/gap`; `gap` means the Private one, if there is one; None: the metric that most runs
            were evaluated by.
        baseline: index, name, or a run's name or id; None or `best`: the best trained configuration.
        notes: sentences for the report.
        resamples: number of resamples of the queries.

    Raises:
        GlrError: no run has the metric, or no single configuration matches the baseline.
    """
    groups = samples(rows, outcomes, resamples)
    notes = [*notes, *_incomplete(rows, outcomes, groups), *_repeated(rows)]
    made = [Row(row, scores) for row, scores in zip(rows, _measured(rows, groups), strict=True)]
    metric = _metric(made, metric)
    base = _baseline(made, baseline, metric, groups)
    sample = next((group for group in groups if base in group.places and metric in group.metrics), None)
    whole = Analysis(
        study, metric, made, common(rows), base, sample.queries if sample else {}, (), (), None, notes, True
    )
    if base is None or sample is None:
        return whole
    return _compared(whole, sample, base, chosen=baseline in (None, "best"))


def _metric(rows: Sequence[Row], wanted: str | None) -> Metric:
    """The full name of the metric that a user gave."""
    known = list(dict.fromkeys(name for row in rows for name in row.scores))
    given = [run.params.get("evaluate.score") for row in rows for run in row.configuration.finished]
    usual = [name for name, _ in Counter(name for name in given if name).most_common(1)]
    usual += [name.rpartition("/")[2] for name in headlines(dict.fromkeys(known, 0.0))]
    for name in [wanted] if wanted else usual:
        for full in (name, *(metric_name(usage, name) for usage in ("Private", *USAGES))):
            if full in known:
                return full
    if wanted is None:
        return known[0] if known else "gap"
    raise GlrError(f"compare.metric={wanted}: no run has this metric; they have {', '.join(known) or 'none'}")


def scored(metrics: Iterable[str]) -> list[str]:
    """The metrics of an evaluation among a run's metrics: `private/gap`, `gap`; not those of an untrained model."""
    return [name for name in metrics if _is_scored(name)]


def _measured(rows: Sequence[Configuration], groups: Sequence[Sample]) -> list[dict[Metric, MeanScore]]:
    """The scores of each configuration: with intervals where there are outcomes, else the means of its runs."""
    scores = [_logged(row) for row in rows]
    for group in reversed(groups):
        for kind in dict.fromkeys(rows[place].kind for place in group.places):
            places = _of_kind(rows, group, kind)
            for metric in group.metrics:
                replicates = group.replicates(metric, places)
                for place, weights, sd in zip(places, np.eye(len(places)), replicates.spread, strict=True):
                    estimate = replicates.estimate(weights)
                    ends = float(estimate.low), float(estimate.high)
                    scores[place][metric] = MeanScore(estimate.value, *ends, None if np.isnan(sd) else float(sd))
    return scores


def _incomplete(rows: Sequence[Configuration], outcomes: Mapping[str, pa.Table], groups: Sequence[Sample]) -> list[str]:
    """Name the configurations that have no interval because only some of their runs have outcomes."""
    compared = {place for group in groups for place in group.places}
    names = [
        row.name
        for place, row in enumerate(rows)
        if place not in compared and any(run.id in outcomes for run in row.finished)
    ]
    return [f"No interval where only some seeds have outcomes of the same queries: {first_of(names)}"] if names else []


def _repeated(rows: Sequence[Configuration]) -> list[str]:
    """Name the configurations that ran a seed several times."""
    names = [row.name for row in rows if row.repeated]
    return [f"A seed that ran several times counts once, by its newest run: {first_of(names)}"] if names else []


def _logged(row: Configuration) -> dict[Metric, MeanScore]:
    values: dict[str, list[float]] = {}
    for run in row.finished:
        for name in filter(lambda name: isfinite(run.metrics[name]), scored(run.metrics)):
            values.setdefault(name, []).append(run.metrics[name])
    return {name: MeanScore(fmean(of), sd=stdev(of) if len(of) > 1 else None) for name, of in values.items()}


def _of_kind(rows: Sequence[Configuration], group: Sample, kind: str) -> list[int]:
    return [place for place in group.places if rows[place].kind == kind]


def _baseline(rows: Sequence[Row], wanted: str | None, metric: Metric, groups: Sequence[Sample]) -> int | None:
    """The place of the row that others are compared with: the given one, or the best one that can be compared."""
    if wanted not in (None, "best"):
        return named([row.configuration for row in rows], str(wanted), "compare.baseline")
    comparable = {place for group in groups[:1] for place in group.places}
    sign = -1 if lowest_is_best(metric) else 1

    def rank(place: int) -> tuple[bool, bool, float]:
        row = rows[place]
        return place in comparable, row.configuration.kind == "train", sign * row.scores[metric].value

    return max((place for place, row in enumerate(rows) if metric in row.scores), key=rank, default=None)


def _compared(whole: Analysis, sample: Sample, base: int, *, chosen: bool) -> Analysis:
    """Add the comparisons with the baseline on its queries; `chosen`: it is the baseline because it is the best."""
    metric, configurations = whole.metric, [row.configuration for row in whole.rows]
    same = _of_kind(configurations, sample, configurations[base].kind)
    replicates = sample.replicates(metric, same)
    others = [place for place in sample.places if place != base]
    differences = {place: _difference(sample, replicates, same, metric, place, base) for place in others}
    tested = {place: difference.p for place, difference in differences.items() if difference.p is not None}
    comparisons = len(tested) * (len(tested) + 1) // 2 if chosen else len(tested)
    for place, p in zip(tested, holm(list(tested.values()), comparisons), strict=True):
        differences[place] = replace(differences[place], p_holm=float(p))
    best = dict(zip(same, replicates.probability_best(lowest=lowest_is_best(metric)).tolist(), strict=True))
    settings = _complete([configurations[place].settings for place in same])
    return replace(
        whole,
        rows=[
            replace(row, difference=differences.get(place), probability_best=best.get(place))
            for place, row in enumerate(whole.rows)
        ],
        effects=effects(settings, replicates),
        interactions=effects_given(settings, replicates),
        choice=_choice(sample, metric, same),
        notes=[*whole.notes, *(_NO_FACTOR.format(name, number) for name, number in ranges(settings).items())],
        one_seed=replicates.seed_variance is None,
        comparisons=comparisons,
    )


def _difference(
    sample: Sample, replicates: Replicates, same: Sequence[int], metric: Metric, place: int, base: int
) -> Difference:
    """A configuration's difference from the baseline; `same` are the places of the replicates' configurations."""
    if place in same:
        weights = np.zeros(len(same))
        weights[same.index(place)], weights[same.index(base)] = 1, -1
        estimate = replicates.estimate(weights)
    else:
        estimate = sample.difference(metric, place, base)
    p = sample.p_value(metric, place, base) if estimate.p is None else estimate.p
    wins, losses = sample.wins(metric, place, base)
    return Difference(estimate.value, float(estimate.low), float(estimate.high), p, p, wins, losses)


def _complete(settings: Sequence[Mapping[str, str]]) -> list[Settings]:
    """Give each configuration the same settings; what it lacks is an argument of another choice."""
    names = dict.fromkeys(name for each in settings for name in each)
    return [{name: each.get(name, "") for name in names} for each in settings]


def _choice(sample: Sample, metric: Metric, same: Sequence[int]) -> Choice | None:
    name = metric.rpartition("/")[2]
    public, private = (metric_name(usage, name) for usage in ("Public", "Private"))
    if metric not in (public, private) or len(same) < 2 or not {public, private} <= set(sample.metrics):
        return None
    chosen = choice(sample.replicates(public, same), sample.replicates(private, same), lowest=lowest_is_best(metric))
    return replace(chosen, best=same[chosen.best])

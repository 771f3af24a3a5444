"""What a study's runs say: scores with intervals, differences from a baseline, effects of settings, and the choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glr.report.study.configurations import Configuration
from glr.statistics.choice import Choice
from glr.statistics.effects import Effect

Metric = str  # `private/gap`; `gap` of a solution that is not divided


@dataclass(frozen=True)
class Score:
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
        p: two-sided p-value of no difference: by Student's t where the seeds' spread is known, otherwise by exchanging the
            outcomes of the two trained models.
        p_holm: adjusted for all comparisons with the baseline.
        wins, losses: queries that it answers better, or worse, than the baseline.
    """

    value: float
    low: float
    high: float
    p: float
    p_holm: float
    wins: int
    losses: int


@dataclass(frozen=True)
class Row:
    """A configuration with its scores.

    Attributes:
        configuration: the configuration.
        scores: its score in each metric; empty if no run finished.
        difference: from the baseline, in the analysis's metric; None for the baseline itself and where no queries are shared.
        probability_best: the share of resamples in which it is the best; None where it cannot be compared.
    """

    configuration: Configuration
    scores: Mapping[Metric, Score]
    difference: Difference | None = None
    probability_best: float | None = None


@dataclass(frozen=True)
class Analysis:
    """The whole.

    Attributes:
        study: name of the study, or several names.
        metric: the metric of differences, effects and probabilities.
        rows: the configurations, in order of index.
        common: settings that all configurations share, as tables print them (`Backbone`: `SmallCNN`).
        baseline: place of the baseline among the rows; None if no row can be compared.
        queries: number of queries of each usage.
        effects: of every setting that varies, where some pair of configurations differs in nothing else.
        interactions: effects at each value of another setting.
        choice: what choosing by Public costs on Private; None without both. Its `best` is a place among the rows.
        notes: sentences on what could not be compared, and why.
        one_seed: no configuration was run with two seeds, so that intervals speak of these trained models only.
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

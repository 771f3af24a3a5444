"""Configurations compared over their seeds: both the queries and the seeds are samples.

A configuration's value is the mean over its runs, which differ in the seed. A weighted sum of such values (one value, a
difference, the mean effect of a setting) has the variance V = Vq - Vi + Vs:

- Vq is the variance of the weighted sum under resampled queries, which all runs share;
- Vs = s² k with k = Σ w_c² / n_c, where s² is the variance between seeds, pooled over all configurations;
- Vi = i k is in both, since seeds differ more on some queries than on others; i is what resampling adds to s².

The interval is Student's, with Satterthwaite's degrees of freedom V² / ((Vq - Vi)² / νq + Vs² / νs). νs counts the runs
beyond each configuration's first, νq the queries beyond the first. A bootstrap's variance is enlarged by (νq + 1) / νq.
All configurations are taken to have the same variance between seeds, and their seeds to be independent.
`tests/benchmarks/coverage.py` measures how often the interval holds the truth; a bootstrap of seeds and queries misses
it too often with two or three seeds.

If no configuration was run twice, the variance between seeds is unknown. The interval is then the percentile interval
over queries, and it speaks of these trained models only, not of their configurations.
"""

from dataclasses import dataclass
from math import inf, nan

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit  # scipy.stats has the same, and takes 2 s to import

from glr.statistics.bootstrap import percentile_interval
from glr.statistics.estimators import Floats


@dataclass(frozen=True)
class Estimate:
    """A value and what is known of it.

    Attributes:
        value: the estimate.
        low: lower end of its interval.
        high: upper end of its interval.
        p: two-sided p-value of 0; None if the variance of seeds is unknown.
        degrees: degrees of freedom; None likewise.
    """

    value: float
    low: float
    high: float
    p: float | None = None
    degrees: float | None = None


class Replicates:
    """One metric of the runs of several configurations, measured on the same queries.

    Args:
        values: [R] values of the runs.
        resampled: [B, R] values on resampled queries, see `glr.statistics.bootstrap.bootstrap`.
        configurations: [R] numbers 0 .. C - 1 of the runs' configurations.
        queries: number of queries that the metric measures, `Estimator.queries`; None: many.
    """

    def __init__(
        self,
        values: npt.ArrayLike,
        resampled: npt.ArrayLike,
        configurations: npt.ArrayLike,
        queries: int | None = None,
    ):
        runs, numbers = np.asarray(values, float), np.asarray(configurations)
        redrawn = np.asarray(resampled, float)
        self.queries = queries
        self.seeds = np.bincount(numbers)
        members = [numbers == number for number in range(len(self.seeds))]
        self.values: Floats = np.array([runs[own].mean() for own in members])
        self.resampled: Floats = np.stack([redrawn[:, own].mean(axis=1) for own in members], axis=1)
        squares = np.array([((runs[own] - runs[own].mean()) ** 2).sum() for own in members])
        with np.errstate(invalid="ignore", divide="ignore"):
            self.spread: Floats = np.sqrt(squares / (self.seeds - 1))  # NaN where there is one run
        self.degrees = int(len(runs) - len(self.seeds))
        self.seed_variance, self._in_both = None, 0.0
        if self.degrees:
            self.seed_variance = float(squares.sum() / self.degrees)
            redrawn_squares = ((redrawn - self.resampled[:, numbers]) ** 2).sum(axis=1)
            self._in_both = max(0.0, float(np.nanmean(redrawn_squares)) / self.degrees - self.seed_variance)

    def estimate(self, weights: npt.ArrayLike, level: float = 0.95) -> Estimate:
        """Estimate Σ w_c value_c of [C] weights; one query says nothing of others: its interval is NaN."""
        weighted = np.asarray(weights, float)
        value, resampled = float(self.values @ weighted), self.resampled @ weighted
        others = inf if self.queries is None else self.queries - 1
        if others < 1:
            return Estimate(value, nan, nan)
        if self.seed_variance is None:
            return Estimate(value, *percentile_interval(resampled, level, self.queries))
        share = float((weighted**2 / self.seeds).sum())
        of_seeds = self.seed_variance * share
        of_queries = max(0.0, float(np.nanvar(resampled, ddof=1)) - self._in_both * share) * (1 + 1 / others)
        variance = of_queries + of_seeds
        if not variance:
            return Estimate(value, value, value, 0.0 if value else 1.0, inf)
        uncertain = of_queries**2 / others + of_seeds**2 / self.degrees
        degrees = variance**2 / uncertain if uncertain else inf
        half = float(stdtrit(degrees, (1 + level) / 2)) * variance**0.5
        p = 2 * stdtr(degrees, -abs(value) / variance**0.5)
        return Estimate(value, value - half, value + half, float(p), float(degrees))

    def probability_best(self, seed: int = 0, *, lowest: bool = False) -> Floats:
        """Return how often each configuration is the best one, over resampled queries and drawn means of seeds.

        Args:
            seed: seed of the draw.
            lowest: the lowest value is the best (positions).
        """
        drawn = -self.resampled if lowest else self.resampled
        if self.seed_variance is not None:
            random = np.random.default_rng(seed)
            variance = max(0.0, self.seed_variance - self._in_both) / self.seeds
            uncertain = self.degrees / random.chisquare(self.degrees, (len(drawn), 1))  # the variance is an estimate
            drawn = drawn + random.standard_normal(drawn.shape) * np.sqrt(variance * uncertain)
        drawn = drawn[~np.isnan(drawn).any(axis=1)]
        best = drawn == drawn.max(axis=1, keepdims=True)
        return (best / best.sum(axis=1, keepdims=True)).mean(axis=0)

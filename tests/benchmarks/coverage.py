"""How often nominal 95% intervals of `glr.statistics` hold the truth, and how often p < 0.05 where nothing differs.

    python -m tests.benchmarks.coverage trials=1000

A study has 4 configurations, two of them equally good. The difficulty of a query, its preference for a configuration,
and what one training makes of it are normal; an average precision is the logistic function of their sum, a recognised
landmark is a sum above a threshold. The seeds' spread is given in standard errors of a single run over queries.
"""

import sys
from collections.abc import Sequence

import numpy as np

from glr.statistics.bootstrap import bootstrap, percentile_interval
from glr.statistics.estimators import Estimator, GlobalAveragePrecision, Mean
from glr.statistics.replicates import Replicates

ABILITY = np.array([0.0, 0.1, 0.2, 0.0])
SPREADS = {"mAP": (2.0, 0.7, 0.7), "GAP": (1.0, 0.5, 0.5)}  # of difficulty, preference and training
SETTINGS = [
    (metric, queries, seeds) for metric in SPREADS for queries in (100, 500, 1000, 5000) for seeds in (1, 2, 3, 5)
]
RATIOS = (0.0, 0.5, 1.0, 2.0)


class Population:
    """A known truth; it draws the queries and the trainings of studies."""

    def __init__(self, metric: str, queries: int, ratio: float):
        self._random = np.random.default_rng(0)
        self.metric, self.queries, self.spread = metric, queries, 0.0
        if ratio:
            drawn = np.array([self._values(queries) for _ in range(200)])
            slope = (self._truth([0.05]) - self._truth([-0.05])).mean() / 0.1
            self.spread = ratio * drawn.std(axis=0).mean() / slope
        nodes, weights = np.polynomial.hermite_e.hermegauss(7)  # the mean over seeds
        self.truth = self._truth(self.spread * nodes, weights / weights.sum())

    def study(self, seeds: int, seed: int) -> list[Estimator]:
        """Return the metric of each run, `seeds` runs of each configuration."""
        self._random = np.random.default_rng(seed + 1)
        return self._drawn(self.queries, self._random.normal(0, self.spread, (1, 4, seeds)))

    def _truth(self, shifts: Sequence[float], weights: Sequence[float] = (1,)) -> np.ndarray:
        many = 300_000
        values = [self._values(many, np.full((1, 4, 1), shift)) for shift in shifts]
        return np.asarray(weights) @ np.array(values)

    def _values(self, queries: int, shift: np.ndarray | None = None) -> np.ndarray:
        drawn = self._drawn(queries, np.zeros((1, 4, 1)) if shift is None else shift)
        return np.array([each(np.ones((1, queries), np.uint8))[0] for each in drawn])

    def _drawn(self, queries: int, shift: np.ndarray) -> list[Estimator]:
        draw, spreads = self._random.normal, SPREADS[self.metric]
        ability = ABILITY[:, None] + shift + draw(0, spreads[0], (queries, 1, 1)) + draw(0, spreads[1], (queries, 4, 1))
        ability = (ability + draw(0, spreads[2], (queries, 4, shift.shape[2]))).reshape(queries, -1).T
        if self.metric == "mAP":
            return [Mean(values) for values in 1 / (1 + np.exp(-ability))]
        shown = self._random.random(queries) < 0.3
        confidence = ability + 1.2 * shown + draw(0, 0.3, ability.shape)
        right = shown & (ability + draw(0, 0.5, ability.shape) > -0.5)
        ids = np.arange(queries)
        return [GlobalAveragePrecision(ids, *run, shown) for run in zip(confidence, right, strict=True)]


def measure(population: Population, seeds: int, trials: int) -> list[float]:
    """Return the coverage of values, of differences, of differences by queries only, and the share of p < 0.05."""
    of_value, of_difference, by_queries, refuted = [], [], [], []
    for trial in range(trials):
        study, ones = population.study(seeds, trial), np.ones((1, population.queries), np.uint8)
        resampled = bootstrap(study, population.queries, 400, trial)
        measured = Replicates([run(ones)[0] for run in study], resampled, np.repeat(np.arange(4), seeds))
        for weights in np.eye(4):
            estimate, truth = measured.estimate(weights), population.truth @ weights
            of_value.append(estimate.low <= truth <= estimate.high)
        for weights in ((-1, 1, 0, 0), (-1, 0, 1, 0), (-1, 0, 0, 1)):
            estimate, truth = measured.estimate(weights), population.truth @ weights
            of_difference.append(estimate.low <= truth <= estimate.high)
            low, high = percentile_interval(measured.resampled @ weights)
            by_queries.append(low <= truth <= high)
        refuted.append(np.nan if estimate.p is None else estimate.p < 0.05)  # of the two equal ones
    return [float(np.mean(each)) for each in (of_value, of_difference, by_queries, refuted)]


def main(trials: int) -> None:
    print("metric  queries  seeds  spread   value  difference  queries only  p < 0.05")
    for metric, queries, seeds in SETTINGS:
        for ratio in RATIOS:
            shares = measure(Population(metric, queries, ratio), seeds, trials)
            texts = ["" if np.isnan(share) else f"{share:.1%}" for share in shares]
            print(
                f"{metric:6}{queries:9}{seeds:7}{ratio:8}{texts[0]:>8}{texts[1]:>12}{texts[2]:>14}{texts[3]:>10}",
                flush=True,
            )


if __name__ == "__main__":
    main(**{name: int(value) for name, value in (argument.split("=") for argument in sys.argv[1:])})

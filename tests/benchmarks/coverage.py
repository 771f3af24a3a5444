"""How often nominal 95% intervals of `glr.statistics` hold the truth, and how small p-values are where nothing differs.

    python -m tests.benchmarks.coverage trials=500 queries=100,500,1000,5000

A study has 2 x 2 configurations: the first setting makes a difference, the second makes none. A query's difficulty, its
preference for a configuration and what one training makes of it are normal. The logistic function of their sum is an
average precision, the exponential a position; where the sum exceeds a threshold, a landmark is recognised. A seed moves
all queries of its run alike, by a normal amount; its spread is given in standard errors of one run over queries.

With one seed, values, differences and effects are those of the trained models, and p comes from a randomisation test.
With more, they are those of the configurations. The truth is the expected metric of as many other queries.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import norm

from glr.statistics.bootstrap import bootstrap, percentile_interval
from glr.statistics.estimators import GlobalAveragePrecision, Mean, Median
from glr.statistics.randomization import exchange_test, sign_flip_test
from glr.statistics.replicates import Replicates

ABILITY = np.array([[0.0], [0.1], [0.0], [0.1]])
DIFFERENCES = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0], [0, -1, 0, 1]])  # nothing differs in the last two
EFFECT = np.array([[-0.5, 0.5, -0.5, 0.5]])
SPREADS = {
    "mAP": (2.0, 0.7, 0.7),
    "GAP": (1.0, 0.5, 0.5),
    "median": (2.0, 0.7, 0.7),
}  # difficulty, preference, training
ESTIMATORS = {"mAP": Mean, "GAP": GlobalAveragePrecision, "median": Median}
RATIOS, SEEDS = (0.0, 0.5, 1.0, 2.0), (1, 2, 3, 5)
RESAMPLES, LEVELS = 400, (0.01, 0.05, 0.1, 0.5)

Run = Sequence[np.ndarray]  # what the estimator takes


class Population:
    """A known truth; it draws the queries and the trainings of studies."""

    def __init__(self, metric: str, queries: int, ratio: float, sets: int | None = None):
        self.metric, self.queries = metric, queries
        sets = sets or max(100, 200_000 // queries)
        slope = (self._values(np.full((4, 1), 0.05), sets) - self._values(np.full((4, 1), -0.05), sets)).mean() / 0.1
        error = self._values(np.zeros((4, 1)), sets).std(axis=0).mean()
        self.spread = ratio * error / abs(slope)
        grid = np.linspace(-4, 4, 9 if ratio else 2)
        on_grid = [self._values(np.full((4, 1), self.spread * shift), sets).mean(axis=0) for shift in grid]
        on_grid = [(values + values[[2, 3, 0, 1]]) / 2 for values in on_grid]  # the equal ones
        self._truth = CubicSpline(grid, on_grid)
        self.truth = np.mean([self._truth(shift) for shift in norm.ppf((np.arange(500) + 0.5) / 500)], axis=0)

    def study(self, trial: int) -> tuple[list[Run], np.ndarray]:
        """Return the outcomes of 4 configurations x 5 seeds, and the truth [4] of the models of the first seed."""
        random = np.random.default_rng(
            [trial, self.queries, list(SPREADS).index(self.metric), round(self.spread * 1e6)]
        )
        shift = random.normal(0, 1, (4, max(SEEDS)))
        truth = np.array([self._truth(first)[number] for number, first in enumerate(shift[:, 0])])
        return self._drawn(random, self.spread * shift), truth

    def _values(self, shift: np.ndarray, sets: int) -> np.ndarray:
        random, once = np.random.default_rng(0), np.ones((1, self.queries), np.uint8)
        make = ESTIMATORS[self.metric]
        return np.array([[make(*run)(once)[0] for run in self._drawn(random, shift)] for _ in range(sets)])

    def _drawn(self, random: np.random.Generator, shift: np.ndarray) -> list[Run]:
        queries, spreads = self.queries, SPREADS[self.metric]
        ability = ABILITY + shift + random.normal(0, spreads[0], (queries, 1, 1))
        ability = ability + random.normal(0, spreads[1], (queries, 4, 1))
        ability = (ability + random.normal(0, spreads[2], ability.shape)).reshape(queries, -1).T.copy()
        if self.metric == "mAP":
            return [(1 / (1 + np.exp(-run)),) for run in ability]
        if self.metric == "median":
            return [(np.clip(np.exp(2 - run), 1, 101).round(),) for run in ability]
        shown = random.random(queries) < 0.3
        confidences = ability + 1.2 * shown + random.normal(0, 0.3, ability.shape)
        rights = shown & (ability + random.normal(0, 0.5, ability.shape) > -0.5)
        return [(np.arange(queries), *run, shown) for run in zip(confidences, rights, strict=True)]


def p_of_models(metric: str, runs: Sequence[Run], trial: int) -> list[float]:
    """Test the pairs of equal configurations, one run of each."""
    tested: list[float] = []
    for first, second in ((runs[0], runs[2]), (runs[1], runs[3])):
        if metric == "mAP":
            tested.append(sign_flip_test(second[0] - first[0], RESAMPLES, trial))
        if metric == "GAP":
            (ids, *outcomes, shown), (_, *others, _) = first, second
            confidences, rights = zip(outcomes, others, strict=True)
            tested.append(exchange_test(ids, confidences, rights, shown, RESAMPLES, trial))
    return tested


def held(
    measured: Replicates, truth: np.ndarray, of_configurations: np.ndarray, tested: Sequence[float]
) -> list[list[bool]]:
    """Return which intervals of values, differences and effects hold the truth, and which p-values are small."""
    columns: list[list[bool]] = []
    p = tested
    for contrasts in (np.eye(4), DIFFERENCES, EFFECT):
        estimates = [measured.estimate(weights) for weights in contrasts]
        columns.append([each.low <= true <= each.high for each, true in zip(estimates, contrasts @ truth, strict=True)])
        if measured.degrees and contrasts is DIFFERENCES:
            p = [1.0 if each.p is None else each.p for each in estimates[1:]]
    by_queries = [percentile_interval(measured.resampled @ weights, 0.95, measured.queries) for weights in DIFFERENCES]
    truths = DIFFERENCES @ of_configurations
    columns.append([low <= true <= high for (low, high), true in zip(by_queries, truths, strict=True)])
    return columns + [[each < level for each in p] for level in LEVELS]


def measure(population: Population, trials: int) -> Iterator[tuple[int, list[float]]]:
    """Yield the number of seeds, the coverages and the shares of small p-values."""
    rows: dict[int, list[list[list[bool]]]] = {seeds: [] for seeds in SEEDS}
    once, most = np.ones((1, population.queries), np.uint8), max(SEEDS)
    for trial in range(trials):
        runs, models = population.study(trial)
        estimators = [ESTIMATORS[population.metric](*run) for run in runs]
        values = np.array([each(once)[0] for each in estimators])
        resampled = bootstrap(estimators, population.queries, RESAMPLES, trial, threads=1)
        tested = [] if population.spread else p_of_models(population.metric, runs[::most], trial)
        for seeds, row in rows.items():
            own = np.arange(4 * most).reshape(4, most)[:, :seeds].ravel()
            numbers = np.repeat(np.arange(4), seeds)
            measured = Replicates(values[own], resampled[:, own], numbers, estimators[0].queries)
            truth = models if seeds == 1 else population.truth
            row.append(held(measured, truth, population.truth, tested))
    for seeds, row in rows.items():
        yield seeds, [float(np.mean(column)) if np.size(column) else np.nan for column in zip(*row, strict=True)]


def main(trials: str, queries: str) -> None:
    print(
        "metric  queries  spread  seeds   value  difference  effect  queries only" + "".join(f"  p<{x}" for x in LEVELS)
    )
    for number in map(int, queries.split(",")):
        for metric, ratio in product(SPREADS, RATIOS):
            for seeds, shares in measure(Population(metric, number, ratio), int(trials)):
                texts = ["" if np.isnan(share) else f"{share:.1%}" for share in shares]
                cells = "".join(
                    f"{text:>{width}}" for text, width in zip(texts, (8, 12, 8, 14, 8, 8, 7, 7), strict=True)
                )
                print(f"{metric:6}{number:9}{ratio:8}{seeds:7}{cells}", flush=True)


if __name__ == "__main__":
    main(**dict(argument.split("=") for argument in sys.argv[1:]))

"""Time the statistics of a study of 20 runs: 117,577 queries, 1,129 of them with a landmark.

    python -m tests.benchmarks.intervals resamples=2000

All metrics of all runs are resampled together, and each of 10 configurations with 2 seeds is compared with the first.
Then one exchange test of GAP is timed. On a busy machine the processor's seconds tell more than the clock's.
"""

import resource
import sys
import time

import numpy as np

from glr.statistics.bootstrap import bootstrap
from glr.statistics.effects import effects
from glr.statistics.estimators import Estimator, GlobalAveragePrecision, Mean, Median
from glr.statistics.randomization import exchange_test, holm, sign_flip_test
from glr.statistics.replicates import Replicates

RUNS, QUERIES, LANDMARKS = 20, 117_577, 1_129


class Watch:
    """Prints the time since it was made."""

    def __init__(self):
        self._started, self._computed = time.monotonic(), time.process_time()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s, {time.process_time() - self._computed:.1f} s of a processor"


def main(resamples: str) -> None:
    number, random, once = int(resamples), np.random.default_rng(0), np.ones((1, QUERIES), np.uint8)
    shown = random.permutation(QUERIES) < LANDMARKS
    confidences = random.random((RUNS, QUERIES))
    rights = (random.random((RUNS, QUERIES)) < 0.6) & shown
    precisions = np.where(shown, random.random((RUNS, QUERIES)), np.nan)
    positions = np.where(shown, random.integers(1, 102, (RUNS, QUERIES)), np.nan)
    ids = np.arange(QUERIES)

    watch = Watch()
    metrics: list[list[Estimator]] = [
        [GlobalAveragePrecision(ids, *run, shown) for run in zip(confidences, rights, strict=True)],
        [Median(run) for run in positions],
        *([Mean(run) for run in precisions] for _ in range(7)),  # mAP, mP@10, recall at 1, 5 and 10, ...
    ]
    every = [run for metric in metrics for run in metric]
    resampled = bootstrap(every, QUERIES, number)
    print(f"{len(every)} metrics of runs on {number} resamples: {watch}")
    numbers, settings = np.repeat(np.arange(10), 2), [{"head": place // 5, "width": place % 5} for place in range(10)]
    for place, metric in enumerate(metrics):
        own = slice(place * RUNS, (place + 1) * RUNS)
        measured = Replicates([run(once)[0] for run in metric], resampled[:, own], numbers, metric[0].queries)
        holm([measured.estimate(np.eye(10)[other] - np.eye(10)[0]).p or 0 for other in range(1, 10)])
        effects(settings, measured)
        measured.probability_best()
    for run in range(1, RUNS):
        sign_flip_test(precisions[run] - precisions[0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"with all pairs, effects and sign flips: {watch}; {memory:.1f} GB")
    watch = Watch()
    exchange_test(ids, (confidences[0], confidences[1]), (rights[0], rights[1]), shown, number)
    print(f"one exchange test: {watch}; all {RUNS - 1} pairs take {RUNS - 1} times as long")


if __name__ == "__main__":
    main(**dict(argument.split("=") for argument in sys.argv[1:]))

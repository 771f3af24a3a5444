"""Runs that answered the same queries: their metrics on shared resamples, and tests of two of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from glr.config.usages import metric_name
from glr.report.study.configurations import Configuration
from glr.retrieval.outcomes import by_usage, estimators, query_values, wins
from glr.statistics.bootstrap import bootstrap, percentile_interval
from glr.statistics.estimators import Floats
from glr.statistics.randomization import exchange_test, sign_flip_test
from glr.statistics.replicates import Estimate, Replicates


class Sample:
    """Configurations whose runs answered the same queries.

    Args:
        runs: (place of the configuration among the rows, the run's outcomes), ordered by place.
        resamples: number of resamples of the queries.
    """

    def __init__(self, runs: Sequence[tuple[int, pa.Table]], resamples: int):
        self.places = list(dict.fromkeys(place for place, _ in runs))
        self._of = np.array([place for place, _ in runs])
        self._outcomes = [table for _, table in runs]
        self._values: dict[str, Floats] = {}
        self._resampled: dict[str, Floats] = {}
        self._parts: dict[str, tuple[str, str]] = {}  # of a metric: the usage and the metric's own name
        self._measured: dict[str, int] = {}  # queries that a metric measures
        self.queries = {usage: rows.num_rows for usage, rows in by_usage(self._outcomes[0]).items()}
        of_runs = [estimators(table) for table in self._outcomes]
        for usage, queries in self.queries.items():
            names = list(of_runs[0][usage])
            every = [each[usage][name] for name in names for each in of_runs]
            redrawn = bootstrap(every, queries, resamples)
            values = np.array([each(np.ones((1, queries), np.uint8))[0] for each in every])
            for number, name in enumerate(names):
                own, metric = slice(number * len(runs), (number + 1) * len(runs)), metric_name(usage, name)
                self._values[metric], self._resampled[metric] = values[own], redrawn[:, own]
                self._parts[metric], self._measured[metric] = (usage, name), every[own.start].queries

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics, as `private/gap`, that measure several queries: one says nothing of others."""
        return [name for name in self._values if self._measured[name] > 1]

    def replicates(self, metric: str, places: Sequence[int]) -> Replicates:
        """Return a metric of the runs of some configurations, numbered in the order of `places`."""
        runs = [run for run, place in enumerate(self._of) if place in places]
        numbers = [places.index(self._of[run]) for run in runs]
        return Replicates(self._values[metric][runs], self._resampled[metric][:, runs], numbers, self._measured[metric])

    def difference(self, metric: str, first: int, second: int) -> Estimate:
        """Estimate how much a configuration exceeds another one of another kind: an interval over queries only."""
        runs = [self._of == place for place in (first, second)]
        value, other = (float(self._values[metric][own].mean()) for own in runs)
        redrawn, others = (self._resampled[metric][:, own].mean(axis=1) for own in runs)
        return Estimate(value - other, *percentile_interval(redrawn - others, queries=self._measured[metric]))

    def p_value(self, metric: str, first: int, second: int) -> float | None:
        """Test two configurations of one run each; None: one has several runs, or the metric is a median."""
        pair = [run for place in (first, second) for run in np.flatnonzero(self._of == place)]
        usage, name = self._parts[metric]
        if len(pair) != 2 or name == "median_position":
            return None
        tables = [by_usage(self._outcomes[run])[usage] for run in pair]
        if name != "gap":
            return sign_flip_test(np.subtract(*(query_values(table)[name] for table in tables)))
        tables = [table.filter(pc.is_valid(table["shown"])) for table in tables]  # those that recognition is scored on
        order = pc.rank(tables[0]["id"], tiebreaker="dense").to_numpy()  # as the ids, and small
        confidences, rights = (tuple(table[key].to_numpy() for table in tables) for key in ("confidence", "right"))
        return exchange_test(order, confidences, rights, tables[0]["shown"].to_numpy())

    def wins(self, metric: str, first: int, second: int) -> tuple[int, int]:
        """Count the queries that a configuration answers better, and worse, than another on average over its runs."""
        ours, theirs = ([self._outcomes[run] for run in np.flatnonzero(self._of == place)] for place in (first, second))
        return wins(ours, theirs, *self._parts[metric])


def samples(rows: Sequence[Configuration], outcomes: Mapping[str, pa.Table], resamples: int) -> list[Sample]:
    """Group configurations by the queries that their runs answered; the largest group comes first.

    A configuration is left out if one of its finished runs has no outcomes, or those of other queries: its score is the
    mean of all of them.
    """
    groups: dict[bytes, list[tuple[int, pa.Table]]] = defaultdict(list)
    for place, row in enumerate(rows):
        tables = [outcomes[run.id] for run in row.finished if run.id in outcomes and outcomes[run.id].num_rows]
        signatures = {_signature(table) for table in tables}
        if len(tables) == len(row.finished) and len(signatures) == 1:
            groups[signatures.pop()] += [(place, table) for table in tables]
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [Sample(group, resamples) for group in ordered]


def _signature(table: pa.Table) -> bytes:
    """Equal for outcomes of the same queries in the same tasks."""
    digest = blake2b(digest_size=16)
    for name in ("usage", "id"):
        digest.update("\0".join(table.column(name).to_pylist()).encode(errors="surrogatepass"))
    for name in ("ap", "shown"):
        digest.update(bytes([table.column(name).null_count == table.num_rows]))
    return digest.digest()

"""Analyses of simulated studies: heads and seeds, with the outcomes of their queries."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from glr.report.study.analysis import Analysis, Difference, MeanScore, Row
from glr.report.study.configurations import Configuration
from glr.retrieval.outcomes import outcome_table
from glr.statistics.choice import Choice
from glr.statistics.effects import Effect
from glr.statistics.replicates import Estimate
from glr.tracking.history import PastRun
from tests.report.study.heads import bring

METRIC = "private/map_at_100"
LABELS = {"arcface": "ArcFace", "cosface": "CosFace", "adacos_semi": "AdaCos(Semi)"}


def past_run(head: str, seed: int, **tags: str) -> PastRun:
    tags = {"kind": "train", "command": f"python -m glr.train head={head} seed={seed}"} | tags
    tags |= {"mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567"}
    params = {"head": head, "seed": str(seed)}
    return PastRun(f"{head}-{seed}", f"{head} seed={seed}", "heads", "FINISHED", seed, params, {}, tags, "sqlite://")


def row(head: str, value: float, *, seeds: int = 2, index: int = 1, difference: Difference | None = None) -> Row:
    runs = tuple(past_run(head, seed) for seed in range(1, seeds + 1))
    configuration = Configuration(head, "train", index, {"head": head}, {"head": LABELS.get(head, head)}, runs)
    sd = 0.01 if seeds > 1 else None
    scores = {
        METRIC: MeanScore(value, value - 0.02, value + 0.02, sd),
        "public/map_at_100": MeanScore(value + 0.01, value - 0.02, value + 0.04, sd),
    }
    return Row(configuration, scores, difference, 0.5)


def difference(value: float, half: float = 0.008, p: float = 0.001, wins: int = 20, losses: int = 40) -> Difference:
    return Difference(value, value - half, value + half, p / 2, p, wins, losses)


def analysis(*rows: Row, baseline: int | None = 0, one_seed: bool = False, metric: str = METRIC) -> Analysis:
    return Analysis(
        "heads",
        metric,
        rows,
        {"backbone": "SmallCNN"},
        baseline,
        {"Public": 40, "Private": 100},
        [],
        [],
        None,
        [],
        one_seed,
    )


@pytest.fixture
def study() -> Analysis:
    """Three heads with three seeds."""
    rows = [
        row("arcface", 0.52, seeds=3),
        row("cosface", 0.5, seeds=3, index=2, difference=difference(-0.021)),
        row("adacos_semi", 0.49, seeds=3, index=3, difference=difference(-0.03, p=0.0004)),
    ]
    effect = Effect("head", ("adacos_semi", "arcface"), Estimate(0.03, 0.022, 0.038, 0.0002, 4.0), 1)
    given = Effect("head", ("adacos_semi", "arcface"), Estimate(0.03, 0.022, 0.038, 0.0002, 4.0), 1, ("width", "8"))
    return replace(
        analysis(*rows),
        effects=[effect],
        interactions=[given],
        choice=Choice(0, 0.004, 1, 0.0),
        notes=["A note."],
        comparisons=2,
    )


@pytest.fixture
def outcomes() -> Callable[..., pa.Table]:
    """Make the outcomes of queries from their AP."""

    def make(aps: Mapping[str, float | None], usage: str = "Private", **columns: object) -> pa.Table:
        queries = list(aps)
        ranks = [None if not ap else max(1, round(1 / ap)) for ap in aps.values()]
        near = [[f"{query}-{rank}" for rank in range(5)] for query in queries]
        given = {"id": queries, "usage": [usage] * len(queries), "relevant": [3] * len(queries)}
        given |= {"ap": list(aps.values()), "first_rank": ranks, "nearest": near}
        return outcome_table(given | {"similarities": [list(np.linspace(0.9, 0.5, 5))] * len(queries)} | columns)

    return make


@pytest.fixture
def alone(work: Path) -> Callable[..., PastRun]:
    """Bring a run into a store of the test's own."""

    def brought(name: str = "arcface 0", **changes) -> PastRun:
        return bring(work, name, "arcface 0", **changes)

    return brought

"""Simulated studies: runs of heads and seeds with random outcomes of their queries, and their analysis."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from glr.report.study.analysis import Analysis, analyse
from glr.report.study.configurations import configurations
from glr.retrieval.outcomes import outcome_table
from glr.tracking.history import PastRun

QUERIES = 120
AP = "private/map_at_100"


def study(
    heads: Sequence[str], seeds: int, *, kinds: dict[str, str] | None = None
) -> tuple[list[PastRun], dict[str, pa.Table]]:
    """Runs of heads and seeds whose average precisions are random, a third of the queries Public."""
    random = np.random.default_rng(len(heads) * 10 + seeds)
    runs, outcomes = [], {}
    difficulty = random.random(QUERIES)
    for head in heads:
        preference = random.random(QUERIES) / 2
        for seed in range(seeds):
            precisions = (difficulty + preference + random.random(QUERIES) / 4) / (1.8 if head == "low" else 1.75)
            name, kind = f"{head}{seed}", (kinds or {}).get(head, "train")
            tags = {"kind": kind, "overrides": f"head={head} seed={seed}"} | (
                {"configuration": head} if kind == "train" else {}
            )
            params = {
                "head": head,
                "head.margin": "1",
                "seed": str(seed),
                "names": f'["{head}"]',
                "evaluate.score": "map_at_100",
            }
            metrics = {
                AP: float(precisions[QUERIES // 3 :].mean()),
                "public/map_at_100": float(precisions[: QUERIES // 3].mean()),
            }
            runs.append(PastRun(name, name, "s", "FINISHED", len(runs), params, metrics | {"loss": 1.0}, tags, "x"))
            outcomes[name] = table(precisions)
    return runs, outcomes


def table(precisions: np.ndarray) -> pa.Table:
    number = len(precisions)
    usage = ["Public"] * (number // 3) + ["Private"] * (number - number // 3)
    ids = [f"q{row}" for row in range(number)]
    right, shown = precisions > 0.5, np.arange(number) % 4 > 0
    return outcome_table(
        {"id": ids, "usage": usage, "relevant": [2] * number, "ap": precisions, "p_at_10": precisions}
        | {
            "first_rank": [1] * number,
            "class": ["c"] * number,
            "confidence": precisions,
            "right": right & shown,
            "shown": shown,
        }
    )


def analysed(runs: Sequence[PastRun], outcomes: dict[str, pa.Table], **options: object) -> Analysis:
    by_seed = bool(options.pop("by_seed", True))
    return analyse("s", configurations(runs, by_seed=by_seed), outcomes, resamples=600, **options)  # type: ignore[arg-type]


def private(table: pa.Table) -> np.ndarray:
    return table["ap"].to_numpy()[QUERIES // 3 :]

"""A store with the study `heads`: two heads and two seeds, which kept descriptors and no outcomes; see `make_heads`.

What its rankings give is computed here by another route: sorted similarities, and the metrics by their formulas.
"""

import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mlflow.entities import Metric, Param, RunTag

from glr.tracking.history import PastRun, runs_of
from glr.tracking.store import connect, experiment

HEADS = Path(__file__).parent / "heads"
RUNS = {run["name"]: run for run in json.loads((HEADS / "runs.json").read_text())}


def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlruns/mlflow.db"


def bring(
    folder: Path, name: str, like: str = "", *, described: bool = True, kind: str = "train", **changes
) -> PastRun:
    """Write a run into the store of a folder; `changes` are parameters, metrics and tags (None: it has none)."""
    run, client = RUNS[like or name], connect(uri(folder))
    study = experiment(client, "heads", str(folder / "mlruns/artifacts"))
    made = client.create_run(study, run_name=name).info
    params, metrics = run["params"] | changes.get("params", {}), run["metrics"] | changes.get("metrics", {})
    tags = {"kind": kind, **({"descriptors": f"{made.artifact_uri}/descriptors"} if described else {})}
    tags |= changes.get("tags", {})
    client.log_batch(
        made.run_id,
        [Metric(key, value, 0, 0) for key, value in metrics.items() if value is not None],
        [Param(key, value) for key, value in params.items()],
        [RunTag(key, value) for key, value in tags.items()],
    )
    client.set_terminated(made.run_id, "FINISHED")
    if described:
        target = artifacts(folder, made.run_id) / "descriptors"
        target.mkdir(parents=True)
        for file in HEADS.iterdir():
            if file.suffix in (".txt", ".csv"):
                shutil.copy(file, target / file.name)
            elif file.suffix == ".npy" and file.name.startswith(f"{like or name} "):
                shutil.copy(file, target / file.name.removeprefix(f"{like or name} "))
    return {each.id: each for each in runs_of(client, ["heads"])}[made.run_id]


def artifacts(folder: Path, run_id: str) -> Path:
    return folder / "mlruns/artifacts" / run_id / "artifacts"


def descriptors(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A run's descriptors of the queries [Q, D] and of the index [N, D]."""
    query, index = (np.load(HEADS / f"{name} {split}_descriptors.npy").astype(float) for split in ("query", "index"))
    return query, index


def ids(split: str) -> list[str]:
    return (HEADS / f"{split}_ids.txt").read_text().split()


def relevance() -> np.ndarray:
    """Return bool [Q, N], True where an index image is relevant."""
    rows = {row["id"]: row["images"].split() for row in csv.DictReader((HEADS / "retrieval_solution.csv").open())}
    return np.array([np.isin(ids("index"), rows[query]) for query in ids("query")])


class Answer(NamedTuple):
    """What a run answers to a query."""

    precision: float  # AP@100
    confidence: float
    right: bool


def answers(products: np.ndarray, neighbors: int = 3) -> dict[str, dict[str, Answer]]:
    """Return usage -> query -> answer, for the inner products of all queries with the index."""
    index, queries = ids("index"), ids("query")
    classes = dict(csv.reader((HEADS / "index.csv").open()))
    landmarks = {row["id"]: row["landmarks"] for row in csv.DictReader((HEADS / "recognition_solution.csv").open())}
    rows = {row["id"]: row for row in csv.DictReader((HEADS / "retrieval_solution.csv").open())}
    answered: dict[str, dict[str, Answer]] = defaultdict(dict)
    for query, own in zip(queries, products, strict=True):
        ranked = sorted(zip(-own, range(len(own)), strict=True))
        names = [index[place] for _, place in ranked]
        relevant = rows[query]["images"].split()
        ranks = [rank for rank, name in enumerate(names[:100], 1) if name in relevant]
        sums = Counter[str]()
        for (negative, _), name in zip(ranked[:neighbors], names, strict=False):
            sums[classes[name]] -= negative
        (winner, confidence), *_ = sums.most_common()  # of equal sums, the first one
        precision = sum(hits / rank for hits, rank in enumerate(ranks, 1)) / min(len(relevant), 100)
        answered[rows[query]["Usage"]][query] = Answer(precision, confidence, winner in landmarks[query].split())
    return answered


def gap(answered: list[Answer]) -> float:
    """GAP of queries that all show a landmark."""
    ranked = sorted(answered, key=lambda each: -each.confidence)
    ranks = [rank for rank, each in enumerate(ranked, 1) if each.right]
    return sum(hits / rank for hits, rank in enumerate(ranks, 1)) / len(answered)

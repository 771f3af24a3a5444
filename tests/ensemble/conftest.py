"""Members of an ensemble, made by hand, and the task that scores them."""

from pathlib import Path

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.joint import Member, joined
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.task import evaluate

INDEX, QUERIES, CLASSES = 240, 60, 30


@pytest.fixture(scope="module")
def members() -> list[Member]:
    """Five noisy views of the same classes, of different dimensions; float16 among them."""
    made = []
    for number, (dimension, noise) in enumerate([(8, 2.6), (12, 2.2), (6, 1.5), (16, 3.0), (8, 1.9)]):
        rng = np.random.default_rng(number)
        centres = rng.standard_normal((CLASSES, dimension))
        index, query = (
            centres[np.arange(count) % CLASSES] + rng.normal(0, noise / 2, (count, dimension))
            for count in (INDEX, QUERIES)
        )
        dtype = np.float16 if number == 3 else np.float32
        index_ids, query_ids = [f"i{n}" for n in range(INDEX)], [f"q{n}" for n in range(QUERIES)]
        described = (normalised(index).astype(dtype), normalised(query).astype(dtype))
        made.append(Member(Descriptors(index_ids, described[0]), Descriptors(query_ids, described[1])))
    return made


@pytest.fixture(scope="module")
def task() -> LandmarkTask:
    usage = {f"q{n}": ("Public", "Private", "Public", "Ignored")[n % 4] for n in range(QUERIES)}
    relevant = {f"q{n}": frozenset(f"i{i}" for i in range(n % CLASSES, INDEX, CLASSES)) for n in range(QUERIES)}
    shown = {f"q{n}": frozenset([str(n % CLASSES)] if n % 5 else []) for n in range(QUERIES)}
    classes = {f"i{n}": str(n % CLASSES) for n in range(INDEX)}
    return LandmarkTask(Solution(relevant, usage, "retrieval"), Solution(shown, usage, "recognition"), classes)


def normalised(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def scored(members: list[Member], weights: list[float], task: LandmarkTask, folder: Path) -> dict[str, float]:
    index = joined([member.index for member in members], weights, folder / "index.npy")
    query = joined([member.query for member in members], weights, folder / "query.npy")
    return evaluate(task, index, query)[0]

"""Search for ensembles: ten stored models of 512 dimensions, 1,000 queries, an index of 50,000.

python tests/benchmarks/ensemble.py
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from glr.data.solution import Solution
from glr.ensemble.search import EnsembleLimits, search
from glr.retrieval.descriptors import Descriptors, load, save
from glr.retrieval.joint import Member
from glr.retrieval.landmarks import LandmarkTask

MODELS, QUERIES, INDEX, CLASSES, DIMENSION = 10, 1_000, 50_000, 2_500, 512


def stored(folder: Path, number: int) -> Member:
    """Store a model: classes scattered at random and images around them, noisier from model to model."""
    rng = np.random.default_rng(number)
    centres = rng.standard_normal((CLASSES, DIMENSION), dtype=np.float32)
    made = []
    for name, count in (("index", INDEX), ("query", QUERIES)):
        values = centres[np.arange(count) % CLASSES] + (3 + 0.2 * number) * rng.standard_normal(
            (count, DIMENSION), dtype=np.float32
        )
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        save(place, name, Descriptors([f"{name}{n}" for n in range(count)], values))
        made.append(load(place, name))
    return Member(*made)


def main() -> None:
    """Time greedy search by mAP@100 and by GAP, and exhaustive search by GAP."""
    usage = {f"query{n}": "Public" for n in range(QUERIES)}
    relevant = {f"query{n}": frozenset(f"index{i}" for i in range(n, INDEX, CLASSES)) for n in range(QUERIES)}
    shown = {f"query{n}": frozenset([str(n)]) for n in range(QUERIES)}
    classes = {f"index{n}": str(n % CLASSES) for n in range(INDEX)}
    task = LandmarkTask(Solution(relevant, usage, "retrieval"), Solution(shown, usage, "recognition"), classes)
    with tempfile.TemporaryDirectory() as folder:
        members = [stored(Path(folder), number) for number in range(MODELS)]
        for method, most, score in (("greedy", 10, "map_at_100"), ("greedy", 10, "gap"), ("exhaustive", 3, "gap")):
            began = time.perf_counter()
            tried = search(
                members,
                task,
                score,
                method=method,
                limits=EnsembleLimits(most, None),
                weights=[1.0],
                depth=None,
                memory=2.0,
            )
            seconds = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            best = tried[0]
            print(f"{method} by {score}: {len(tried)} ensembles in {seconds:.1f} s, peak {peak:.1f} GiB; best ", end="")
            alone = max(choice.score for choice in tried if len(choice.members) == 1)
            print(f"{best.members} {best.score:.4f}, the best single one {alone:.4f}")


if __name__ == "__main__":
    main()

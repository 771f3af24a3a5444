"""Approximate search by faiss beside the exact search of `glr.Index`: recall and time on 100,000 descriptors of 512.

Run it by hand: `python tests/benchmarks/approximate.py`. The descriptors lie around 5,000 random centres, as those of
photos lie around what they show. Times are seconds of one core, so that a busy machine changes them little.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy and faiss start their threads

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from glr.retrieval.index import Index
from glr.retrieval.index_files import Settings, store, write
from glr.retrieval.rows import Part, Rows
from glr.storage.temporary import temporary_folder

IMAGES, DIMENSION, CENTRES, QUERIES, K = 100_000, 512, 5_000, 1_000, 10


def around(centres: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return `count` vectors of length 1 at a similarity of some 0.7 to their centres."""
    chosen = centres[random.integers(0, len(centres), count)]
    values = chosen + random.standard_normal(chosen.shape, np.float32) / DIMENSION**0.5
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = what()
    return time.process_time() - began, result


def show(name: str, build: float, search: Callable[[np.ndarray], np.ndarray], queries: np.ndarray, exact: np.ndarray):
    ten, _ = min((timed(lambda: search(queries[:10])) for _ in range(5)), key=lambda run: run[0])
    many, places = timed(lambda: search(queries))
    recall = np.mean([len({*row} & {*right}) / K for row, right in zip(places, exact, strict=True)])
    print(f"{name:<28}{build:>8.1f} s{1000 * ten:>10.1f} ms{many:>10.2f} s{recall:>10.3f}", flush=True)


def main() -> None:
    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, DIMENSION), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    values, queries = around(centres, IMAGES, random), around(centres, QUERIES, random)
    with temporary_folder() as folder:
        path = Path(folder, "index")
        rows = Rows([f"{n}.jpg" for n in range(IMAGES)], ["1 1"] * IMAGES, values, {})
        write(path, settings := Settings("model", "", "photos", "float32"), store(path, [Part.of(rows)], settings))
        opened, index = timed(lambda: Index.open(path))
        values, places = index.descriptors, {name: place for place, name in enumerate(index.ids)}
        exact = np.array([[places[image] for image in hits.ids] for hits in index.search(queries, K)])
        print(f"{'':<28}{'build':>10}{'10 queries':>13}{'1,000':>12}{'recall@10':>10}")

        def own(some: np.ndarray) -> np.ndarray:
            return np.array([[places[image] for image in hits.ids] for hits in index.search(some, K)])

        show("glr.Index (exact)", opened, own, queries, exact)
        flat = index.to_faiss()
        show("to_faiss (exact)", 0, lambda some: flat.search(some, K)[1], queries, exact)
        for factory, setting, efforts in (("IVF1024,Flat", "nprobe", (4, 16)), ("HNSW32,Flat", "efSearch", (32, 128))):
            made = faiss.index_factory(DIMENSION, factory, faiss.METRIC_INNER_PRODUCT)
            build, _ = timed(lambda made=made: (made.train(values), made.add(values)))
            for effort in efforts:
                faiss.ParameterSpace().set_index_parameter(made, setting, effort)
                name = f"{factory.partition(',')[0]} {setting}={effort}"
                show(name, build, lambda some, made=made: made.search(some, K)[1], queries, exact)


if __name__ == "__main__":
    main()

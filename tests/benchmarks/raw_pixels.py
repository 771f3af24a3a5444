"""The floor of a prepared data set: retrieval by the cosine of small grey pictures, no network.

python tests/benchmarks/raw_pixels.py data/folder
"""

import sys

import numpy as np

from glr.data.pipeline import image_batches
from glr.data.prepared import PreparedData
from glr.retrieval.evaluation import evaluate
from glr.retrieval.solution import read_solution

SIDE = 28


def main(path: str) -> None:
    data = PreparedData(path)
    described = {}
    for split in ("index", "query"):
        batches = list(image_batches(data, split, image_size=SIDE, batch_size=256, parallelism=2))
        ids = [image_id for names, _ in batches for image_id in names]
        grey = np.concatenate([pixels for _, pixels in batches]).astype(np.float32).mean(-1).reshape(len(ids), -1)
        grey -= grey.mean(axis=1, keepdims=True)  # without its mean every pale picture resembles every other
        described[split] = ids, grey / np.linalg.norm(grey, axis=1, keepdims=True)
    (index_ids, index), (query_ids, queries) = described["index"], described["query"]
    scores = evaluate(
        index_ids,
        [data.index_classes[image_id] for image_id in index_ids],
        index,
        query_ids,
        queries,
        read_solution(data.path / "retrieval_solution.csv"),
        read_solution(data.path / "recognition_solution.csv"),
    )
    for name, value in scores.items():
        print(f"{name:<28}{value:.4f}")


if __name__ == "__main__":
    main(sys.argv[1])

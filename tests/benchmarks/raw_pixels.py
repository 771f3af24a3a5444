"""The floor of a prepared data set: retrieval by the cosine of 28 x 28 grey pictures, no network.

python tests/benchmarks/raw_pixels.py data/folder
"""

import sys

import numpy as np

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.sets import prepared
from glr.retrieval.task import evaluate

SIDE = 28


def main(path: str) -> None:
    data = PreparedData(path)
    pixels = {split: grey_pictures(data, split) for split in ("index", "query")}
    columns = {"cosine": pixels}
    # Without its mean no pale picture resembles every other.
    columns["mean removed"] = {
        split: (ids, grey - grey.mean(1, keepdims=True)) for split, (ids, grey) in pixels.items()
    }
    scores = {name: scored(data, described) for name, described in columns.items()}
    print(" " * 28 + "".join(f"{name:>14}" for name in scores))
    for metric in scores["cosine"]:
        print(f"{metric:<28}" + "".join(f"{column[metric]:>14.4f}" for column in scores.values()))


def grey_pictures(data: PreparedData, split: str) -> tuple[list[str], np.ndarray]:
    taken = list(batches(StoredPictures(data, split), image_size=SIDE, batch_size=256, parallelism=2))
    ids = [image_id for names, _ in taken for image_id, _ in names]
    return ids, np.concatenate([images for _, images in taken]).astype(np.float32).mean(-1).reshape(len(ids), -1)


def scored(data: PreparedData, described: dict[str, tuple[list[str], np.ndarray]]) -> dict[str, float]:
    unit = {
        split: (ids, grey / np.linalg.norm(grey, axis=1, keepdims=True)) for split, (ids, grey) in described.items()
    }
    index, query = (Descriptors(*unit[split]) for split in ("index", "query"))
    return evaluate(prepared(data, neighbors=1).task, index, query)[0]


if __name__ == "__main__":
    main(sys.argv[1])

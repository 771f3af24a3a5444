"""A baseline for a prepared data set: retrieval by the cosine of 28 x 28 grey pictures, without a network.

python tests/benchmarks/raw_pixels.py data/folder                    scores
python tests/benchmarks/raw_pixels.py data/folder submission.csv     and predictions, as `score` reads them
"""

import csv
import sys
from pathlib import Path

import numpy as np

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.sets import prepared
from glr.retrieval.task import evaluate

SIDE = 28


def main(path: str, predictions: str | None = None) -> None:
    data = PreparedData(path)
    pixels = {split: grey_pictures(data, split) for split in ("index", "query")}
    columns = {"cosine": pixels}
    if predictions is not None:
        write(Path(predictions), pixels)
    # Removing each picture's mean keeps pale pictures from resembling all others.
    columns["mean removed"] = {
        split: (ids, grey - grey.mean(1, keepdims=True)) for split, (ids, grey) in pixels.items()
    }
    scores = {name: scored(data, described) for name, described in columns.items()}
    print(" " * 28 + "".join(f"{name:>14}" for name in scores))
    for metric in scores["cosine"]:
        print(f"{metric:<28}" + "".join(f"{column[metric]:>14.4f}" for column in scores.values()))


def write(file: Path, described: dict[str, tuple[list[str], np.ndarray]]) -> None:
    index, query = unit(described)
    nearest = np.argsort(-query.values @ index.values.T, axis=1, kind="stable")[:, :100]
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(["id", "images"])
        rows.writerows(
            (name, " ".join(index.ids[n] for n in row)) for name, row in zip(query.ids, nearest, strict=True)
        )


def grey_pictures(data: PreparedData, split: str) -> tuple[list[str], np.ndarray]:
    taken = list(batches(StoredPictures(data, split), image_size=SIDE, batch_size=256, parallelism=2))
    ids = [image_id for names, _ in taken for image_id, _ in names]
    return ids, np.concatenate([images for _, images in taken]).astype(np.float32).mean(-1).reshape(len(ids), -1)


def scored(data: PreparedData, described: dict[str, tuple[list[str], np.ndarray]]) -> dict[str, float]:
    return evaluate(prepared(data, neighbors=1).task, *unit(described))[0]


def unit(described: dict[str, tuple[list[str], np.ndarray]]) -> tuple[Descriptors, Descriptors]:
    """Return the index and the queries, each picture scaled to length 1."""
    index, query = (
        Descriptors(ids, grey / np.linalg.norm(grey, axis=1, keepdims=True))
        for ids, grey in (described["index"], described["query"])
    )
    return index, query


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Retrieval and recognition metrics of stored descriptors, implemented independently in plain NumPy."""

import csv
from pathlib import Path

import numpy as np

from glr.retrieval.descriptors import load


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def metrics(folder: Path, cosines: np.ndarray | None = None) -> dict[str, float]:
    """Compute the metrics by usage for a folder that `glr.retrieval` saved; one neighbour classifies a query.

    Args:
        folder: holds descriptors and solutions.
        cosines: [queries, index images]; None: those of the descriptors.
    """
    index, query = load(folder, "index"), load(folder, "query")
    if cosines is None:
        cosines = query.values.astype(np.float32) @ index.values.astype(np.float32).T
    order = np.argsort(-cosines, axis=1, kind="stable")
    shown = {row["id"]: row["landmark_id"] for row in rows(folder / "index.csv")}
    classes = {row["id"]: row["landmarks"] for row in rows(folder / "recognition_solution.csv")}
    results: dict[str, float] = {}
    for usage in ("Public", "Private"):
        asked = [row for row in rows(folder / "retrieval_solution.csv") if row["Usage"] == usage]
        hits, nearest = [], []
        for row in asked:
            at = query.ids.index(row["id"])
            names = [index.ids[position] for position in order[at]]
            hits.append(np.isin(names, row["images"].split()))
            nearest.append((-cosines[at].max(), row["id"], shown[names[0]] == classes[row["id"]]))
        precisions = [h.cumsum() / np.arange(1, len(h) + 1) for h in hits]
        right = np.array([is_right for *_, is_right in sorted(nearest)])
        values = {
            "map_at_100": np.mean([p[h].sum() / h.sum() for p, h in zip(precisions, hits, strict=True)]),
            "mp_at_10": np.mean([h[:10].sum() / 10 for h in hits]),
            **{f"recall_at_{k}": np.mean([h[:k].any() for h in hits]) for k in (1, 5, 10)},
            "mean_position": np.mean([h.argmax() + 1 for h in hits]),
            "gap": (right * right.cumsum() / np.arange(1, len(right) + 1)).mean(),
            "top1_accuracy": right.mean(),
        }
        results |= {f"{usage.lower()}/{name}": float(value) for name, value in values.items()}
    return results

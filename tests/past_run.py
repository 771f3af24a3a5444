"""A past run as the store gives it, for tests of tables and reports."""

from collections.abc import Callable

import pytest

from glr.tracking.history import PastRun

# The parameters of a run as MLflow returns them.
_PARAMS = {
    "backbone.label": "Xception",
    "pooling.label": "GeM",
    "head.label": "AdaCos(Semi)",
    "regularization.label": "null",
    "train.batch_size": "128",
    "train.epochs": "20",
    "data.normalization": "minus_one_one",
    "data.image_size": "441",
    "model.embedding_size": "512",
    "optimizer.label": "Adam",
    "schedule.label": "CosineDecay(0.001)",
}


@pytest.fixture
def past() -> Callable[..., PastRun]:
    """Make a past run from its name, its scores, and parameters that differ from the usual ones."""
    count = 0

    def make(name: str, public: float | None = None, private: float | None = None, **changes) -> PastRun:
        nonlocal count
        count += 1
        kind, status = changes.pop("kind", "train"), changes.pop("status", "FINISHED")
        metrics = {"public_score": public, "private_score": private} if public is not None else {}
        params = (_PARAMS if kind == "train" else {}) | {k.replace("__", "."): str(v) for k, v in changes.items()}
        return PastRun(f"{count:032x}", name, "study", status, count, params, metrics, {"kind": kind}, "")

    return make

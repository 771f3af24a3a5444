"""Evaluations side by side: the settings that differ, the model, the scores; as a table and as records."""

from glr.compare.evaluations import evaluations, records, table
from glr.compare.rendering import markdown
from glr.tracking.history import PastRun

PLAIN = {"run": "one", "model": "null", "whitening": "none", "whitening._target_": "glr.x.Unwhitened", "memory": "1.5"}
PCA = {"whitening": "pca", "whitening._target_": "glr.x.PCA", "whitening.label": "PCA", "whitening.epsilon": "1e-06"}


def past(name: str, kind: str = "evaluation", parent: str = "t", status: str = "FINISHED", **params: object) -> PastRun:
    public = params.pop("public", 0.5)
    metrics = {"public/map_at_100": public, "private/map_at_100": 0.25, "unprocessed/public/map_at_100": 0.9}
    metrics |= {"private/recall_at_1": 0.75, "public/recall_at_1": 1.0}
    tags = {"kind": kind, "mlflow.parentRunId": parent}
    params = PLAIN | params  # type: ignore[assignment]
    return PastRun(name, name, "study", status, 0, params, metrics, tags, store="x")


RUNS = [
    past("t", kind="train"),
    past("a"),
    past("b", public=0.75, **PCA, **{"whitening.dimension": "8", "memory": "9"}),
    past("c", **PCA, **{"whitening.dimension": "4"}),
    past("d", status="FAILED", whitening="other"),
    past("e", parent="elsewhere", run="null", model="exports/m"),
]


def test_what_differs_and_nothing_else():
    compared = evaluations(RUNS, None)
    assert [(each.run.name, each.model, each.settings) for each in compared] == [
        ("a", "t", {"whitening": "none"}),
        ("b", "t", {"whitening": "pca", "whitening.dimension": "8"}),
        ("c", "t", {"whitening": "pca", "whitening.dimension": "4"}),
        ("e", "exports/m", {"whitening": "none"}),
    ]
    assert markdown([table(compared, decimals=2)]).splitlines() == [
        "### Evaluation",
        "",
        "|Model|Setting|public/map_at_100|private/map_at_100|",
        "|-----|-----|:--------:|:--------:|",
        "|t|whitening = none|0.50|0.25|",
        "|t|whitening = pca<br>whitening.dimension = 8|0.75|0.25|",
        "|t|whitening = pca<br>whitening.dimension = 4|0.50|0.25|",
        "|exports/m|whitening = none|0.50|0.25|",
    ]
    assert records(compared)[1] == {
        **{"kind": "evaluation", "name": "b", "run_id": "b", "study": "study", "status": "FINISHED", "model": "t"},
        **{"whitening": "pca", "whitening.dimension": "8", "public/map_at_100": 0.75, "private/map_at_100": 0.25},
    }


def test_a_metric_of_choice():
    assert list(evaluations(RUNS, "recall_at_1")[0].scores.items()) == [
        ("public/recall_at_1", 1.0),
        ("private/recall_at_1", 0.75),
    ]

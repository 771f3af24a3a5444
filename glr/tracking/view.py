"""A study's saved view in MLflow: the columns and charts that its runs page opens with.

MLflow has no interface for saved views. Its pages (3.15 and later) store a view as an experiment tag: JSON with a name,
times and the page's state, which is compressed JSON. A link that holds the view's key opens the page in that state.
"""

import base64
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlflow.entities import Run

from glr.config.identity import is_circumstance
from glr.config.usages import USAGES, metric_name, score_name
from glr.tracking.description import digest

TAG = "mlflow.sharedViewState.{}"
OLDEST = (3, 15)  # the first version of MLflow whose pages list saved views
_NAME = "Scores and settings"
_MOST = 10  # columns of settings
SWEEP = "sweep"  # the tag of a job that names its sweep
_SCORES = [metric_name(usage, metric) for metric in ("map_at_100", "gap") for usage in USAGES]
MEASURED = frozenset(
    ["classes", "parameters", "trainable_parameters", "train_images", "steps_per_epoch"]
)  # measured, not set
_TRAINING = ["loss", "accuracy", "learning_rate", "images_per_second"]


def columns(runs: Sequence[Run], swept: Iterable[str]) -> list[str]:
    """The columns of a study's view: scores, the settings that vary, the sweep, and the metrics behind the scores.

    Args:
        runs: the study's runs, or the newest of them.
        swept: the settings that distinguish the jobs of a sweep, which may not have begun.
    """
    metrics = {name for run in runs for name in run.data.metrics}
    trained = [run.data.params for run in runs if run.data.tags.get("kind") == "train"]
    differing = [name for name in varying(trained) if name not in {"name", *MEASURED} and not is_circumstance(name)]
    settings = list(dict.fromkeys([*swept, *sorted(differing, key=lambda name: ("." in name, name))]))  # choices first
    return [
        *(f"metrics.`{name}`" for name in map(score_name, USAGES) if name in metrics),
        *(f"params.`{name}`" for name in settings[:_MOST]),
        *([f"tags.`{SWEEP}`"] if any(SWEEP in run.data.tags for run in runs) else []),
        *(f"metrics.`{name}`" for name in _SCORES if name in metrics),
    ]


def varying(params: Sequence[Mapping[str, str]]) -> list[str]:
    """The parameters with several values; a choice's own settings count among runs with the same choice only."""
    values: defaultdict[tuple[str, str | None], set[str | None]] = defaultdict(set)
    for name in dict.fromkeys(name for each in params for name in each):
        group = name.partition(".")[0]
        for each in params:
            values[name, each.get(group) if group != name else None].add(each.get(name))
    return list(dict.fromkeys(name for (name, _), held in values.items() if len(held) > 1))


def tag_value(shown: Sequence[str], before: str | None, now: int) -> str | None:
    """The text of the tag that holds a view; None: a user has changed the view since glr wrote it.

    Args:
        shown: the view's columns.
        before: the tag's present text; None: there is none.
        now: the time in ms since 1970.
    """
    old = {} if before is None else _read(before)
    state = _packed(_state(shown))
    if before is not None and old.get("glr") != digest(str(old.get("state"))):
        return None
    times = {"createdAt": old.get("createdAt", now), "updatedAt": now}
    return json.dumps({"name": _NAME, **times, "state": state, "glr": digest(state)})


def _read(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _packed(state: Mapping[str, object]) -> str:
    return f"deflate;{base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()}"


def _state(shown: Sequence[str]) -> dict[str, object]:
    """The state of MLflow's runs page, with the best run first.

    MLflow nests runs below their sweep only in order of start time, and then hides them: a saved view cannot open them.
    """
    scores = [name for name in map(score_name, USAGES) if f"metrics.`{name}`" in shown]
    scores += [name for name in _SCORES if f"metrics.`{name}`" in shown]
    order = f"metrics.`{scores[0]}`" if scores else "attributes.start_time"
    parts = [("Scores by epoch", "LINE", scores), ("Scores", "BAR", scores), ("Training", "LINE", _TRAINING)]
    return {
        **{"searchFilter": "", "orderByKey": order, "orderByAsc": False, "startTime": "ALL"},
        **{"lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs"},
        **{"selectedColumns": list(shown), "columnOrder": list(shown), "columnWidths": {}},
        **{"runsHiddenMode": "FIRST_20_RUNS", "viewMaximized": False, "runListHidden": False},
        "compareRunSections": [_section(title) for title, _, names in parts if names],
        "compareRunCharts": [_chart(title, kind, name) for title, kind, names in parts for name in names],
        **{"isAccordionReordered": True, "useGroupedValuesInCharts": True, "hideEmptyCharts": True},
        **{"groupBy": None, "groupsExpanded": {}},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _section(title: str) -> dict[str, object]:
    own = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": f"glr {title}", "name": title, **own}


def _chart(section: str, kind: str, metric: str) -> dict[str, object]:
    chart = {"uuid": f"glr {section} {metric}", "metricSectionId": f"glr {section}", "type": kind}
    chart |= {"metricKey": metric, "runsCountToCompare": 20, "deleted": False, "isGenerated": False}
    if kind == "BAR":
        return {**chart, "displayName": metric}
    scales = {"xAxisKey": "step", "selectedXAxisMetricKey": "", "xAxisScaleType": "linear", "scaleType": "linear"}
    axes = {"yAxisKey": "metric", "yAxisExpressions": [], "selectedMetricKeys": [metric], "range": {}}
    looks = {"lineSmoothness": 0, "useGlobalLineSmoothing": True, "useGlobalXaxisKey": True, "ignoreOutliers": False}
    return chart | scales | axes | looks

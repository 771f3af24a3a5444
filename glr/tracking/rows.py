"""Runs as rows of a table, read from the parameters and metrics that they logged."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from glr.config.usages import USAGES, metric_name, score_name
from glr.errors import GlrError
from glr.tracking.history import PastRun

_NORMALIZATIONS = {"zero_one": "0 ~ 1", "minus_one_one": "-1 ~ 1", "imagenet": "ImageNet", "clip": "CLIP"}
# Part of a run -> the setting that holds its text. A part without a value (no regularization) is not printed.
MODEL = {
    "backbone": "backbone.label",
    "pooling": "pooling.label",
    "head": "head.label",
    "regularization": "regularization.label",
}
# Part of a run -> the setting that holds its value, and its name in the column Setting.
SETTING = {
    "batch_size": ("train.batch_size", "Batch size"),
    "epochs": ("train.epochs", "Epochs"),
    "normalization": ("data.normalization", "Normalization"),
    "image_size": ("data.image_size", "Input size"),
    "embedding_size": ("model.embedding_size", "Embedding size"),
    "optimizer": ("optimizer.label", "Optimizer"),
    "schedule": ("schedule.label", "lr"),
}


@dataclass(frozen=True)
class Row:
    """A run in a table."""

    run: PastRun
    index: int
    model: dict[str, str]  # part -> text; for an ensemble: {"members": "(9)+(15)"}
    setting: dict[str, tuple[str, str]] = field(default_factory=dict)  # part -> (name, text)
    highlights: frozenset[str] = frozenset()  # parts to print in bold
    public: float | None = None
    private: float | None = None
    plain: float | None = None  # the score on a set whose solution is not divided
    continuation: "Row | None" = None  # the run of the same index that started from this run's weights

    @property
    def failed(self) -> bool:
        """True if the run raised an error or diverged."""
        return self.run.status == "FAILED"

    @property
    def part_texts(self) -> dict[str, str]:
        """Part -> text, of model and setting."""
        return self.model | {part: text for part, (_, text) in self.setting.items()}

    @property
    def best(self) -> float:
        """The best score of the run and its continuation; -inf if they have none. See `main`."""
        scores = [row.main for row in (self, self.continuation) if row is not None and row.main is not None]
        return max(scores, default=float("-inf"))

    @property
    def main(self) -> float | None:
        """The Public score; without one the Private or the undivided score."""
        return next((score for score in (self.public, self.private, self.plain) if score is not None), None)


def single_models(runs: Iterable[PastRun], score: str | None, settings: Iterable[str] = ()) -> list[Row]:
    """A row for each finished or failed run, in order of index; a continuation is part of the row that it continues.

    Args:
        runs: runs in order of start; runs without an index are numbered after the others.
        score: a metric; None: the leaderboard's score if recorded, else the run's own score.
        settings: further parameters for the column Setting.

    Raises:
        GlrError: no run has the metric, or no run has a parameter of `settings`.
    """
    runs = [run for run in runs if run.kind == "train" and run.status in ("FINISHED", "FAILED")]
    _check_known(runs, score, settings)
    rows: list[Row] = []
    for index, run in numbered(runs):
        model, setting = parts(run, settings)
        highlights = frozenset(_strings(run, "highlights"))
        public, private, plain = _scores(run, score)
        row = Row(run, index, model, setting, highlights, public, private, plain)
        if rows and run.init_from and "index" in run.params and rows[-1].index == index:
            rows[-1] = replace(rows[-1], continuation=row)
        else:
            rows.append(row)
    return rows


def parts(run: PastRun, settings: Iterable[str] = ()) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The parts of a run's model with their texts, and its settings with their names and texts.

    Args:
        run: a training run.
        settings: further parameters.
    """
    params = run.settings
    model = {part: params[key] for part, key in MODEL.items() if params.get(key, "null") != "null"}
    setting = {part: (name, _text(part, params[key])) for part, (key, name) in SETTING.items() if key in params}
    return model, setting | {key: (key, params[key]) for key in settings if key in params}


def ensembles(runs: Iterable[PastRun], singles: Iterable[Row], score: str | None) -> list[Row]:
    """A row for each ensemble, in order of index; a member is named by the index of its row.

    Raises:
        GlrError: no run has the metric.
    """
    by_id: dict[str, str] = {row.run.id: str(row.index) for row in singles}
    by_id |= {row.continuation.run.id: f"{row.index}, fine-tuned" for row in singles if row.continuation is not None}
    runs = [run for run in runs if run.kind == "ensemble" and run.status == "FINISHED"]
    _check_known(runs, score, ())
    rows = []
    for index, run in numbered(runs):
        ids, names = _strings(run, "members"), _strings(run, "names")  # a member may be a run of another study
        named = zip(ids, names if len(names) == len(ids) else ids, strict=True)
        members = [by_id.get(member, name) for member, name in named]
        public, private, plain = _scores(run, score)
        model = {"members": "+".join(f"({member})" for member in members)}
        rows.append(Row(run, index, model, public=public, private=private, plain=plain))
    return rows


def numbered(runs: Sequence[PastRun]) -> Iterator[tuple[int, PastRun]]:
    """Yield (index, run) in order of index; runs of an index in order of start, continuations last."""
    own = {run.id: index for run in runs if (index := _own_index(run)) is not None}
    following = max(own.values(), default=0)
    numbered = []
    for run in runs:
        if run.id not in own:
            following += 1
        numbered.append((own.get(run.id, following), run))
    return iter(sorted(numbered, key=lambda pair: (pair[0], pair[1].init_from is not None)))


def _own_index(run: PastRun) -> int | None:
    """A run's parameter `index`; None if it is missing or not a number, as another tool may have logged it."""
    try:
        return int(run.params["index"])
    except (KeyError, ValueError):
        return None


def _strings(run: PastRun, key: str) -> list[str]:
    """A parameter that is a list in JSON; [] if it is missing or holds anything else."""
    try:
        values = json.loads(run.params[key])
    except (KeyError, ValueError, RecursionError):
        return []
    return [str(value) for value in values] if isinstance(values, list) else []


def _scores(run: PastRun, score: str | None) -> list[float | None]:
    """The Public, Private and undivided score of a run."""
    if run.status == "FAILED":
        return [None for _ in USAGES]
    if score is not None:
        return [run.metrics.get(metric_name(usage, score)) for usage in USAGES]
    own = [run.metrics.get(score_name(usage)) for usage in USAGES]
    return [run.metrics.get(f"leaderboard/{u.lower()}", score) for u, score in zip(USAGES, own, strict=True)]


def _check_known(runs: list[PastRun], score: str | None, settings: Iterable[str]) -> None:
    finished = [run for run in runs if run.status == "FINISHED"]
    metrics = {name for run in finished for name in run.metrics}
    if finished and score is not None and metrics.isdisjoint(metric_name(usage, score) for usage in USAGES):
        known = sorted({m[1] for name in metrics if (m := re.fullmatch(r"(?:public|private)/(.+)", name))})
        raise GlrError(f"compare.metric={score}: no run has this metric; there are {', '.join(known) or 'none'}")
    for key in settings:
        if runs and not any(key in run.settings for run in runs):
            raise GlrError(f"compare.settings: no run has a parameter {key}")


def _text(part: str, value: str) -> str:
    if part == "normalization":
        return _NORMALIZATIONS.get(value, value)
    return f"{value} x {value}" if part == "image_size" else value


def highlighted(rows: list[Row], rule: str) -> list[Row]:
    """Return the rows, each with the parts to print in bold.

    Args:
        rows: single models, in order of index.
        rule: explicit: the parts in each run's own `highlights`. previous: the parts that differ from the previous row
            of the same backbone. Any other rule is a run's index, name or id: the parts that differ from this run.

    Raises:
        GlrError: no row, or more than one, matches the run that the rule names.
    """
    if rule == "explicit":
        return rows
    if rule == "previous":
        before: dict[str | None, Row] = {}
        changed = []
        for row in rows:
            backbone = row.model.get("backbone")
            changed.append(replace(row, highlights=_differing(row, before.get(backbone))))
            before[backbone] = row
        return changed
    named = [row for row in rows if rule in (str(row.index), row.run.name, row.run.id)]
    if len(named) != 1:
        count = "no run" if not named else f"{len(named)} runs"
        raise GlrError(f"compare.highlight={rule}: {count} with this index, name or id in the table")
    return [replace(row, highlights=_differing(row, named[0])) for row in rows]


def _differing(row: Row, baseline: Row | None) -> frozenset[str]:
    if baseline is None:
        return frozenset()
    other: Mapping[str, str] = baseline.part_texts
    return frozenset(part for part, text in row.part_texts.items() if text != other.get(part))

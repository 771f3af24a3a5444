"""Runs grouped into configurations: runs that differ in nothing but the seed."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from glr.config.identity import EVALUATION, is_circumstance
from glr.errors import GlrError
from glr.tracking.history import PastRun
from glr.tracking.rows import numbered, parts
from glr.tracking.view import MEASURED, varying

# Parameters that name a run.
_NAMES = frozenset(["name", "index", "highlights", "experiment", "_target_"])
_IMAGES = ("prepared", "index", "queries", "revisited", "images")  # of an evaluation
_SUBJECTS = ("members", "model")  # of an ensemble, and of an evaluation: listed even if all rows share them

Settings = dict[str, str]


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in the seed only; an ensemble or an evaluation is a configuration of its own.

    Attributes:
        key: identifies the configuration and its data set.
        kind: train, ensemble or evaluation.
        index: number of the row among those of its kind: the first run's own `index`, else after the others in order of
            start.
        settings: what tells it from the other configurations: a choice (`head`: `arcface`) or a value.
        labels: the settings as tables print them (`head`: `ArcFace`).
        runs: one for each seed, in order of seed: the newest that finished, or the newest.
        repeated: number of further runs of these seeds. They do not count: they say nothing of other seeds.
    """

    key: str
    kind: str
    index: int
    settings: Mapping[str, str]
    labels: Mapping[str, str]
    runs: tuple[PastRun, ...]
    repeated: int = 0

    @property
    def name(self) -> str:
        """What tells it from the others, in words; if nothing does, its runs' name without the seed, or their study."""
        groups = {key.partition(".")[0] for key in self.runs[0].params if "." in key}
        groups |= {key for key, text in self.labels.items() if text != self.settings.get(key, text)}
        telling = {key: text for key, text in self.labels.items() if key in self.settings}
        parts = [text if key in groups and text != "none" else f"{key}={text}" for key, text in telling.items()]
        words = [word for word in self.runs[0].name.split() if len(self.runs) == 1 or not word.startswith("seed=")]
        return ", ".join(parts) or " ".join(words) or self.runs[0].study

    @property
    def finished(self) -> tuple[PastRun, ...]:
        """The runs that have scores."""
        return tuple(run for run in self.runs if run.status == "FINISHED")

    @property
    def seeds(self) -> list[str]:
        """The seeds of the finished runs."""
        return [run.params.get("seed", "") for run in self.finished]


def configurations(
    runs: Iterable[PastRun], *, by_seed: bool = True, evaluations: bool = False, printed: Sequence[str] = ()
) -> list[Configuration]:
    """Group runs that have ended, in order of their rows' numbers.

    Args:
        runs: runs of any kind, in order of start.
        by_seed: False: each run is a row of its own, and the seed is one of its settings.
        evaluations: also return the evaluations.
        printed: further parameters, to print beside the settings that differ.

    Raises:
        GlrError: no run has a parameter of `printed`.
    """
    kinds = ("train", "ensemble", *(("evaluation",) if evaluations else ()))
    runs = list(runs)
    for key in printed:
        if runs and not any(key in run.settings for run in runs):
            raise GlrError(f"compare.settings: no run has a parameter {key}")
    names = {run.id: run.name for run in runs}
    made: list[Configuration] = []
    for kind in kinds:
        wanted = ("FINISHED", "FAILED") if kind == "train" else ("FINISHED",)
        groups: dict[str, list[PastRun]] = defaultdict(list)
        for run in runs:
            if run.kind == kind and run.status in wanted:
                groups[_key(run) if by_seed else run.id].append(run)
        members = [_one_of_each_seed(group) for group in groups.values()]
        values = [_values(group[0], names, by_seed=by_seed) for group in members]
        labels = [_labels(group[0]) for group in members]
        settings = _telling([run for group in members for run in group], values)
        indices = {run.id: index for index, run in numbered([group[0] for group in members])}
        one_model = len({each.get("model") for each in settings}) == 1  # of evaluations
        for key, group, own, texts in zip(groups, members, settings, _printed(settings, labels), strict=True):
            further = {name: group[0].settings[name] for name in printed if name in group[0].settings}
            if one_model:
                texts.pop("model", None)
            repeated = len(groups[key]) - len(group)
            made.append(Configuration(key, kind, indices[group[0].id], own, further | texts, tuple(group), repeated))
    order = {kind: place for place, kind in enumerate(kinds)}
    return sorted(made, key=lambda each: (order[each.kind], each.index))


def common(rows: Sequence[Configuration]) -> Settings:
    """The parts and settings of the trained models that all of them share, by their names in tables."""
    texts: dict[str, set[str | None]] = defaultdict(set)
    described = [_described(run) for row in rows if row.kind == "train" for run in row.runs]
    for key in dict.fromkeys(key for each in described for key in each):
        texts[key] = {each.get(key) for each in described}
    return {key: text for key, (text, *others) in texts.items() if text is not None and not others}


def named(rows: Sequence[Configuration], wanted: str, key: str) -> int:
    """Return the place of the configuration with this index, name, key, or run's name or id.

    Args:
        rows: configurations.
        wanted: what the user gave.
        key: the setting that holds it, for the message.

    Raises:
        GlrError: no configuration matches, or several do.
    """
    for texts in (
        lambda row: [str(row.index)],
        lambda row: [row.name, row.key],
        lambda row: [text for run in row.runs for text in (run.id, run.name)],
    ):
        if places := [place for place, row in enumerate(rows) if wanted in texts(row)]:
            if len(places) == 1:
                return places[0]
            listed = "; ".join(f"{rows[place].runs[0].id} ({rows[place].name})" for place in places[:5])
            raise GlrError(f"{key}={wanted}: {len(places)} rows match, give the id of a run: {listed}")
    raise GlrError(
        f"{key}={wanted}: no row has this index, name or id; the names are {'; '.join(r.name for r in rows)}"
    )


def _key(run: PastRun) -> str:
    """The configuration and the data set; a run that names none is its own configuration."""
    tags = [run.tags.get(name, "") for name in ("configuration", "data_digest")]
    return "-".join(tags) if run.kind == "train" and tags[0] else run.id


def _one_of_each_seed(runs: Sequence[PastRun]) -> list[PastRun]:
    """The newest finished run of each seed, or the newest; in order of seed."""
    newest: dict[str, PastRun] = {}
    for run in sorted(runs, key=lambda run: (run.status == "FINISHED", run.started)):
        newest[run.params.get("seed", run.id)] = run
    return sorted(newest.values(), key=_seed)


def _seed(run: PastRun) -> tuple[float, int]:
    text = run.params.get("seed", "")
    return (int(text) if text.isdecimal() else float("inf")), run.started


def _values(run: PastRun, names: Mapping[str, str], *, by_seed: bool) -> Settings:
    """The parameters that may tell a run from others."""
    given = {key: value for key, value in run.params.items() if value != "null"}
    if run.kind == "ensemble":
        members = given.get("names") or given.get("members", "")
        return {"members": _joined(members), "weights": _joined(given.get("weights", ""))}
    if run.kind == "evaluation":
        parent = run.tags.get("mlflow.parentRunId", "")
        model = names.get(parent) or given.get("run") or given.get("model", "")
        own = (key for key in run.params if key.split(".")[0] in (*EVALUATION, *_IMAGES) and not _is_name(key))
        return {"model": model} | {key: run.params[key] for key in own}
    return {
        key: value
        for key, value in run.params.items()
        if not (_is_name(key) or is_circumstance(key) or key in MEASURED or (by_seed and key == "seed"))
    }


@cache
def _is_name(key: str) -> bool:
    return key in _NAMES or key.rpartition(".")[2] in ("_target_", "label")


def _described(run: PastRun) -> Settings:
    model, setting = parts(run)
    return {part.capitalize(): text for part, text in model.items()} | dict(setting.values())


def _joined(value: str) -> str:
    """A list in JSON as text: `a + b`."""
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return " + ".join(map(str, listed)) if isinstance(listed, list) else value


def _telling(runs: Sequence[PastRun], values: Sequence[Settings]) -> list[Settings]:
    """Reduce each configuration's values to those that tell it from the others.

    These are the settings that command lines name, if they suffice; else all that vary. What follows from a choice that
    varies, such as an argument of only one of two heads, is left out.
    """
    typed = dict.fromkeys(key for run in runs for key in _typed(run))
    chosen = [key for key in typed if len({each.get(key) for each in values}) > 1]
    if len({tuple(each.get(key) for key in chosen) for each in values}) < len(values):
        chosen = varying(values)
    chosen = [*(key for key in _SUBJECTS if key not in chosen), *chosen]
    return [{key: each[key] for key in chosen if key in each} for each in values]


def _typed(run: PastRun) -> Iterable[str]:
    """The keys that a run's command line sets."""
    text = run.tags.get("overrides", "")
    try:
        words = shlex.split(text)
    except ValueError:  # a lone quote
        words = text.split()
    return (word.partition("=")[0].lstrip("+~").partition("@")[0] for word in words if "=" in word)


def _labels(run: PastRun) -> Settings:
    """The label of each component, by its group."""
    labels = ((key, text) for key, text in run.settings.items() if key.endswith(".label") and text != "null")
    return {key.removesuffix(".label"): text for key, text in labels}


def _printed(settings: Sequence[Settings], labels: Sequence[Settings]) -> list[Settings]:
    """Replace choices by their components' labels, unless two choices of a group have the same label."""
    choices: dict[tuple[str, str], set[str]] = defaultdict(set)
    for own, of_group in zip(settings, labels, strict=True):
        for key in own.keys() & of_group.keys():
            choices[key, of_group[key]].add(own[key])
    return [
        {key: of_group[key] if len(choices[key, of_group.get(key, "")]) == 1 else text for key, text in own.items()}
        for own, of_group in zip(settings, labels, strict=True)
    ]

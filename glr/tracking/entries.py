"""The records of a journal: a class for each kind, and their JSON."""

import time
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from glr.errors import GlrError


class RecordError(GlrError):
    """A record that no store will ever accept."""


def now() -> int:
    """Return the time as MLflow counts it: in ms since 1970."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Open:
    """Create a run in the store `uri`: the first record of every journal."""

    uri: str
    study: str
    name: str
    artifacts: str | None  # folder for the files of a new study; None: the server decides
    tags: dict[str, str]
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class Continue:
    """A process starts to work on the run and sets the tags `values`."""

    values: dict[str, str]
    attempt: int | None  # number of the process, from 1; None: not counted


@dataclass(frozen=True)
class Params:
    """Set parameters of the run."""

    values: dict[str, str]


@dataclass(frozen=True)
class Tags:
    """Set tags of the run."""

    values: dict[str, str]


@dataclass(frozen=True)
class Metrics:
    """The metrics of a step."""

    values: dict[str, float]
    step: int
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class DatasetUse:
    """A data set that the run used for training or evaluation."""

    name: str
    digest: str
    path: str
    context: str
    profile: dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """A file that waits at `place` (see `Journal.keep`) to be stored in a folder of the run."""

    place: str
    folder: str | None


@dataclass(frozen=True)
class StudyPage:
    """Bring MLflow's page of the run's study up to date: its description and its saved view."""

    command: str  # the study's latest command line; empty: keep the description
    settings: dict[str, str]  # the settings that distinguish the jobs of a sweep -> their short names


@dataclass(frozen=True)
class End:
    """The run ends with this status and sets the tags `values`."""

    status: str
    values: dict[str, str]
    time: int = field(default_factory=now)


@dataclass(frozen=True)
class Unreadable:
    """JSON that this version cannot read as a record; it is kept unchanged and never sent."""

    content: object


@dataclass(frozen=True)
class Damaged:
    """Replaces a damaged line of the journal, so that later records keep their numbers."""

    line: int


Entry = Open | Continue | Params | Tags | Metrics | DatasetUse | Artifact | StudyPage | End | Unreadable | Damaged
# These names are on disk: do not change them, or journals and checkpoints of earlier versions become unreadable.
_KINDS: dict[str, type] = {
    "open": Open,
    "continue": Continue,
    "params": Params,
    "tags": Tags,
    "metrics": Metrics,
    "dataset": DatasetUse,
    "file": Artifact,
    "study": StudyPage,
    "end": End,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def as_json(entry: Entry) -> object:
    """Convert an entry to plain values."""
    return entry.content if isinstance(entry, Unreadable) else {"kind": _NAMES[type(entry)]} | vars(entry)


def from_json(content: Any) -> Entry:
    """Convert plain values to an entry; return `Unreadable` if they do not form a record. Never raises."""
    try:
        kind = _KINDS[content["kind"]]
        values = {each.name: content[each.name] for each in fields(kind)}
    except (KeyError, TypeError):
        return Unreadable(content)
    hints = get_type_hints(kind)
    return kind(**values) if all(_fits(value, hints[name]) for name, value in values.items()) else Unreadable(content)


def _fits(value: object, hint: Any) -> bool:
    """Return whether a value of JSON has the type of a field."""
    if hint is Any:
        return True
    if get_origin(hint) is UnionType:
        return any(_fits(value, option) for option in get_args(hint))
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(_fits(each, get_args(hint)[1]) for each in value.values())
    return isinstance(value, int | float if hint is float else hint) and not isinstance(value, bool)

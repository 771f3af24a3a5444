"""Descriptors that several runs stored of the same images, and their concatenation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glr.errors import GlrError
from glr.retrieval import descriptors
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.task import Ranking, Task, evaluate
from glr.storage.temporary import temporary_folder
from glr.tracking.history import PastRun

_ROWS = 65_536  # rows of an index, normalised and joined at once


@dataclass(frozen=True)
class Member:
    """A model's descriptors of the index and query images, which are the same for all members."""

    index: Descriptors
    query: Descriptors

    @property
    def dimension(self) -> int:
        """The dimension D of a descriptor."""
        return self.index.values.shape[1]


def described(
    runs: Sequence[PastRun], *, neighbors: int, copies: Path | None = None
) -> tuple[list[Member], LandmarkTask]:
    """The descriptors that runs stored, and the task that scores them.

    Args:
        runs: at least one.
        neighbors: index images that classify a query.
        copies: see `PastRun.stored`.

    Raises:
        GlrError: a run stored no descriptors, or the runs were evaluated on different sets.
    """
    members, tasks = [], []
    for run in runs:
        try:
            folder = run.stored("descriptors", copies)
        except GlrError as error:
            raise GlrError(f"{error}; it ran with evaluate.keep_descriptors=false, or was only recorded") from error
        members.append(Member(descriptors.load(folder, "index"), descriptors.load(folder, "query")))
        tasks.append(LandmarkTask.load(folder, neighbors=neighbors))
    check_members(members, [run.name for run in runs])
    for run, task in zip(runs, tasks, strict=True):
        if (task.retrieval, task.recognition) != (tasks[0].retrieval, tasks[0].recognition):
            raise GlrError(f"{runs[0].name} and {run.name} were scored by different solutions; evaluate them again")
    return members, tasks[0]


def check_members(members: Sequence[Member], names: Sequence[str]) -> None:
    """Raise GlrError unless all members describe the same images in the same order."""
    for member, name in zip(members, names, strict=True):
        for split in ("index", "query"):
            ids, first = getattr(member, split).ids, getattr(members[0], split).ids
            if ids == first:
                continue
            raise GlrError(
                f"{names[0]} and {name} describe different {split} images ({len(first):,} and {len(ids):,}, "
                f"{len({*first} & {*ids}):,} of them the same); members have to be evaluated on the same set"
            )


def joined(members: Sequence[Descriptors], weights: Sequence[float], file: Path) -> Descriptors:
    """Concatenate the members' normalised descriptors: inner products are weighted means of the members' cosines.

    Args:
        members: descriptors of the same images.
        weights: weight of each member's cosine in the mean; above 0.
        file: file to write: float32 [N, sum of D], memory-mapped.

    Raises:
        GlrError: a descriptor is not finite, or zero.
    """
    shares = np.sqrt(np.array(weights, np.float64) / np.sum(weights))
    ends = np.cumsum([member.values.shape[1] for member in members])
    count = len(members[0].ids)
    out = np.lib.format.open_memmap(file, "w+", np.float32, (count, int(ends[-1])))
    for start in range(0, count, _ROWS):
        for member, end, share in zip(members, ends, shares, strict=True):
            part = member.values[start : start + _ROWS]
            out[start : start + _ROWS, end - part.shape[1] : end] = (
                part * (share * scale_factors(part, start))[:, np.newaxis]
            )
    return Descriptors(members[0].ids, out)


def evaluate_joint(
    task: Task, members: Sequence[Member], weights: Sequence[float], *, memory: float
) -> tuple[dict[str, float], Ranking]:
    """Return the metrics of `task` for the joint descriptors, and their ranking.

    Args:
        task: holds the solutions.
        members: descriptors of the same images.
        weights: weight of each member's cosine in the mean; above 0.
        memory: GB for similarities.

    Raises:
        GlrError: a descriptor is zero or not finite, or the task has other images.
    """
    with temporary_folder() as folder:
        index = joined([member.index for member in members], weights, Path(folder, "index.npy"))
        query = joined([member.query for member in members], weights, Path(folder, "query.npy"))
        return evaluate(task, index, query, memory=memory)


def scale_factors(values: np.ndarray, first: int = 0) -> np.ndarray:
    """Return the factors float32 [n] that make each row's length 1; rounding has changed the lengths of stored rows."""
    scales = np.empty(len(values), np.float32)
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS].astype(np.float32)
        squares = np.einsum("nd,nd->n", part, part)
        usable = np.isfinite(squares) & (squares > 0)
        if not usable.all():
            row = first + start + int(np.argmin(usable))
            raise GlrError(f"row {row} of a member's descriptors is zero or holds NaN; the model that gave it diverged")
        scales[start : start + _ROWS] = 1 / np.sqrt(squares)
    return scales

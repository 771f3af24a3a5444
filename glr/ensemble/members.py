"""Members of an ensemble: runs, given by table row, name or id, with the descriptors that they stored."""

from collections.abc import Sequence

from glr.ensemble.combining import Member, check_members
from glr.errors import GlrError
from glr.retrieval import descriptors
from glr.retrieval.landmarks import LandmarkTask
from glr.tracking.history import PastRun, find, runs_of
from glr.tracking.rows import single_models
from glr.tracking.store import connect


def named(uri: str, study: str, members: Sequence[str | int]) -> list[PastRun]:
    """Return the runs that are given as members.

    Args:
        uri: address of the MLflow store.
        study: the study whose table numbers the runs.
        members: indices, names or ids; empty: all rows of the table that have stored descriptors.

    Raises:
        GlrError: the store cannot be opened, a run does not exist, or a run is given twice.
    """
    client = connect(uri)
    table: dict[int, PastRun] = {}
    if not members or any(isinstance(member, int) for member in members):
        table = {row.index: row.run for row in single_models(runs_of(client, [study]), None)}
    if not members:
        runs = [run for run in table.values() if "descriptors" in run.tags]
        if not runs:
            raise GlrError(f"study={study}: none of its runs has stored descriptors; give members=[...]")
        return runs
    runs = []
    for member in members:
        if isinstance(member, int) and member not in table:
            known = ", ".join(map(str, sorted(table))) or "none"
            raise GlrError(f"members: study {study} has no row {member}; its rows are {known}")
        run = table[member] if isinstance(member, int) else find(client, str(member))
        if run.id in {other.id for other in runs}:
            raise GlrError(f"members: {member} is run {run.id}, which is a member already")
        runs.append(run)
    return runs


def described(runs: Sequence[PastRun], *, neighbors: int) -> tuple[list[Member], LandmarkTask]:
    """The descriptors that runs stored, and the task that scores them.

    Args:
        runs: at least one.
        neighbors: index images that classify a query.

    Raises:
        GlrError: a run stored no descriptors, or the runs were evaluated on different sets.
    """
    members, tasks = [], []
    for run in runs:
        try:
            folder = run.stored("descriptors")
        except GlrError as error:
            raise GlrError(f"{error}; it ran with evaluate.keep_descriptors=false, or was only recorded") from error
        members.append(Member(descriptors.load(folder, "index"), descriptors.load(folder, "query")))
        tasks.append(LandmarkTask.load(folder, neighbors=neighbors))
    check_members(members, [run.name for run in runs])
    for run, task in zip(runs, tasks, strict=True):
        if (task.retrieval, task.recognition) != (tasks[0].retrieval, tasks[0].recognition):
            raise GlrError(f"{runs[0].name} and {run.name} were scored by different solutions; evaluate them again")
    return members, tasks[0]

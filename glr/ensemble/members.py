"""Members of an ensemble: runs, given by table row, name or id."""

from collections.abc import Sequence

from glr.errors import GlrError
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

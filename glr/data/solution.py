"""Solutions of a task: each query's right answers and its usage (Public, Private or Ignored; or none for all)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glr.config.usages import IGNORED, UNDIVIDED, USAGES
from glr.data.rows import COLUMNS, Rows
from glr.errors import GlrError


@dataclass(frozen=True)
class Solution:
    """The content of a solution file.

    Attributes:
        relevant: ids of the relevant index images (retrieval) or of the landmarks shown (recognition); may be empty.
        usage: Public, Private or Ignored; `UNDIVIDED` for all queries if the file divides none.
        task: retrieval or recognition.
    """

    relevant: dict[str, frozenset[str]]
    usage: dict[str, str]
    task: str

    @property
    def usages(self) -> list[str]:
        """The usages that have a query with an answer, Public first; each is scored separately."""
        present = {self.usage[query] for query, relevant in self.relevant.items() if relevant}
        return [usage for usage in USAGES if usage in present]

    def of_usage(self, usage: str) -> dict[str, frozenset[str]]:
        """Return `relevant` for the queries of one usage, as `glr.retrieval.metrics` expects it."""
        return {query: relevant for query, relevant in self.relevant.items() if self.usage[query] == usage}


def read_solution(source: str | Path | Iterable[str]) -> Solution:
    """Read a Kaggle solution CSV: `id,images,Usage` (retrieval) or `id,landmarks,Usage` (recognition).

    Blanks separate values; an empty field or `None` holds no value. Without the column Usage, or if it is empty for
    every query, the queries are scored together.

    Args:
        source: a path, local or gs://, or lines of text such as an open file (messages use its `name`, if it has one).

    Raises:
        GlrError: the file or a column is missing, the file is not text, an id is empty or repeated, a Usage is unknown
            or given for some queries only, or there is nothing to score.
    """
    rows = Rows(source, "solution", further=["Usage"])
    solution = Solution({}, {}, rows.task)
    known = (*filter(None, USAGES), IGNORED)
    for where, query, values, (usage,) in rows:
        if usage not in (*known, UNDIVIDED):
            raise GlrError(f"{where}: Usage is {usage!r}; expected {', '.join(known)}")
        first = next(iter(solution.usage.values()), usage)
        if (usage == UNDIVIDED) != (first == UNDIVIDED):
            raise GlrError(
                f"{where}: Usage is {usage!r}, and {first!r} in the first row; give it for all queries or none"
            )
        solution.relevant[query] = frozenset(values.split()) - {"None"}
        solution.usage[query] = usage
    if not solution.usages:
        raise GlrError(f"{rows.name}: no query that is scored has {COLUMNS[rows.task]}, so there is nothing to score")
    return solution

"""Solutions of a task: each query's right answers and its usage (Public, Private or Ignored)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glr.data.rows import COLUMNS, Rows
from glr.errors import GlrError

USAGES = ("Public", "Private")  # the usages that are scored
_KNOWN = (*USAGES, "Ignored")


@dataclass(frozen=True)
class Solution:
    """The content of a solution file.

    Attributes:
        relevant: ids of the relevant index images (retrieval) or of the landmarks shown (recognition); may be empty.
        usage: Public, Private or Ignored.
        task: retrieval or recognition.
    """

    relevant: dict[str, frozenset[str]]
    usage: dict[str, str]
    task: str

    def of_usage(self, usage: str) -> dict[str, frozenset[str]]:
        """Return `relevant` for the queries of one usage, as `glr.retrieval.metrics` expects it."""
        return {query: relevant for query, relevant in self.relevant.items() if self.usage[query] == usage}


def read_solution(source: str | Path | Iterable[str]) -> Solution:
    """Read a Kaggle solution CSV: `id,images,Usage` (retrieval) or `id,landmarks,Usage` (recognition).

    Blanks separate values; an empty field or `None` holds no value.

    Args:
        source: a path, local or gs://, or lines of text such as an open file (messages use its `name`, if it has one).

    Raises:
        GlrError: the file or a column is missing, the file is not text, an id is empty or repeated, a Usage is unknown,
            or Public or Private has nothing to score.
    """
    rows = Rows(source, "solution", further=["Usage"])
    solution = Solution({}, {}, rows.task)
    for where, query, values, (usage,) in rows:
        if usage not in _KNOWN:
            raise GlrError(f"{where}: Usage is {usage!r}; expected {', '.join(_KNOWN)}")
        solution.relevant[query] = frozenset(values.split()) - {"None"}
        solution.usage[query] = usage
    for usage in USAGES:
        if not any(solution.of_usage(usage).values()):
            column = COLUMNS[rows.task]
            raise GlrError(f"{rows.name}: no {usage} query has {column}, so there is nothing to score for that usage")
    return solution

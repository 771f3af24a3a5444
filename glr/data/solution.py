"""Solutions of a retrieval task: what is right for each query, and for which usage it counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glr.data.rows import COLUMNS, Rows
from glr.errors import GlrError

USAGES = ("Public", "Private")  # that are scored
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
        """Return `relevant` of the queries of one usage: the solution that `glr.retrieval.metrics` expects."""
        return {query: relevant for query, relevant in self.relevant.items() if self.usage[query] == usage}


def read_solution(source: str | Path | Iterable[str]) -> Solution:
    """Read a Kaggle solution CSV: `id,images,Usage` (retrieval) or `id,landmarks,Usage` (recognition).

    Several values are separated by blanks; empty or `None` stands for none.

    Args:
        source: a path, local or gs://, or an open text file (any lines; its `name`, if it has one, stands in messages).

    Raises:
        GlrError: the file or a column is missing, the file is no text, an id is empty or stands twice, a Usage
            is unknown, or Public or Private has nothing to score.
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

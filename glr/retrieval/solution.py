"""Solutions of a retrieval task: what is right for each query, and in which split it counts."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glr import storage
from glr.errors import GlrError

SPLITS = ("Public", "Private")
USAGES = (*SPLITS, "Ignored")


@dataclass(frozen=True)
class Solution:
    """What a solution file says of each query.

    Attributes:
        relevant: ids of the relevant index images (retrieval) or of the landmarks shown (recognition); may be empty.
        usage: Public, Private or Ignored.
    """

    relevant: dict[str, frozenset[str]]
    usage: dict[str, str]

    def split(self, usage: str) -> dict[str, frozenset[str]]:
        """`relevant`, of the queries of one Usage: the solution that `glr.retrieval.metrics` expects."""
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
    name = str(source) if isinstance(source, str | Path) else getattr(source, "name", "solution")
    try:
        if isinstance(source, str | Path):
            if not storage.exists(source):
                raise GlrError(f"{source}: no such file; it should be a solution CSV")
            source = io.StringIO(storage.read(source).decode("utf-8-sig"), newline="")
        return _parse(source, name)
    except (csv.Error, UnicodeDecodeError) as error:
        raise GlrError(f"{name}: cannot be read as a CSV ({error})") from error


def _parse(lines: Iterable[str], name: str) -> Solution:
    # The csv module refuses fields over 128 KiB, which one query with 7,000 relevant images has.
    csv.field_size_limit(2**30)
    rows = csv.DictReader(lines, restval="")
    header = rows.fieldnames or ()
    column = next((column for column in ("images", "landmarks") if column in header), None)
    if column is None or not {"id", "Usage"} <= set(header):
        raise GlrError(f"{name}, line 1: the columns id,images,Usage or id,landmarks,Usage are needed")
    solution = Solution({}, {})
    for row in rows:
        query, usage, where = row["id"], row["Usage"], f"{name}, line {rows.line_num}"
        if not query:
            raise GlrError(f"{where}: the id is empty")
        if query in solution.usage:
            raise GlrError(f"{where}: the id {query} stands there twice")
        if usage not in USAGES:
            raise GlrError(f"{where}: Usage is {usage!r}; expected {', '.join(USAGES)}")
        solution.relevant[query] = frozenset(row[column].split()) - {"None"}
        solution.usage[query] = usage
    if not solution.usage:
        raise GlrError(f"{name}: no queries below the header")
    for split in SPLITS:
        if not any(solution.split(split).values()):
            raise GlrError(f"{name}: no {split} query has {column}, so there is nothing to score in that split")
    return solution

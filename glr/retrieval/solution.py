"""Solutions of a retrieval task: which answers are right for each query, and which split it counts in."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glr.errors import GlrError

USAGES = ("Public", "Private", "Ignored")


@dataclass(frozen=True)
class Solution:
    """The right answers of each query (empty: it shows no landmark), and its Usage."""

    answers: Mapping[str, tuple[str, ...]]
    usage: Mapping[str, str]

    def split(self, usage: str) -> dict[str, tuple[str, ...]]:
        """The answers of the queries with this Usage."""
        return {query: answers for query, answers in self.answers.items() if self.usage[query] == usage}


def read_solution(file: Path) -> Solution:
    """Read a Kaggle solution: `id,images,Usage` (retrieval) or `id,landmarks,Usage` (recognition).

    Several answers are separated by blanks; empty or `None` stands for none.

    Raises:
        GlrError: no such file, a column or Usage that is none, a query twice, or no Public or Private query that has
            an answer.
    """
    answers: dict[str, tuple[str, ...]] = {}
    usage: dict[str, str] = {}
    if not file.is_file():
        raise GlrError(f"{file}: no such file; the evaluation needs this solution")
    with file.open(newline="") as opened:
        reader = csv.DictReader(opened, restval="")
        column = next((name for name in ("images", "landmarks") if name in (reader.fieldnames or [])), None)
        if column is None or not {"id", "Usage"} <= set(reader.fieldnames or []):
            raise GlrError(f"{file}: the columns id,images,Usage or id,landmarks,Usage are needed")
        for line, row in enumerate(reader, start=2):
            query = row["id"]
            if query in answers:
                raise GlrError(f"{file}, line {line}: the query {query} stands there twice")
            if row["Usage"] not in USAGES:
                raise GlrError(f"{file}, line {line}: Usage is {row['Usage']!r}; expected {', '.join(USAGES)}")
            answers[query] = () if row[column] == "None" else tuple(row[column].split())
            usage[query] = row["Usage"]
    solution = Solution(answers, usage)
    for split in ("Public", "Private"):
        if not any(solution.split(split).values()):
            raise GlrError(f"{file}: no {split} query has an answer, so there is nothing to score")
    return solution

import io
import re
from pathlib import Path

import pytest

from glr.data.solution import Solution, read_solution
from glr.errors import GlrError

RETRIEVAL = "id,images,Usage\nq1,a b,Public\nq2,c,Private\nq3,None,Ignored\nq4,,Public\n"


def test_retrieval(tmp_path: Path):
    file = tmp_path / "solution.csv"
    file.write_text(RETRIEVAL)
    solution = read_solution(file)
    assert solution == Solution(
        relevant={"q1": frozenset("ab"), "q2": frozenset("c"), "q3": frozenset(), "q4": frozenset()},
        usage={"q1": "Public", "q2": "Private", "q3": "Ignored", "q4": "Public"},
        task="retrieval",
    )
    assert solution.of_usage("Public") == {"q1": {"a", "b"}, "q4": frozenset()}
    assert solution.of_usage("Private") == {"q2": {"c"}}
    assert solution.of_usage("Ignored") == {"q3": frozenset()}
    assert read_solution(str(file)) == solution


def test_recognition_from_an_open_file_keeps_landmarks_as_text():
    lines = io.StringIO("Usage,landmarks,id,more\nPublic,007 7,t1,x\n\nPrivate,7,t2,y\n")
    solution = read_solution(lines)
    assert solution.relevant == {"t1": frozenset({"007", "7"}), "t2": frozenset({"7"})}
    assert solution.task == "recognition"


def test_files_as_spreadsheets_and_large_classes_make_them(tmp_path: Path):
    file = tmp_path / "solution.csv"
    many = [f"{number:016x}" for number in range(20_000)]
    rows = ["id,images,Usage", f"q1,{' '.join(many)},Public", '"a,b.jpg","c,d.jpg",Private']
    file.write_text("\r\n".join(rows), encoding="utf-8-sig")
    assert read_solution(file).relevant == {"q1": frozenset(many), "a,b.jpg": frozenset({"c,d.jpg"})}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns id,images or id,landmarks are needed"),
        ("query,images\nq1,a\n", "line 1: the columns id,images or id,landmarks are needed"),
        ("id,images,Usage\nq1,a,Public\nq2,b,public\n", "line 3: Usage is 'public'; expected Public, Private, Ignored"),
        (
            "id,images,Usage\nq1,a,Public\nq2,b\n",
            "line 3: Usage is '', and 'Public' in the first row; give it for all queries or none",
        ),
        (
            "id,images,Usage\nq1,a,\nq2,b,Ignored\n",
            "line 3: Usage is 'Ignored', and '' in the first row; give it for all queries or none",
        ),
        (
            "id,images,Usage\nq1,a,Ignored\nq2,None,Private\n",
            "no query that is scored has images, so there is nothing to score",
        ),
        ("id,landmarks\nq1,\n", "no query that is scored has landmarks, so there is nothing to score"),
    ],
)
def test_mistakes_are_named_by_file_and_line(tmp_path: Path, text: str, message: str):
    file = tmp_path / "solution.csv"
    file.write_text(text)
    separator = ", " if message.startswith("line") else ": "
    with pytest.raises(GlrError, match=f"^{re.escape(f'{file}{separator}{message}')}$"):
        read_solution(file)


@pytest.mark.parametrize(
    ("text", "usages"),
    [
        ("id,images,Usage\nq1,a,Public\n", ["Public"]),
        ("id,images,Usage\nq1,a,Private\nq2,None,Public\n", ["Private"]),
        ("id,images,Usage\nq1,a,Private\nq2,b,Public\nq3,b,Ignored\n", ["Public", "Private"]),
        ("id,images\nq1,a\nq2,b\n", [""]),
        ("id,images,Usage\nq1,a,\n", [""]),
    ],
)
def test_each_usage_that_has_answers_is_scored(tmp_path: Path, text: str, usages: list[str]):
    (file := tmp_path / "solution.csv").write_text(text)
    solution = read_solution(file)
    assert solution.usages == usages
    assert all(solution.of_usage(usage) for usage in usages)


def test_no_such_file(tmp_path: Path):
    with pytest.raises(GlrError, match=r"nowhere\.csv: no such file; expected a solution CSV$"):
        read_solution(tmp_path / "nowhere.csv")

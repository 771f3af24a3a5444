"""Sets that cannot be scored are refused before the model describes a single image."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval import sets

RETRIEVAL, RECOGNITION = "retrieval_solution.csv", "recognition_solution.csv"


def changed(file: Path, change: Callable[[list[list[str]]], object]) -> None:
    rows = list(csv.reader(file.open()))
    change(rows)
    file.write_text("".join(",".join(row) + "\n" for row in rows))


def put(row: int, column: int, value: str) -> Callable[[list[list[str]]], object]:
    return lambda rows: rows[row].__setitem__(column, value)


PREPARED = [
    (RETRIEVAL, put(1, 0, "unknown"), "has 6 query images, but the solutions name 7"),
    (RETRIEVAL, lambda rows: rows.append(["new", rows[1][1], "Public"]), "the solutions name 7"),
    (RETRIEVAL, put(1, 1, "nothing"), "relevant images of the retrieval solution that are not in the index: 1"),
    ("index.csv", lambda rows: rows.pop(), "has 18 index images, but index.csv names 17"),
    ("index.csv", lambda rows: rows.append(["new", "1"]), "has 18 index images, but index.csv names 19"),
    ("index.csv", put(1, 0, "renamed"), "relevant images of the retrieval solution that are not in the index: 1"),
    ("index.csv", lambda rows: [put(n, 1, "x")(rows) for n in range(1, 19)], "the index shows no landmark"),
]


@pytest.mark.parametrize(("file", "change", "sentence"), PREPARED)
def test_a_prepared_set(small_data: PreparedData, tmp_path: Path, file: str, change: Callable, sentence: str):
    folder = Path(shutil.copytree(small_data.path, tmp_path / "set"))
    changed(folder / file, change)
    with pytest.raises(GlrError, match=sentence):
        sets.prepared(PreparedData(folder), neighbors=1)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (RETRIEVAL, "q,i,Public\nr,i,Private\nnew,i,Public", "queries of the retrieval solution .*: 1, .* new"),
        (RETRIEVAL, "q,nothing,Public\nr,i,Private", "relevant images .* not in the index: 1, .* nothing"),
        (RECOGNITION, "q,7,Public\nr,7,Private\nnew,7,Public", "queries of the recognition solution .*: 1, .* new"),
        (RECOGNITION, "q,9,Public\nr,8,Private", "the index shows no landmark of the recognition solution"),
        ("classes.csv", "j,7", "index images without a landmark to classify queries by: 1, the first of them i"),
        ("queries/s.jpg", "", "queries that no solution names, so that they cannot be scored: 1, .* s"),
    ],
)
def test_a_pair_of_folders(tmp_path: Path, file: str, text: str, sentence: str):
    for name in ("index/i.jpg", "queries/q.jpg", "queries/r.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = {
        RETRIEVAL: "id,images,Usage\nq,i,Public\nr,i,Private",
        RECOGNITION: "id,landmarks,Usage\nq,7,Public\nr,7,Private",
        "classes.csv": "id,landmark_id\ni,7",
    }
    header = files.get(file, "").split("\n")[0]
    for name, content in (files | {file: f"{header}\n{text}"}).items():
        (tmp_path / name).write_text(content)
    solutions = {"retrieval_solution": RETRIEVAL, "recognition_solution": RECOGNITION, "index_classes": "classes.csv"}
    with pytest.raises(GlrError, match=sentence):
        sets.folder_pair(
            f"{tmp_path}/index",
            f"{tmp_path}/queries",
            neighbors=1,
            **{key: f"{tmp_path}/{name}" for key, name in solutions.items()},
        )

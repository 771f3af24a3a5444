"""Rows of CSVs: from paths and open files; each mistake by file and line."""

import re
from pathlib import Path

import pytest

from glr.data.rows import Rows
from glr.errors import GlrError


def test_columns_in_any_order_and_rows_cut_short():
    rows = Rows(["Usage,images,id,more", "Public,a b,q1,x", "", "Private,,q2"], "solution", further=["Usage"])
    assert rows.task == "retrieval"
    assert list(rows) == [
        ("solution, line 2", "q1", "a b", ["Public"]),
        ("solution, line 4", "q2", "", ["Private"]),
    ]


def test_the_first_task_whose_column_is_there():
    assert Rows(["id,landmarks,images"], "solution").task == "retrieval"
    assert Rows(["id,landmarks,images"], "solution", ["recognition"]).task == "recognition"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ", line 1: the columns id,images are needed"),
        ("id,landmarks\nq1,7 0.5\n", ", line 1: the columns id,images are needed"),
        ("q1,a b\nq2,c\n", ", line 1: the columns id,images are needed"),
        ("images\na\n", ", line 1: the columns id,images are needed"),
        ("id,images\n", ": no queries below the header"),
        ("id,images\nq1,a\n\nq1,b\n", ", line 4: the id q1 appears twice"),
        ("id,images\n,a\n", ", line 2: the id is empty"),
        ("id,images\nq1,a,b\n", ", line 2: 3 fields for 2 columns; separate several values by blanks"),
        ('id,images\nq1,a\n"q2,b\nq3,c\nq4,d\n', ", line 3: a quote is not closed"),
        ('id,images\nq1,a\nq2,"b\nq3,"c\nq4,d\n', ", line 3: it cannot be read as a CSV (',' expected after '\"')"),
    ],
)
def test_mistakes_from_a_path_and_from_an_open_file(tmp_path: Path, text: str, message: str):
    file = tmp_path / "submission.csv"
    file.write_text(text)
    sentence = f"^{re.escape(f'{file}{message}')}$"
    with pytest.raises(GlrError, match=sentence):
        list(Rows(file, "predictions", ["retrieval"]))
    with file.open() as lines, pytest.raises(GlrError, match=sentence):
        list(Rows(lines, "predictions", ["retrieval"]))
    with pytest.raises(GlrError, match=f"^predictions{re.escape(message)}$"):
        list(Rows(text.splitlines(), "predictions", ["retrieval"]))


def test_no_such_file_and_none_that_is_text(tmp_path: Path):
    file = tmp_path / "solution.csv"
    with pytest.raises(GlrError, match=r"solution\.csv: no such file; expected a solution CSV$"):
        Rows(file, "solution")
    for content in (b"\x1f\x8b\xff\xfe", b"PK\x03\x04\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(GlrError, match=r"solution\.csv, line 1: it is not UTF-8; save the file as UTF-8$"):
            Rows(file, "solution")


@pytest.mark.parametrize(
    "content",
    [
        "id,images\nq\u00e9,a\n".encode(),
        "\ufeffid,images\r\nq\u00e9,a\r\n".encode(),
        "id,images\rq\u00e9,a\r".encode(),
    ],
)
def test_a_byte_order_mark_and_every_line_end(tmp_path: Path, content: bytes):
    (file := tmp_path / "x.csv").write_bytes(content)
    assert list(Rows(file, "solution")) == [(f"{file}, line 2", "q\u00e9", "a", [])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,images\nq1,a\nq\u00e9,b\n".encode("latin-1"), "line 3: it is not UTF-8; save the file as UTF-8"),
        ("id,images\n".encode("utf-16"), "line 1: it is not UTF-8; save the file as UTF-8"),
        (b'id,images\nq1,a\n"q\n2",b\n', "line 4: the id 'q\\n2' has a line break; correct it"),
        ("id,images\nq\u20281,a\n".encode(), "line 2: the id 'q\\u20281' has a line break; correct it"),
    ],
)
def test_text_that_cannot_hold_ids(tmp_path: Path, content: bytes, message: str):
    (file := tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(GlrError) as refused:
        list(Rows(file, "solution"))
    assert str(refused.value) == f"{file}, {message}"

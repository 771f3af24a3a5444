import io
import re
from pathlib import Path

import pytest

from glr import storage
from glr.data.predictions import read_classes, read_rankings
from glr.errors import GlrError


def test_rankings(tmp_path: Path):
    file = tmp_path / "submission.csv"
    file.write_text("id,images\nq1,a b  a\nq2,\nq3\n\n")
    assert read_rankings(file) == {"q1": ("a", "b", "a"), "q2": (), "q3": ()}
    assert read_rankings(str(file)) == read_rankings(io.StringIO(file.read_text())) == read_rankings(file)


def test_what_stands_behind_the_first_k_is_left_out():
    images = [f"i{number}" for number in range(130)]
    lines = ["id,images", f"q1,{' '.join(images)}", f"q2,{' '.join(images[:100])} "]
    assert read_rankings(lines) == {"q1": tuple(images[:100]), "q2": tuple(images[:100])}
    assert read_rankings(lines, k=3)["q1"] == ("i0", "i1", "i2")


def test_classes():
    lines = ["landmarks,id,more", "007 0.5,t1,x", ",t2,", "7 -1e-3,t3,", '"8 2",t4,']
    assert read_classes(lines) == {"t1": ("007", 0.5), "t3": ("7", -0.001), "t4": ("8", 2.0)}


def test_from_a_bucket_and_as_spreadsheets_write_them(gcs_folder: str):
    path = storage.join(gcs_folder, "submission.csv")
    storage.write(path, "id,images\r\nq1,a b\r\n".encode("utf-8-sig"))
    assert read_rankings(path) == {"q1": ("a", "b")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,images\nt1,a b\n", "line 1: the columns id,landmarks are needed"),
        ("id,landmarks\nt1,7\n", "line 2: landmarks is '7'; expected one class and its confidence, or nothing"),
        (
            "id,landmarks\nt1,7 0.5\nt2,7 0.5 8 0.4\n",
            "line 3: landmarks is '7 0.5 8 0.4'; expected one class and its confidence, or nothing",
        ),
        ("id,landmarks\nt1,7 high\n", "line 2: the confidence 'high' is not a finite number"),
        ("id,landmarks\nt1,7 nan\n", "line 2: the confidence 'nan' is not a finite number"),
        ("id,landmarks\nt1,7 1e999\n", "line 2: the confidence '1e999' is not a finite number"),
    ],
)
def test_mistakes_in_classes(tmp_path: Path, text: str, message: str):
    file = tmp_path / "submission.csv"
    file.write_text(text)
    with pytest.raises(GlrError, match=f"^{re.escape(f'{file}, {message}')}$"):
        read_classes(file)


def test_rankings_are_no_classes(tmp_path: Path):
    with pytest.raises(GlrError, match=r"submission\.csv: no such file; expected a predictions CSV$"):
        read_rankings(tmp_path / "submission.csv")
    with pytest.raises(GlrError, match=r"^predictions, line 1: the columns id,images are needed$"):
        read_rankings(["id,landmarks", "q1,7 0.5"])

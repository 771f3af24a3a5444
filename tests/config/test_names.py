"""Names as parts of paths; tests/attacks/test_places.py has hostile ones."""

from pathlib import Path

import pytest

from glr.config.names import as_file_name, base_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("densenet201-adacos_semi", "densenet201-adacos_semi"),
        ("lr=0.1,b+c.d", "lr=0.1,b+c.d"),
        ("two words", "two_words"),
        ("Größe漢", "Größe漢"),
        ("a/b", "a_b"),
        ("é" * 100, "é" * 75),  # two bytes each
        ("a" + "漢" * 60, "a" + "漢" * 49),  # no half of a character
    ],
)
def test_names(name: str, expected: str):
    assert as_file_name(name) == expected


def test_the_last_part_of_a_path():
    assert [base_name(path) for path in ("photos", "a b/photos/", "/photos", "gs://photos", "gs://b/photos/")] == [
        "photos"
    ] * 5
    assert base_name(".") == Path.cwd().name

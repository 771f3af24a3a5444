"""Text from elsewhere is printed so that it cannot steer a terminal."""

import io

import pytest

from glr.config.printing import counted, printable, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Größe, 漢, 😀", "plain, Größe, 漢, 😀"),
        ("two\nlines\tand a tab\r\n", "two\nlines\tand a tab\r\n"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\rb", r"a\rb"),
        ("\x9b1m\x7f\x00", r"\x9b1m\x7f\x00"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("bad\udcff", r"bad\udcff"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, shown: str, capsys: pytest.CaptureFixture):
    assert printable(text) == shown
    say(text)
    assert capsys.readouterr().out == f"{shown}\n"
    file = io.StringIO()
    say(text, file)
    assert file.getvalue() == f"{shown}\n"


def test_a_number_with_its_noun():
    assert [counted(n, "image") for n in (0, 1, 1200)] == ["0 images", "1 image", "1,200 images"]
    assert [counted(n, "class is", "classes are") for n in (1, 2)] == ["1 class is", "2 classes are"]

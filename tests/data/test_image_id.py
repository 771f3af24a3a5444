"""Ids that a file of ids cannot hold are refused; tests/attacks/test_images.py has folders with such names."""

import pytest

from glr.data.image_id import check_image_id
from glr.errors import GlrError


@pytest.mark.parametrize("image_id", ["a", "a b/c.d", "漢字", "é", "\t"])
def test_names_that_one_line_holds(image_id: str):
    check_image_id(image_id, f"folder/{image_id}.jpg")


@pytest.mark.parametrize("character", ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_break(character: str):
    with pytest.raises(GlrError, match=r"^'a.*jpg': the name of this image has a line break; rename it"):
        check_image_id(f"a{character}b", f"a{character}b.jpg")


def test_bytes_that_are_not_utf_8():
    with pytest.raises(GlrError, match=r"^'bad\\udcff\.jpg': the path of this image is not UTF-8; rename it"):
        check_image_id("bad\udcff", "bad\udcff.jpg")

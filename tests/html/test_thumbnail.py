"""Ids and labels break at sensible places; images become small ones."""

import base64

import cv2
import numpy as np
import pytest

from glr.html.thumbnail import parts, thumbnail


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photos/old_bridge-a.jpg", ["photos/", "old_", "bridge-", "a.", "jpg"]),
        ("ArcFace(s=C-1, m=0.5)", ["ArcFace(s=C-1, m=0.5)"]),
        ("optimizer.learning_rate=1e-05", ["optimizer.", "learning_", "rate=1e-05"]),
    ],
)
def test_a_line_may_break_between_words_and_never_inside_a_number(name: str, expected: list[str]):
    assert parts(name) == expected


@pytest.mark.parametrize(("pattern", "kind"), [("drawn", "png"), ("noise", "jpeg")])
def test_a_thumbnail_is_small_and_of_the_smaller_format(pattern: str, kind: str):
    image = np.full((300, 600, 3), (255, 0, 0), np.uint8)
    if pattern == "noise":
        image[:] = np.random.default_rng(1).integers(0, 255, image.shape)
    made = thumbnail(image)
    start, _, data = made.source.partition(",")
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert start == f"data:image/{kind};base64"
    assert (made.width, made.height) == (256, 128) == shown.shape[1::-1]
    if pattern == "drawn":
        assert shown[0, 0].tolist() == [0, 0, 255]  # OpenCV reads BGR

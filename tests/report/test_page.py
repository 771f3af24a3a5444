"""The page: everything is in it, and nothing but text comes from outside."""

import base64
import io
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.errors import GlrError
from glr.report.gallery import QueryResults
from glr.report.page import page
from tests.report.conftest import entry

VOID = {"meta", "img", "wbr"}
HOSTILE = ["<script>alert(1)</script>", '"><img src=http://x onerror="x">', "a&b'c", "&lt;b&gt;", "</style>", "a_b/c-d"]


class _Page(HTMLParser):
    """Collects tags with their attributes and the text within each, and sees that they are closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data

    def having(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(entries: list[QueryResults], folder: Path, title: str = "A run") -> _Page:
    page(entries, title, folder / "a.html")
    return _Page((folder / "a.html").read_text(encoding="utf-8"))


def pixels(source: str) -> np.ndarray:
    kind, data = source.removeprefix("data:image/").split(";base64,")
    image = PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert image.format == kind.upper()
    return np.asarray(image, int)


def test_every_image_is_there_with_its_rank_and_mark(entries: list[QueryResults], tmp_path: Path):
    page = read(entries, tmp_path)
    images = page.having("img")
    assert len(images) == 44
    expected = []
    for query in entries:
        expected.append(f"query {query.query_id}")
        for rank, result in enumerate(query.results, start=1):
            expected.append(f"rank {rank}, {'right' if result.relevant else 'wrong'}: {result.image_id}")
    assert [image["alt"] for image in images] == expected
    assert all(image["loading"] == "lazy" for image in images)
    assert Counter(item["class"] for item in page.having("li")) == {"right": 13, "wrong": 27}
    marks = Counter(span.get("aria-label") for span in page.having("span") if span.get("role") == "img")
    assert marks == {"right": 13, "wrong": 27}


def test_images_keep_their_pixels_and_shape(tmp_path: Path):
    made = entry("worst", "q", "+")
    ramp = np.linspace(0, 255, 600).astype(np.uint8)
    photo = np.stack([np.tile(ramp, (300, 1)), np.tile(ramp[::-1], (300, 1)), np.full((300, 600), 60, np.uint8)], -1)
    small = np.random.default_rng(1).integers(0, 2, (20, 20, 1), np.uint8).repeat(3, 2) * 255
    made = replace(made, image=photo, results=[replace(made.results[0], image=small)])
    large, tiny = read([made], tmp_path).having("img")
    shown = pixels(large["src"])
    assert shown.shape == (int(large["height"]), int(large["width"]), 3) == (128, 256, 3)
    wanted = np.asarray(PIL.Image.fromarray(photo).resize((256, 128), PIL.Image.Resampling.BOX), int)
    assert np.abs(shown - wanted).mean() < 3
    np.testing.assert_array_equal(pixels(tiny["src"]), small)  # line art keeps its edges


def test_headings_scores_and_facts_are_read(entries: list[QueryResults], tmp_path: Path):
    page = read(entries, tmp_path)
    assert page.texts["title"] == page.texts["h1"] == ["A run"]
    assert page.texts["h2"] == ["Worst queries", "Median queries", "Best queries"]
    assert page.texts["h3"] == ["w", "m1", "m2", "b"]
    text = [line.strip() for line in page.texts["p"]]
    for fact in ("3 relevant images", "first right at rank 57", "1 relevant image", "1,234 relevant images", "1.000"):
        assert fact in text
    assert page.texts["span"].count("0.900") == 4


@pytest.mark.parametrize("text", HOSTILE)
def test_what_comes_from_outside_stays_text(entries: list[QueryResults], tmp_path: Path, text: str):
    tags = Counter(tag for tag, _ in read(entries, tmp_path).tags if tag != "wbr")
    query = entries[0]
    results = [replace(query.results[0], image_id=text), *query.results[1:]]
    hostile = replace(query, group=text, query_id=text, results=results)
    page = read([hostile, *entries[1:]], tmp_path, title=text)
    assert Counter(tag for tag, _ in page.tags if tag != "wbr") == tags
    assert "script" not in tags
    assert page.texts["title"] == page.texts["h1"] == [text]
    assert page.texts["h3"][0] == text
    images = page.having("img")
    assert images[0]["alt"] == f"query {text}"
    assert images[1]["alt"] == f"rank 1, wrong: {text}"
    assert images[1]["title"].startswith(text)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_the_page_needs_nothing_else(entries: list[QueryResults], tmp_path: Path):
    page(entries, "A run", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    parsed = _Page(text)
    assert all(image["src"].startswith("data:image/") for image in parsed.having("img"))
    assert not {"link", "script", "iframe", "a"} & {tag for tag, _ in parsed.tags}
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_is_the_same_each_time(entries: list[QueryResults], tmp_path: Path):
    page(entries, "A run", tmp_path / "a.html")
    page(entries, "A run", tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_ids_that_are_no_unicode_are_written(tmp_path: Path):
    assert read([entry("worst", "a\udcff", "+")], tmp_path).texts["h3"] == ["a\\udcff"]


def test_no_page_of_nothing(tmp_path: Path):
    with pytest.raises(GlrError, match="no queries"):
        page([], "A run", tmp_path / "a.html")

"""`python -m glr.search` as users run it: a page, a table and JSON; the second search describes nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import glr
from glr.errors import GlrError
from glr.retrieval.extraction import Extractor
from tests.conftest import here


@pytest.fixture(scope="module")
def folder(trained: Path) -> Path:
    """The trained runs' folder with `queries`: copies of three of its images, of known classes."""
    (trained / "queries").mkdir()
    for number in (2, 5, 9):
        shutil.copy(trained / f"images/class{number:02d}/3.jpg", trained / f"queries/{number}.jpg")
    return trained


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images of each batch that is described from now on."""
    counts: list[int] = []
    begin = Extractor._begin

    def counting(extractor: Extractor, pixels: np.ndarray):
        counts.append(len(pixels))
        return begin(extractor, pixels)

    monkeypatch.setattr(Extractor, "_begin", counting)
    return counts


def test_the_second_search_describes_its_queries_only(
    folder: Path, described: list[int], capsys: pytest.CaptureFixture[str]
):
    here("search", "run=two", "index=images", "queries=queries", "k=4", cwd=folder)
    said = capsys.readouterr().err
    assert sum(described) == 96 + 3
    assert "images: 96 images, 96 described; the index is mlruns/indexes/images-two-" in said
    assert "queries/2.jpg: 1.000 class02/3.jpg, " in said
    assert said.endswith("3 queries searched: look at search.html\n")
    page = (folder / "search.html").read_text()
    assert page.count("data:image/") == 3 * 5
    assert "<title>images: 3 queries, by two</title>" in page
    described.clear()
    printed = here("search", "run=two", "index=images", "queries=queries", "k=4", "format=json", cwd=folder)
    assert sum(described) == 3
    assert "images: 96 images, nothing to describe, 96 known" in capsys.readouterr().err
    queries = json.loads(printed)["queries"]
    assert [query["query"] for query in queries] == [f"queries/{number}.jpg" for number in (2, 5, 9)]
    assert [query["hits"][0]["id"] for query in queries] == [f"class{number:02d}/3.jpg" for number in (2, 5, 9)]
    assert [query["hits"][0]["score"] for query in queries] == pytest.approx([1] * 3)
    assert {len(query["hits"]) for query in queries} == {4}


def test_the_library_finds_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(folder)
    uri = {"tracking.uri": f"sqlite:///{folder}/mlruns/mlflow.db"}
    model = glr.load("two", "pair", **uri)
    index = glr.Index.build(model, folder / "images", folder / "my.index")
    np.testing.assert_allclose(index.descriptors, model.describe(index.paths), atol=1e-6)
    hits = index.search(folder / "queries/5.jpg")
    shutil.copy(folder / "queries/5.jpg", folder / "five")  # without a suffix
    for searched, pictures in (("images", 11), ("my.index", 1)):
        results = glr.run("search", run="two", index=searched, queries=["five"], output="hits.html", **uri)
        assert [one.ids for one in results] == [hits.ids]
        assert (folder / "hits.html").read_text().count("data:image/") == pictures
    assert f"my.index: an index of 96 images of {folder}/images, searched as it is" in capsys.readouterr().err
    for setting in ({"descriptors": "float32"}, {"cache": "elsewhere"}):
        with pytest.raises(GlrError, match=f"{next(iter(setting))}: my.index is a stored index"):
            glr.run("search", run="two", index="my.index", queries="five", **setting, **uri)


def test_unreadable_and_damaged_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(folder / "images/class01", tmp_path / "photos")
    (tmp_path / "photos/bad.jpg").write_bytes(b"none")
    settings = ["run=two", f"index={tmp_path}/photos", f"queries={tmp_path}/photos", f"cache={tmp_path}/indexes"]
    said = here("search", *settings, cwd=folder)
    assert said.startswith(f"error: queries: {tmp_path}/photos/bad.jpg: it is not an image in a readable format")
    settings[2] = "queries=queries"
    said = here("search", *settings, cwd=folder)
    assert "(1 of 9 images cannot be decoded); replace them, or leave them out with on_bad_image=skip" in said
    settings += ["on_bad_image=skip", f"output={tmp_path}/hits.html"]
    here("search", *settings, cwd=folder)
    assert f"left out {tmp_path}/photos/bad.jpg: it is not an image" in capsys.readouterr().err
    (file,) = tmp_path.glob("indexes/*/rows-*/images_descriptors.npy")
    with file.open("r+b") as opened:
        opened.seek(-4, 2)
        opened.write(b"abcd")
    here("search", *settings, cwd=folder)
    said = capsys.readouterr().err
    assert "this index is damaged" in said
    assert "its photos are described again" in said
    assert "8 images, 8 described" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run=two", "error: give index=, such as index=photos queries=photo.jpg"),
        ("run=two index=images", "error: give queries=, such as"),
        ("index=images queries=queries", "error: give run=NAME (or its id), or model=FOLDER"),
        ("run=two index=images queries=no.jpg", "error: queries: no.jpg: there is no such file; correct the path"),
        ("run=two index=images queries=nowhere", "error: queries: nowhere: there is no such file or folder; correct"),
        ("run=two index=images queries=q.xyz", "error: queries: q.xyz: it is not an image in a readable format"),
        ("run=two index=nowhere queries=queries", "error: index=nowhere: there is no such folder"),
        ("run=two index=images queries=queries k=0", "error: k=0: expected at least 1"),
        ("run=two index=images queries=queries output=a.JPG", "error: output=a.JPG: hits are no image; name a .html"),
        ("run=no-such-run index=images queries=queries output=images", "error: images is a folder; give a file"),
    ],
)
def test_mistakes(folder: Path, arguments: str, message: str):
    (folder / "q.xyz").write_text("no image")
    assert here("search", *arguments.split(), cwd=folder).startswith(message)


def test_evaluating_two_folders_without_a_solution_names_search(folder: Path):
    said = here("evaluate", "run=two", "index=images", "queries=queries", cwd=folder)
    assert said.endswith("glr search finds the nearest images without them")

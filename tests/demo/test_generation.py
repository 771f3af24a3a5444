"""The demo set is complete, consistent and reproducible, and colour alone does not solve it."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from glr.data.source import DemoSource
from glr.demo.generation import SETTINGS as SETTINGS_FILE
from glr.demo.generation import generate
from glr.errors import GlrError
from glr.retrieval.metrics import mean_average_precision
from tests.conftest import content, no_file_beyond

SETTINGS: dict[str, Any] = {
    **{"seed": 5, "train_landmarks": 3, "photos_per_landmark": 4, "retrieval_landmarks": 12, "distractor_landmarks": 2},
    **{"index_photos": 4, "query_photos": 2, "non_landmark_queries": 3, "photo_size": 48},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "photos"
    generate(folder, **SETTINGS, workers=1)
    return folder


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as opened:
        return list(csv.DictReader(opened))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_layout_and_tables_agree(demo: Path):
    train, index, test = (rows(demo / f"{name}.csv") for name in ("train", "index", "test"))
    assert (len(train), len(index), len(test)) == (12, 56, 27)
    for name, listed in (("train", train), ("index", index), ("test", test)):
        files = {p.stem: p for p in (demo / name).rglob("*.jpg")}
        assert set(files) == {row["id"] for row in listed}
        assert all(p.relative_to(demo / name).parts[:3] == tuple(i[:3]) for i, p in files.items())
        assert [row["id"] for row in listed] == sorted(row["id"] for row in listed)
    owner = {row["id"]: row["landmark_id"] for row in index}
    assert not {row["landmark_id"] for row in train} & set(owner.values())
    retrieval, recognition = rows(demo / "retrieval_solution.csv"), rows(demo / "recognition_solution.csv")
    assert {row["id"] for row in retrieval} == {row["id"] for row in recognition} == {row["id"] for row in test}
    for asked, named in zip(retrieval, recognition, strict=True):
        assert (asked["id"], asked["Usage"]) == (named["id"], named["Usage"])
        assert set(asked["images"].split()) == {i for i, name in owner.items() if name == named["landmarks"]}
    shown = [row["landmarks"] for row in recognition if row["landmarks"]]
    assert len(set(shown)) == 12  # no query shows the two distractors
    assert shown.count(shown[0]) == 2
    for answer in (True, False):
        usages = [row["Usage"] for row in recognition if bool(row["landmarks"]) == answer]
        assert abs(usages.count("Public") - usages.count("Private")) <= 1


def test_photos_have_the_size_asked_for(demo: Path):
    sizes = [PIL.Image.open(p).size for p in demo.rglob("*.jpg")]
    assert {max(size) for size in sizes} == {48}
    assert len(set(sizes)) > 1  # portrait and landscape


def test_the_same_for_every_number_of_workers_and_another_for_another_seed(tmp_path: Path):
    few = SETTINGS | {"retrieval_landmarks": 2}
    for name, changes, workers in (("one", {}, 1), ("two", {}, 2), ("other", {"seed": 6}, 1)):
        generate(tmp_path / name, **(few | changes), workers=workers)
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert not set(one.values()) & set(other.values())


def test_retrieval_by_colour_alone_is_poor(demo: Path):
    """Describe each image only by the mean and spread of its colours."""

    def features(split: str) -> dict[str, np.ndarray]:
        pictures = {p.stem: np.asarray(PIL.Image.open(p), float) for p in (demo / split).rglob("*.jpg")}
        return {i: np.concatenate([x.mean((0, 1)), x.std((0, 1))]) for i, x in pictures.items()}

    index = features("index")
    solution = {row["id"]: set(row["images"].split()) for row in rows(demo / "retrieval_solution.csv")}
    rankings = {
        q: sorted(index, key=lambda i: float(np.square(index[i] - x).sum())) for q, x in features("test").items()
    }
    assert mean_average_precision(solution, rankings) < 0.3


def source(path: Path, **changes: Any) -> DemoSource:
    return DemoSource(path=str(path), **(SETTINGS | {"retrieval_landmarks": 2} | changes))


def test_drawn_once_and_only_with_the_same_settings(tmp_path: Path):
    first = content(source(tmp_path / "photos"))
    times = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jpg")}
    assert content(source(tmp_path / "photos")) == first
    assert times == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.jpg")}
    refused = (
        r"holds demo photos drawn with other settings or by another version of glr .*give data\.source\.path another"
    )
    with pytest.raises(GlrError, match=refused):
        content(source(tmp_path / "photos", seed=6))
    settings = tmp_path / "photos" / SETTINGS_FILE
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "version": 1}))
    with pytest.raises(GlrError, match=refused):
        content(source(tmp_path / "photos"))


def test_what_lies_there_is_not_touched_and_a_full_disk_leaves_nothing(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/mine.txt").write_text("x")
    with pytest.raises(GlrError, match="photos is not empty"):
        generate(tmp_path / "photos", **SETTINGS, workers=1)
    with no_file_beyond(500), pytest.raises(GlrError, match="other: File too large; nothing was written"):
        generate(tmp_path / "other", **SETTINGS, workers=1)
    assert [p.name for p in tmp_path.iterdir()] == ["photos"]

"""The pictures of an evaluation, for a ranking made by hand."""

from pathlib import Path

import numpy as np
import PIL.Image

from glr.data.pictures import FilePictures, ImageFile, batches
from glr.data.prepared import PreparedData
from glr.data.solution import Solution
from glr.report.report import report
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.sets import prepared
from glr.retrieval.task import Ranking


def test_the_gallery_shows_the_worst_and_the_best_queries(small_data: PreparedData, tmp_path: Path):
    """Each of 6 queries has 6 relevant images among 18, each ranked one place later than for the query before."""
    scored = prepared(small_data, neighbors=1)
    ids = {
        split: [name for names, _ in batches(pictures, image_size=8, batch_size=99, parallelism=1) for name, _ in names]
        for split, pictures in (("index", scored.index), ("query", scored.query))
    }
    relevant = {query: images for part in scored.task.answers().values() for query, images in part.items()}
    positions = []
    for late, query in enumerate(ids["query"]):
        right = [position for position, name in enumerate(ids["index"]) if name in relevant[query]]
        wrong = [position for position in range(len(ids["index"])) if position not in right]
        positions.append(wrong[:late] + right + wrong[late:])
    scores = np.tile(np.linspace(0.9, 0.1, 18, dtype=np.float32), (6, 1))
    ranking = Ranking(ids["index"], ids["query"], scores, np.array(positions))
    files = report(scored.task, ranking, scored.index, scored.query, title="A <run>", each=1, folder=tmp_path)
    assert [file.name for file in files] == ["gallery.png", "gallery.html", "precision_recall.png", "scores.png"]
    for picture in (file for file in files if file.suffix == ".png"):
        with PIL.Image.open(picture) as opened:
            assert len(set(opened.convert("L").tobytes())) > 20
    page = (tmp_path / "gallery.html").read_text()
    assert "A &lt;run&gt;" in page
    shown = [query for query in ids["query"] if f'alt="query {query}"' in page]
    assert {shown[0], shown[-1]} == {ids["query"][0], ids["query"][-1]}
    assert len(shown) == 3
    # The worst query has its right images on ranks 6 to 11; the median ones on ranks 3 to 8 at the lowest.
    assert page.count('class="right missed"') == 1
    assert "<p>right images that were missed</p>" in page
    assert f'alt="missed, rank 11: {ids["index"][positions[5][10]]}"' in page
    precision = np.mean([hit / (hit + 5) for hit in range(1, 7)])  # the worst query: five wrong results first
    assert f"{precision:.3f}</p>" in page


def test_a_right_image_that_the_index_lacks_is_not_missed(tmp_path: Path):
    """The list of classes names three more images of the query's class than the index has."""
    classes = {f"i{number}": "a" if number % 2 else "b" for number in range(40)}
    task = LandmarkTask(
        None, Solution({"q": frozenset("a")}, {"q": ""}, "recognition"), classes | dict.fromkeys("xyz", "a")
    )
    pictures = [tmp_path / f"{name}.png" for name in (*classes, "q")]
    for file in pictures:
        PIL.Image.new("RGB", (8, 8)).save(file)
    *index, query = (ImageFile(file.stem, str(file)) for file in pictures)
    ranking = Ranking(list(classes), ["q"], np.linspace(1, 0, 40, dtype=np.float32)[None], np.arange(40)[None])
    report(task, ranking, FilePictures(index), FilePictures([query]), title="", each=1, folder=tmp_path)
    page = (tmp_path / "gallery.html").read_text()
    assert "20 relevant images" in page
    assert "<p>5 of 15 right images that were missed</p>" in page
    assert page.count('class="right missed"') == 5
    assert 'alt="missed, rank 12: i11"' in page

"""Pictures of a run's retrieval: a gallery, precision against recall, and the scores of right and wrong results."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from glr.data.pictures import Pictures, picture
from glr.report.gallery import Missed, QueryResults, Result, choose
from glr.report.page import page
from glr.report.plots import plot_precision_recall, plot_score_distribution
from glr.report.sheet import draw
from glr.retrieval.metrics import average_precision
from glr.retrieval.task import Ranking, Task

_RESULTS, _MISSED = 10, 5


def report(
    task: Task, ranking: Ranking, index: Pictures, query: Pictures, *, title: str, each: int, folder: Path
) -> list[Path]:
    """Write `gallery.png`, `gallery.html`, `precision_recall.png` and `scores.png`.

    Args:
        task: knows the right answers.
        ranking: the results of its queries.
        index, query: the images, in the order of the ranking's ids.
        title: title of the gallery.
        each: number of queries to show of each kind: worst, median and best.
        folder: must exist.

    Returns:
        The files.

    Raises:
        GlrError: no query has a relevant image.
    """
    names = np.array(ranking.index_ids, object)
    indexed = set(names)  # a list of classes may name more images than the index has
    answers = {usage: {name: ids & indexed for name, ids in part.items()} for usage, part in task.answers().items()}
    relevant = {name: ids for part in answers.values() for name, ids in part.items() if ids}
    rows = {name: row for row, name in enumerate(ranking.query_ids) if name in relevant}
    rankings = {name: names[ranking.positions[row]].tolist() for name, row in rows.items()}
    precisions = {name: average_precision(relevant[name], ranked) for name, ranked in rankings.items()}

    chosen = choose(precisions, each)
    below = {name: _below(rankings[name], relevant[name]) for _, name in chosen}
    wanted = {image_id for missed in below.values() for image_id, _ in missed}
    places = {image_id: place for place, image_id in enumerate(ranking.index_ids) if image_id in wanted}

    def entry(group: str, name: str) -> QueryResults:
        row, ranked = rows[name], rankings[name]
        results = [
            Result(image_id, float(score), image_id in relevant[name], picture(index, int(position)).pixels)
            for image_id, score, position in zip(
                ranked[:_RESULTS], ranking.scores[row], ranking.positions[row], strict=False
            )
        ]
        first = next((rank for rank, image_id in enumerate(ranked, start=1) if image_id in relevant[name]), None)
        pixels = picture(query, row).pixels
        missed = tuple(Missed(other, place, picture(index, places[other]).pixels) for other, place in below[name])
        return QueryResults(group, name, precisions[name], pixels, results, len(relevant[name]), first, missed)

    entries = [entry(group, name) for group, name in chosen]
    right, wrong = ([], [])
    for name, row in rows.items():
        for image_id, score in zip(rankings[name][:_RESULTS], ranking.scores[row], strict=False):
            (right if image_id in relevant[name] else wrong).append(float(score))
    files = [folder / name for name in ("gallery.png", "gallery.html", "precision_recall.png", "scores.png")]
    draw(entries, title, files[0])
    page(entries, title, files[1])
    plot_precision_recall(answers, rankings, files[2])
    plot_score_distribution(np.array(right), np.array(wrong), files[3])
    return files


def _below(ranked: Sequence[str], relevant: Collection[str]) -> list[tuple[str, int | None]]:
    """The first relevant images below the results, each with its rank; None: it is not ranked."""
    ranks = {image_id: rank for rank, image_id in enumerate(ranked, start=1) if image_id in relevant}
    missed = [image_id for image_id in relevant if ranks.get(image_id, _RESULTS + 1) > _RESULTS]
    missed.sort(key=lambda image_id: (ranks.get(image_id, len(ranked) + 1), image_id))
    return [(image_id, ranks.get(image_id)) for image_id in missed[:_MISSED]]

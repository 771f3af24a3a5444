"""Metrics of retrieval and recognition, on plain values.

A *solution* holds the right answers: for each query, the set of relevant index images (retrieval), or for each test
image, the set of landmarks that it shows (recognition); a set may be empty. *Predictions* for images outside the
solution are ignored, so that one set of predictions serves the solution of each usage.

Source: Weyand et al., Google Landmarks Dataset v2, CVPR 2020, arXiv:2004.01804, section 5 (mAP@100, GAP); the other
definitions follow the scoring code of DELF (tensorflow/models). All values except positions lie in 0..1.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from statistics import fmean, median

import numpy as np

from glr.errors import GlrError

Answers = Mapping[str, AbstractSet[Hashable]]
Rankings = Mapping[str, Sequence[Hashable]]
Classes = Mapping[str, tuple[Hashable, float]]

RECOGNITION_METRICS = ("gap", "top1_accuracy")  # all others are metrics of retrieval


def average_precision(relevant: AbstractSet[Hashable], predicted: Sequence[Hashable], k: int = 100) -> float:
    """AP@k of one query: (1 / min(m, k)) Σ_{r ≤ min(n, k)} P(r) rel(r), for m relevant images and n predictions.

    P(r) is the precision of the first r predictions. A repeated prediction takes up a rank, but is not a hit again.

    Args:
        relevant: the query's relevant images, at least one.
        predicted: the images found, best first.
        k: ranks that count.

    Examples:
        >>> average_precision({"a", "b"}, ["a", "x", "b"])  # (1/1 + 2/3) / 2
        0.8333333333333333
    """
    ranks = _hits(relevant, predicted, k)
    return sum(hits / rank for hits, rank in enumerate(ranks, start=1)) / min(len(relevant), k)


def mean_average_precision(solution: Answers, predictions: Rankings, k: int = 100) -> float:
    """mAP@k: the mean of AP@k over the queries with a relevant image; an unanswered query has AP 0.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> mean_average_precision({"q": {"a", "b"}, "unanswered": {"a"}, "not a query": set()}, {"q": ["a", "x", "b"]})
        0.41666666666666663
    """
    return fmean(average_precision(relevant, predicted, k) for relevant, predicted in _queries(solution, predictions))


def mean_precision(solution: Answers, predictions: Rankings, k: int) -> float:
    """mP@k: the mean share of relevant images among the first k; the divisor is k even if fewer were predicted.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> mean_precision({"q": {"a", "b"}}, {"q": ["a", "x", "b"]}, k=10)
        0.2
    """
    return fmean(
        sum(1 for _ in _hits(relevant, predicted, k)) / k for relevant, predicted in _queries(solution, predictions)
    )


def recall_at(solution: Answers, predictions: Rankings, k: int) -> float:
    """Recall@k: the share of queries with a relevant image among the first k.

    It does not measure the share of a query's relevant images that were found. Source: Jégou et al., Product
    quantization for nearest neighbor search, TPAMI 2011; used in metric learning since Song et al., arXiv:1511.06452.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> recall_at({"q": {"a", "b"}, "r": {"c"}}, {"q": ["x", "a"], "r": ["x", "y"]}, k=2)
        0.5
    """
    return fmean(position <= k for position in _positions(solution, predictions, k))


def mean_position(solution: Answers, predictions: Rankings, k: int = 100) -> float:
    """The mean rank, from 1, of the first relevant image; k + 1 if none is among the first k.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> mean_position({"q": {"a"}, "r": {"c"}}, {"q": ["x", "a"]})  # (2 + 101) / 2
        51.5
    """
    return fmean(_positions(solution, predictions, k))


def median_position(solution: Answers, predictions: Rankings, k: int = 100) -> float:
    """The median rank, from 1, of the first relevant image; k + 1 if none is among the first k.

    Raises:
        GlrError: no query has a relevant image.

    Examples:
        >>> median_position({"q": {"a"}, "r": {"c"}, "s": {"a"}}, {"q": ["x", "a"], "s": ["a"]})
        2.0
    """
    return float(median(_positions(solution, predictions, k)))


def global_average_precision(solution: Answers, predictions: Classes) -> float:
    """GAP (micro AP): (1 / M) Σ_i P(i) rel(i) over the predictions of all images, by descending confidence.

    P(i) is the precision of the first i predictions, M the number of images that show a landmark. Images without a
    landmark stay in the ranking and lower the precision. Equal confidences are ordered by image id.

    Args:
        solution: the landmarks that each image shows.
        predictions: each image's class and its confidence.

    Raises:
        GlrError: no image shows a landmark.

    Examples:
        >>> global_average_precision({"p": {"eiffel"}, "q": set()}, {"p": ("eiffel", 0.7), "q": ("louvre", 0.9)})
        0.5
    """
    images = _landmark_images(solution)
    ranked = sorted((-predictions[image][1], image) for image in solution if image in predictions)
    ranks = (rank for rank, (_, image) in enumerate(ranked, start=1) if predictions[image][0] in solution[image])
    return sum(hits / rank for hits, rank in enumerate(ranks, start=1)) / images


def top1_accuracy(solution: Answers, predictions: Classes) -> float:
    """The share of correctly classified images among those that show a landmark; confidence is ignored.

    Raises:
        GlrError: no image shows a landmark.

    Examples:
        >>> top1_accuracy({"p": {"eiffel", "seine"}, "q": set(), "r": {"louvre"}}, {"p": ("seine", 0.1)})
        0.5
    """
    images = _landmark_images(solution)
    return sum(image in predictions and predictions[image][0] in shown for image, shown in solution.items()) / images


def retrieval_metrics(solution: Answers, predictions: Rankings, k: int = 100) -> dict[str, float]:
    """Compute every retrieval metric of rankings of at most k images: `map_at_100`, `mp_at_10`, `recall_at_1`, ...

    Raises:
        GlrError: no query has a relevant image.
    """
    return {
        f"map_at_{k}": mean_average_precision(solution, predictions, k),
        "mp_at_10": mean_precision(solution, predictions, 10),
        "recall_at_1": recall_at(solution, predictions, 1),
        "recall_at_5": recall_at(solution, predictions, 5),
        "recall_at_10": recall_at(solution, predictions, 10),
        "mean_position": mean_position(solution, predictions, k),
        "median_position": median_position(solution, predictions, k),
    }


def recognition_metrics(solution: Answers, predictions: Classes) -> dict[str, float]:
    """Compute every recognition metric: `gap` and `top1_accuracy`.

    Raises:
        GlrError: no image shows a landmark.
    """
    return {
        "gap": global_average_precision(solution, predictions),
        "top1_accuracy": top1_accuracy(solution, predictions),
    }


def interpolated_precision(ranks: np.ndarray, relevant: int, levels: int) -> np.ndarray:
    """Precision of a ranking at the recall levels 0, 1 / levels, ..., 1.

    The interpolated precision at recall r is the highest precision at any recall r' ≥ r; 0 if the ranking does not
    reach r.

    Source: Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008, section 8.4, there at 11 levels.

    Args:
        ranks: the ranks, from 1 and ascending, of the relevant images in the ranking.
        relevant: number of all relevant images, at least 1.
        levels: number of steps of recall.

    Returns:
        [levels + 1], falling.

    Examples:
        >>> interpolated_precision(np.array([1, 3]), 2, 4).round(3).tolist()
        [1.0, 1.0, 1.0, 0.667, 0.667]
    """
    precisions = np.arange(1, len(ranks) + 1) / ranks
    highest = np.maximum.accumulate(precisions[::-1])[::-1]
    needed = np.maximum(-(-np.arange(levels + 1) * relevant // levels), 1)  # relevant images that reach each level
    values = np.zeros(levels + 1)
    reached = needed <= len(ranks)
    values[reached] = highest[needed[reached] - 1]
    return values


def check_score(metric: str, tasks: Sequence[str], where: str) -> None:
    """Refuse a metric of a task that is not scored.

    Args:
        metric: such as map_at_100.
        tasks: the tasks that are scored: `retrieval`, `recognition` or both.
        where: the data set, for the message.

    Raises:
        GlrError: the metric is of the other task.
    """
    task, other = ("recognition", "map_at_100") if metric in RECOGNITION_METRICS else ("retrieval", "gap")
    if task not in tasks:
        raise GlrError(f"evaluate.score={metric}: {where} has no {task} solution; give evaluate.score={other}")


def _hits(relevant: AbstractSet[Hashable], predicted: Sequence[Hashable], k: int) -> Iterator[int]:
    """Yield the ranks, from 1 to k, at which a relevant image appears for the first time."""
    seen = set()
    for rank, image in enumerate(islice(predicted, k), start=1):
        if image in relevant and image not in seen:
            seen.add(image)
            yield rank


def _positions(solution: Answers, predictions: Rankings, k: int) -> list[int]:
    return [next(_hits(relevant, predicted, k), k + 1) for relevant, predicted in _queries(solution, predictions)]


def _queries(solution: Answers, predictions: Rankings) -> Iterator[tuple[AbstractSet[Hashable], Sequence[Hashable]]]:
    """Yield the relevant images and the predictions of each query that has a relevant image."""
    if not any(solution.values()):
        raise GlrError("no query of the solution has a relevant image, so there is nothing to score")
    # A generator: with a list of 100,000 tuples, the garbage collector would scan all predictions again and again.
    return ((relevant, predictions.get(query, ())) for query, relevant in solution.items() if relevant)


def _landmark_images(solution: Answers) -> int:
    images = sum(1 for shown in solution.values() if shown)
    if not images:
        raise GlrError("no image of the solution shows a landmark, so there is nothing to score")
    return images

"""A small part of an evaluation set: a few queries, a right index image for each, and more index images on request."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

from glr.data.pictures import ChosenPictures, StoredPictures
from glr.data.prepared import PreparedData
from glr.data.solution import USAGES, Solution
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.sets import EvaluationSet, prepared


def excerpt(data: PreparedData, queries: int, *, neighbors: int, index: int = 0) -> EvaluationSet:
    """Open a few queries of a prepared set.

    Args:
        data: the set.
        queries: the first queries to take, in stored order; further queries follow until each usage of each task can be
            scored.
        neighbors: index images that classify a query.
        index: the fewest index images: the first ones, in stored order, are added to the right ones.

    Raises:
        GlrError: a solution is missing or damaged, or does not match the images.
    """
    whole = prepared(data, neighbors=neighbors)
    task = whole.task
    assert isinstance(task, LandmarkTask)
    solutions = [solution for solution in (task.retrieval, task.recognition) if solution]
    answers = {solution.task: _first_answers(solution, task.index_classes) for solution in solutions}
    chosen = _chosen(StoredPictures(data, "query").ids(), queries, solutions, answers)
    shown = {answers[task][query] for query in chosen.values() for task in answers if query in answers[task]}
    others = (name for name in task.index_classes if name not in shown)
    shown |= set(islice(others, max(index - len(shown), 0)))
    classes = {name: landmark for name, landmark in task.index_classes.items() if name in shown}
    small = LandmarkTask(
        task.retrieval and _restricted(task.retrieval, chosen.values(), shown),
        task.recognition and _restricted(task.recognition, chosen.values()),
        classes,
        neighbors=neighbors,
    )
    positions = [position for position, name in enumerate(task.index_classes) if name in shown]  # in stored order
    return replace(
        whole,
        index=ChosenPictures(whole.index, positions),
        query=ChosenPictures(whole.query, list(chosen)),
        task=small,
    )


def _first_answers(solution: Solution, index_classes: Mapping[str, str]) -> dict[str, str]:
    """Map each query that has an answer in the index to one right index image."""
    if solution.task == "retrieval":
        return {query: min(relevant) for query, relevant in solution.relevant.items() if relevant}
    images = {landmark: name for name, landmark in index_classes.items()}
    shown = {query: landmarks & images.keys() for query, landmarks in solution.relevant.items()}
    return {query: images[min(landmarks)] for query, landmarks in shown.items() if landmarks}


def _chosen(
    ids: Iterable[str], queries: int, solutions: list[Solution], answers: Mapping[str, Mapping[str, str]]
) -> dict[int, str]:
    """Choose queries by position: the first ones, then the first that can score each usage of each task."""
    lacking = {(solution.task, usage) for solution in solutions for usage in USAGES}
    chosen: dict[int, str] = {}
    for position, query in enumerate(ids):
        scores = {(each.task, each.usage[query]) for each in solutions if query in answers[each.task]}
        if position < queries or scores & lacking:
            chosen[position] = query
            lacking -= scores
        if position + 1 >= queries and not lacking:
            break
    return chosen


def _restricted(solution: Solution, queries: Iterable[str], images: set[str] | None = None) -> Solution:
    """The solution of some queries; of a retrieval task, only with these index images."""
    wanted = [query for query in queries if query in solution.usage]
    relevant = {query: solution.relevant[query] for query in wanted}
    if images is not None:
        relevant = {query: names & images for query, names in relevant.items()}
    return Solution(relevant, {query: solution.usage[query] for query in wanted}, solution.task)

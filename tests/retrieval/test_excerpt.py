"""A few queries with a right index image each are a task that can be scored."""

from pathlib import Path

import numpy as np
import pytest

from glr.data.pictures import batches
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.retrieval.excerpt import excerpt
from glr.retrieval.sets import EvaluationSet, prepared
from glr.retrieval.task import Ranking
from tests.conftest import folder_source


@pytest.fixture(scope="module")
def data(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """18 index images and 6 queries of 3 classes, in blocks of 4."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glr.data.preparation.BLOCK", 4)
        target = tmp_path_factory.mktemp("excerpt") / "data"
        return prepare(folder_source(class_folders), target, Options(shard_images=7), settings={})


def ids(scored: EvaluationSet) -> tuple[list[str], list[str]]:
    index, query = (
        [name for names, _ in batches(pictures, image_size=8, batch_size=5, parallelism=1) for name, _ in names]
        for pictures in (scored.index, scored.query)
    )
    return index, query


@pytest.mark.parametrize("queries", [1, 3, 100])
def test_the_first_queries_and_a_right_image_for_each(data: PreparedData, queries: int):
    whole, small = prepared(data, neighbors=1), excerpt(data, queries, neighbors=1)
    (every_index, every_query), (index, query) = ids(whole), ids(small)
    count = min(queries, 6)
    assert query[:count] == every_query[:count]
    assert len(query) <= count + 4  # as many again as there are usages of tasks
    assert index == [name for name in every_index if name in index]
    small.task.check(index, query)
    solution = whole.task.retrieval
    assert {solution.usage[name] for name in query} == {"Public", "Private"}
    for name in query:
        right = solution.relevant[name] & set(index)
        assert right
        assert small.task.retrieval.relevant[name] == right
    assert len(index) <= 2 * len(query)


def test_more_index_images_come_in_stored_order_and_count_as_right_ones(data: PreparedData):
    whole, small = prepared(data, neighbors=1), excerpt(data, 1, neighbors=1)
    every, (right, query) = ids(whole)[0], ids(small)
    more = excerpt(data, 1, neighbors=1, index=len(right) + 5)
    index, same = ids(more)
    assert same == query
    wanted = {*right, *[name for name in every if name not in right][:5]}
    assert index == [name for name in every if name in wanted]
    for name in query:
        assert more.task.retrieval.relevant[name] == whole.task.retrieval.relevant[name] & wanted


def test_a_right_ranking_scores_one(data: PreparedData):
    small = excerpt(data, 3, neighbors=1)
    index, query = ids(small)
    rank = [
        sorted(range(len(index)), key=lambda n, q=q: index[n] not in small.task.retrieval.relevant[q]) for q in query
    ]
    scores = np.tile(np.linspace(1, 0.5, len(index), dtype=np.float32), (len(query), 1))
    metrics = small.task.score(Ranking(index, query, scores, np.array(rank)))
    for usage in ("public", "private"):
        assert metrics[f"{usage}/map_at_100"] == metrics[f"{usage}/gap"] == 1

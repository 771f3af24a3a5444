"""Reading many runs from both ends of their order: nothing is left out or read twice in vain."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.store.entities import PagedList

from glr.tracking import search

NAME = attrgetter("info.run_name")


class Store:
    """Runs as MLflow searches them: by start, those of the same millisecond by id; `asked` counts searches."""

    tracking_uri = "sqlite:///unused.db"

    def __init__(self, starts: list[int]):
        self.asked = 0
        infos = [SimpleNamespace(run_id=f"{n:02}", run_name=f"run{n}", start_time=s) for n, s in enumerate(starts)]
        self.runs = [SimpleNamespace(info=info) for info in infos]

    def search_runs(self, _experiments, _query, _view, most, order_by, token):
        self.asked += 1
        sign = -1 if order_by[0].endswith("DESC") else 1
        ordered = sorted(self.runs, key=lambda run: (sign * run.info.start_time, run.info.run_id))
        end = int(token or 0) + most
        return PagedList(ordered[end - most : end], str(end) if end < len(ordered) else None)


@pytest.mark.parametrize("read", range(7))  # pages of the second process
@pytest.mark.parametrize("starts", [list(range(12)), [5] * 12, [1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 4, 4], [1] * 7 + [2] * 5])
def test_two_ends_read_all_runs(monkeypatch: pytest.MonkeyPatch, starts: list[int], read: int):
    store = Store(starts)

    @contextmanager
    def second(_uri, *wanted):
        yield list(search.pages(Store(starts), *wanted, "ASC"))[:read]  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(search, "PAGE", 2)
    monkeypatch.setattr(search, "ALONE", 2)
    monkeypatch.setattr(search, "_second_process", second)
    runs = search.searched(store, ["1"], "", NAME)  # pyright: ignore[reportArgumentType]
    assert sorted(runs) == sorted(f"run{number}" for number in range(12))
    if len(set(starts)) == 12:
        assert store.asked == (6 if read == 0 else max(2, 7 - read))  # one page more, to pass each other


def test_a_second_process_reads_the_oldest_runs_first(tmp_path: Path, new_store: Callable[[Path], Path]):
    client = MlflowClient(f"sqlite:///{new_store(tmp_path)}")
    experiment = client.create_experiment("one")
    for start in (3, 1, 2):
        client.create_run(experiment, start, run_name=f"run{start}")
    with search._second_process(client.tracking_uri, [experiment], "", NAME) as pages:
        end = time.monotonic() + 60
        while not pages and time.monotonic() < end:
            time.sleep(0.05)
    (page,) = pages
    assert (list(page.runs.values()), page.last) == (["run1", "run2", "run3"], 3)


def test_a_second_process_that_fails_leaves_the_runs_to_the_first(monkeypatch: pytest.MonkeyPatch):
    store = Store(list(range(12)))
    store.tracking_uri = "unknown://"
    monkeypatch.setattr(search, "PAGE", 2)
    monkeypatch.setattr(search, "ALONE", 2)
    assert len(search.searched(store, ["1"], "", NAME)) == 12  # pyright: ignore[reportArgumentType]
    assert store.asked == 6

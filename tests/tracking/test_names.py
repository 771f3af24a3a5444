"""Names of runs in a real store: unique within a study, among processes that start at the same time, too."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.tracking import names
from glr.tracking.names import create_named
from glr.tracking.store import connect


@pytest.fixture
def client(work: Path) -> MlflowClient:
    return connect(f"sqlite:///{work}/mlruns/mlflow.db")


def named(client: MlflowClient, study: str) -> list[str]:
    return sorted(run.info.run_name for run in client.search_runs([study]))


def test_a_name_that_is_taken_gets_the_next_free_number(client: MlflowClient):
    study, other = client.create_experiment("one"), client.create_experiment("two")
    runs = [create_named(client, study, 'it\'s 5% "x"', 0, {"a": "b"}) for _ in range(6)]
    create_named(client, other, 'it\'s 5% "x"', 0, {})
    numbers = ["", *(f" ({number})" for number in range(2, 7))]
    assert named(client, study) == sorted(f'it\'s 5% "x"{number}' for number in numbers)
    assert named(client, other) == ['it\'s 5% "x"']  # each study has names of its own
    assert client.get_run(runs[-1].info.run_id).data.tags["a"] == "b"
    client.delete_run(runs[-1].info.run_id)
    create_named(client, study, 'it\'s 5% "x"', 0, {})
    assert named(client, study) == sorted(f'it\'s 5% "x"{number}' for number in numbers)


def test_runs_that_start_at_the_same_time_have_different_names(client: MlflowClient, monkeypatch: pytest.MonkeyPatch):
    study, looks = client.create_experiment("one"), iter([False] * 4)
    looked = names._is_taken
    # Each of four processes looks for the name before any of them has written it.
    monkeypatch.setattr(names, "_is_taken", lambda *about: next(looks, None) is None and looked(*about))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: create_named(client, study, "x", 0, {}), range(4)))
    assert len(set(named(client, study))) == 4
    assert all(name == "x" or name.startswith("x (") for name in named(client, study))

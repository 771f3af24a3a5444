"""A local store knows the places of its files, also after it was copied or moved."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from glr.errors import GlrError
from glr.tracking.places import origin, rewrite


@pytest.fixture
def store(work: Path) -> Path:
    """A store with a run and a file, and studies whose files lie elsewhere."""
    client = MlflowClient(f"sqlite:///{work}/mlruns/mlflow.db")
    study = client.create_experiment("study", f"{work.as_uri()}/mlruns/artifacts")
    client.log_text(client.create_run(study).info.run_id, "a: 1", "config.yaml")
    for name, place in (
        ("bucket", "gs://b/files"),
        ("server", "mlflow-artifacts:/1"),
        ("far", f"file://{work}/far/files"),
    ):
        client.create_experiment(name, place)
    return work / "mlruns"


def places(folder: Path) -> list[str]:
    studies = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments(order_by=["experiment_id"])
    return [study.artifact_location for study in studies[1:]]


def test_a_store_with_its_own_files_stays_as_it_is(store: Path):
    before = places(store)
    assert origin(store / "mlflow.db") is None
    assert rewrite(store / "mlflow.db") == []
    assert places(store) == before


def test_a_copy_gets_its_own_places_and_no_others(store: Path, tmp_path: Path):
    before = places(store)
    copy = Path(shutil.copytree(store, tmp_path / "copy"))
    assert origin(copy / "mlflow.db") == store
    assert rewrite(copy / "mlflow.db") == [store]
    assert places(copy) == [f"{copy.as_uri()}/artifacts", *before[1:]]
    assert places(store) == before
    assert (origin(copy / "mlflow.db"), origin(store / "mlflow.db")) == (None, None)


def test_another_store_beside_the_files_is_no_original(store: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(store / "mlflow.db", other / "mlflow.db")
    MlflowClient(f"sqlite:///{store}/mlflow.db").rename_experiment("1", "of another kind")
    assert origin(other / "mlflow.db") is None


def test_a_copy_without_its_files_is_refused(store: Path, tmp_path: Path):
    (tmp_path / "copy").mkdir()
    shutil.copy(store / "mlflow.db", tmp_path / "copy/mlflow.db")
    with pytest.raises(GlrError, match=r"copy .*/mlruns/artifacts to .*/copy/artifacts first"):
        rewrite(tmp_path / "copy/mlflow.db")
    assert origin(tmp_path / "copy/mlflow.db") == store

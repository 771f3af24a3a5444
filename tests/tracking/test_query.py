"""Conditions that MLflow's own parser reads."""

from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from glr.tracking.history import find
from glr.tracking.query import begins, equals

NAMES = ["plain", "it's", 'say "hi"', "a'b\"c", "a_b\"c'", "back\\slash\\", "100%_x", "é (1)", "axb_c'\""]


def test_a_run_of_any_name_is_found(new_store: Callable[[Path], Path], tmp_path: Path):
    client = MlflowClient(f"sqlite:///{new_store(tmp_path)}")
    study = client.create_experiment("it's")
    ids = {name: client.create_run(study, run_name=name, tags={"key": name}).info.run_id for name in NAMES}
    for name, run in ids.items():
        assert find(client, name).id == run
        assert find(client, f"it's/{name}").id == run
        assert run in [each.info.run_id for each in client.search_runs([study], equals("tags.key", name))]
        begun = client.search_runs([study], begins("attributes.run_name", name[:3]))
        assert {each for each in NAMES if each.startswith(name[:3])} <= {each.info.run_name for each in begun}
    assert equals("tags.key", "it's") == 'tags.key = "it\'s"'

"""Runs found again in a real store: all of a study's, one by id or name, its weights."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from glr.config.schema import Tracking
from glr.errors import DivergedError, GlrError
from glr.tracking.history import addresses, curves, find, matching, runs_of, stored_weights
from glr.tracking.run import run


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]
) -> tuple[MlflowClient, dict[str, str]]:
    """Study one: a finished run `first` with weights, a diverged one, and `twin` twice; study two: empty."""
    folder = tmp_path_factory.mktemp("store")
    uri, artifacts = f"sqlite:///{new_store(folder)}", str(folder / "artifacts")
    ids = {}
    (folder / "last.weights.h5").write_bytes(b"weights")
    for key, name in (("first", "first"), ("diverged", "diverged"), ("twin1", "twin"), ("twin2", "twin")):
        try:
            with run(Tracking(uri, artifacts, str(folder / "journal"), 60), "one", name) as opened:
                ids[key] = opened.wait()
                opened.params({"head": "arcface", "train": {"epochs": 3}, "seed": len(ids), "init_from": None})
                opened.metrics({"public_score": 0.5}, 1)
                opened.metrics({"public_score": 0.6}, 2)
                if key != "diverged":
                    (folder / "last.weights.h5").write_bytes(key.encode())
                    opened.file(folder / "last.weights.h5", "weights")
                else:
                    raise DivergedError("the loss became nan")
        except DivergedError:
            pass
    client = MlflowClient(uri)
    client.update_run(ids["twin2"], name="twin")  # runs of earlier versions share names
    client.create_experiment("two")
    return client, ids


def test_all_runs_of_studies(store):
    client, ids = store
    runs = runs_of(client, ["one", "two"])
    assert [r.id for r in runs] == list(ids.values())
    assert {r.study for r in runs} == {"one"}
    assert runs[0].params["train.epochs"] == "3"
    assert runs[0].metrics["public_score"] == 0.6
    assert [(r.status, r.tags.get("diverged")) for r in runs][:2] == [("FINISHED", None), ("FAILED", "True")]
    with pytest.raises(GlrError, match=r"study=three: .* has no such study \(it has one, two\)$"):
        runs_of(client, ["three"])
    with pytest.raises(GlrError, match=r"; write it first: python -m glr\.record study=published$"):
        runs_of(client, ["published"])


def test_the_values_of_a_metric_by_epoch(store):
    client, ids = store
    runs = runs_of(client, ["one"])
    client.log_metric(ids["first"], "recorded_twice", 0.1, step=1)
    client.log_metric(ids["first"], "recorded_twice", 0.3, step=2)
    client.log_metric(ids["first"], "recorded_twice", 0.2, timestamp=2**42, step=1)
    assert curves(client, runs, "public_score") == {key: [(1, 0.5), (2, 0.6)] for key in ids.values()}
    twice = [run for run in runs_of(client, ["one"]) if run.id == ids["first"]]
    assert curves(client, twice, "recorded_twice") == {ids["first"]: [(1, 0.2), (2, 0.3)]}
    assert curves(client, runs, "unknown") == {}


def test_the_address_of_a_run(store):
    client, ids = store
    (experiment,) = client.search_experiments(filter_string="name = 'one'")
    assert addresses(client, runs_of(client, ["one"])) == {
        run: f"http://localhost:5000/#/experiments/{experiment.experiment_id}/runs/{run}" for run in ids.values()
    }


def test_reading_runs_leaves_sqlalchemy_and_collection_as_they_were(store, monkeypatch: pytest.MonkeyPatch):
    client, _ = store
    seen = []

    def spied(*arguments):
        with Session(create_engine("sqlite://")) as session:
            session.connection()
            seen.append((session.expire_on_commit, gc.isenabled()))
        return search(*arguments[:4])

    search = client.search_runs
    monkeypatch.setattr(client, "search_runs", lambda *arguments, **_: spied(*arguments))
    assert len(runs_of(client, ["one"])) == 4
    spied([], "", 1, 1)
    assert seen == [(False, False), (True, True)]


def test_more_runs_than_a_page(store, monkeypatch: pytest.MonkeyPatch):
    client, ids = store
    monkeypatch.setattr("glr.tracking.search.PAGE", 3)
    assert [r.id for r in runs_of(client, ["one"])] == list(ids.values())


def test_matching_parameters_and_tags(store):
    client, ids = store
    runs = runs_of(client, ["one"])
    assert [r.id for r in matching(runs, {"seed": 2})] == [ids["diverged"]]
    assert [r.id for r in matching(runs, {"diverged": True, "init_from": None})] == [ids["diverged"]]
    assert matching(runs, {}) == runs
    assert matching(runs, {"head": "cosface"}) == []
    with pytest.raises(GlrError, match="where=heads: no run has such a parameter or tag; did you mean head"):
        matching(runs, {"heads": "arcface"})


def test_one_by_id_or_name(store):
    client, ids = store
    assert find(client, ids["twin2"]).name == "twin"
    assert find(client, "first").id == find(client, "one/first").id == ids["first"]
    with pytest.raises(GlrError, match=f"^2 runs are named twin; give an id; .*{ids['twin2']}"):
        find(client, "twin")
    for name in ("nobody", "0" * 32, "it's", "two/nobody", "nobody/first"):
        with pytest.raises(GlrError, match=f"there is no run with the id or the name {name}"):
            find(client, name)


def test_weights_of_a_run_or_of_the_only_one_with_a_name(store):
    client, ids = store
    for name, expected in (("first", "first"), (ids["twin1"], "twin1"), (ids["twin2"], "twin2")):
        run, file = stored_weights(client, name, "one")
        assert (run.id, file.read_bytes()) == (ids[expected], expected.encode())
    with pytest.raises(GlrError, match=f"^init_from.run=twin: 2 runs are named twin; give an id; .*{ids['twin1']}"):
        stored_weights(client, "twin", "one")
    run, _ = stored_weights(client, "one/first", "two")
    assert run.id == ids["first"]
    with pytest.raises(GlrError, match=r"under this name either; did you mean init_from=one/first\?$"):
        stored_weights(client, "first", "two")
    for name, study in (("first", "three"), ("diverged", "one"), ("two/first", "one"), ("one/diverged", "two")):
        with pytest.raises(GlrError, match=f"init_from.run={name}: neither a run's id, nor a finished run"):
            stored_weights(client, name, study)
    with pytest.raises(GlrError, match=r"failed\) has no weights/last\.weights\.h5"):
        stored_weights(client, ids["diverged"], "one")


def test_a_file_on_this_machine_is_not_copied_and_one_is_added_to_a_run_that_ended(store, tmp_path: Path):
    client, ids = store
    first = find(client, "first")
    (tmp_path / "more.txt").write_text("more")
    first.keep(tmp_path / "more.txt")
    place = Path(client.get_run(ids["first"]).info.artifact_uri.removeprefix("file://"))
    assert first.stored("more.txt", tmp_path) == place / "more.txt"
    assert first.stored("weights") == place / "weights"
    assert client.get_run(ids["first"]).info.status == "FINISHED"
    with pytest.raises(GlrError, match=r"^gone cannot be stored with run first \(.+gone"):
        first.keep(tmp_path / "gone")


def test_a_file_elsewhere_is_copied_into_the_folder_given(store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    client, ids = store
    first = find(client, "first")
    elsewhere = client.get_run(ids["first"])
    elsewhere.info._artifact_uri = "mlflow-artifacts:/1"
    fetched = []
    monkeypatch.setattr("glr.tracking.history.MlflowClient.get_run", lambda *_: elsewhere)

    def download(_client: MlflowClient, run_id: str, name: str, folder: str | None) -> str:
        fetched.append((run_id, folder))
        (tmp_path / name).touch()
        return str(tmp_path / name)

    monkeypatch.setattr("glr.tracking.history.MlflowClient.download_artifacts", download)
    assert first.stored("a.txt", tmp_path) == first.stored("a.txt") == tmp_path / "a.txt"
    assert fetched == [(first.id, str(tmp_path / first.id)), (first.id, None)]
    assert (tmp_path / first.id).is_dir()

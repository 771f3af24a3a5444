"""A study's saved view, and the page of a study in a real store."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from glr.tracking import study_page
from glr.tracking.description import NOTE
from glr.tracking.entries import StudyPage
from glr.tracking.store import connect
from glr.tracking.study_page import show
from glr.tracking.view import tag_value

TAG = "mlflow.sharedViewState.glr"
PAGE = StudyPage("python -m glr.train head=arcface,cosface -m", {"seed": "seed"})


@pytest.fixture
def client(work: Path) -> MlflowClient:
    return connect(f"sqlite:///{work}/mlruns/mlflow.db")


def state(value: str) -> dict:
    """The page's state, unpacked as MLflow's pages do."""
    kind, _, packed = json.loads(value)["state"].partition(";")
    assert kind == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def study(client: MlflowClient) -> str:
    """A study of two heads, whose own settings differ with them; the margin varies among the runs of one head."""
    made = client.create_experiment("heads")
    runs = [
        ({"head": "arcface", "head.margin": "0.5", "head.scale": "30", "data.path": "a"}, 0.5),
        ({"head": "arcface", "head.margin": "0.3", "head.scale": "30", "data.path": "b"}, 0.75),
        ({"head": "cosface", "head.margin": "0.4", "head.scale": "64", "data.path": "c"}, 0.25),
    ]
    for number, (params, score) in enumerate(runs):
        run = client.create_run(made, tags={"kind": "train", "sweep": "head: 3 runs"}, run_name=f"run {number}")
        for key, value in (params | {"train.epochs": "2", "parameters": f"{number}"}).items():
            client.log_param(run.info.run_id, key, value)
        client.log_metric(run.info.run_id, "public_score", score)
        client.log_metric(run.info.run_id, "public/gap", score)
        client.log_metric(run.info.run_id, "loss", 0.1)
    return made


def test_the_columns_are_scores_and_the_settings_that_vary(client: MlflowClient):
    made = study(client)
    assert show(client, made, PAGE)
    tags = client.get_experiment(made).tags
    shown = state(tags[TAG])
    columns = ["metrics.`public_score`", "params.`seed`", "params.`head`", "params.`head.margin`", "tags.`sweep`"]
    columns.append("metrics.`public/gap`")
    assert shown["selectedColumns"] == shown["columnOrder"] == columns
    assert (shown["orderByKey"], shown["orderByAsc"]) == ("metrics.`public_score`", False)  # the best run first
    assert [section["name"] for section in shown["compareRunSections"]] == ["Scores by epoch", "Scores", "Training"]
    assert {chart["metricKey"] for chart in shown["compareRunCharts"]} >= {"public_score", "loss"}
    best = client.search_runs([made], "attributes.run_name = 'run 1'")[0].info.run_id
    assert f"**0.75000**, by [run 1](#/experiments/{made}/runs/{best})" in tags[NOTE]


def test_what_a_user_changed_stays(client: MlflowClient):
    made = study(client)
    show(client, made, PAGE)
    saved = json.loads(client.get_experiment(made).tags[TAG])
    assert tag_value(["params.`seed`"], json.dumps(saved), 1) is not None
    changed = json.dumps(saved | {"state": "deflate;changed"})
    client.set_experiment_tag(made, TAG, changed)
    client.set_experiment_tag(made, NOTE, "mine")
    assert show(client, made, PAGE)
    tags = client.get_experiment(made).tags
    assert (tags[TAG], tags[NOTE]) == (changed, "mine")


def test_an_older_mlflow_gets_a_description_and_no_view(client: MlflowClient, monkeypatch: pytest.MonkeyPatch):
    made = client.create_experiment("heads")
    monkeypatch.setattr(study_page, "version", lambda _: (3, 14))
    assert not show(client, made, PAGE)
    tags = client.get_experiment(made).tags
    assert TAG not in tags
    assert "glr.train head=arcface,cosface -m" in tags[NOTE]


def test_a_job_of_a_sweep_brings_the_view_up_to_date_and_leaves_the_description(client: MlflowClient):
    made = study(client)
    show(client, made, PAGE)
    before = client.get_experiment(made).tags
    run = client.search_runs([made], "attributes.run_name = 'run 0'")[0].info.run_id
    client.log_metric(run, "private_score", 0.5)
    assert show(client, made, StudyPage("", {"seed": "seed"}))
    after = client.get_experiment(made).tags
    assert after[NOTE] == before[NOTE]
    columns = state(before[TAG])["selectedColumns"]
    assert state(after[TAG])["selectedColumns"] == [columns[0], "metrics.`private_score`", *columns[1:]]


def test_a_description_that_is_too_long_is_cut_off_and_stays_glrs_own(client: MlflowClient):
    made = client.create_experiment("heads")
    for letter in "xy":
        assert show(client, made, StudyPage(letter * 30_000, {}))
        assert len(note := client.get_experiment(made).tags[NOTE]) == 5000
        assert letter * 4000 in note


def test_a_store_that_refuses_is_no_failure(client: MlflowClient, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: str) -> None:
        raise MlflowException("a tag may not be so long", INVALID_PARAMETER_VALUE)

    made = client.create_experiment("heads")
    monkeypatch.setattr(client, "set_experiment_tag", refuse)
    assert not show(client, made, PAGE)

"""A SavedModel in the registry of a real store, and the pages of its runs."""

from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from glr.config.schema import Tracking
from glr.errors import GlrError
from glr.tracking.description import NOTE, RunDescription, written
from glr.tracking.history import find
from glr.tracking.registry import check_model_name, register
from glr.tracking.run import run


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Maps images to the mean of each channel."""
    folder = tmp_path_factory.mktemp("means") / "saved_model"
    means = tf.function(
        lambda input_images: {"global_descriptor": tf.reduce_mean(tf.cast(input_images, tf.float32), [1, 2])},
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "input_images")],
    )
    tf.saved_model.save(tf.Module(), str(folder), signatures={"batched": means})
    return folder


@pytest.fixture
def client(tmp_path: Path, new_store: Callable[[Path], Path]) -> MlflowClient:
    """A store with the ended runs `one`, described by glr, and `two`, described by its user."""
    uri = f"sqlite:///{new_store(tmp_path)}"
    opened = MlflowClient(uri)
    for name in ("one", "two"):
        with run(Tracking(uri, str(tmp_path / "files"), str(tmp_path / "journal"), 60), "study", name) as recorder:
            run_id = recorder.wait()
        text = written(RunDescription().text(), "1", run_id) if name == "one" else {NOTE: "my own words"}
        for key, value in text.items():
            opened.set_tag(run_id, key, value)
    return opened


@pytest.mark.parametrize("name", ["landmarks", "a", "7 wonders", "größe", "v1.2-final_b", "a" * 200])
def test_a_name_of_letters_and_digits_is_accepted(name: str):
    check_model_name(name)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "../a", "_a", "a ", "a\nb", "a" * 201, "<b>"])
def test_another_name_is_refused(name: str):
    with pytest.raises(GlrError, match="give a name of letters, digits, blanks, dots, - and _, at most 200"):
        check_model_name(name)


def test_versions_are_linked_to_their_runs(client: MlflowClient, saved_model: Path):
    one, two = find(client, "one"), find(client, "two")
    assert register([one, two], "my means", saved_model, 3, ["tensorflow==2.21.0"]) == ("my means", 1)
    assert register([two], "my means", saved_model, 3, ["tensorflow==2.21.0"]) == ("my means", 2)
    version = client.get_model_version("my means", "1")
    assert version.run_id == one.id
    assert two.id in str(version.description)
    (output,) = client.get_run(one.id).outputs.model_outputs
    assert str(version.source).endswith(f"/models/{output.model_id}/artifacts")
    model = client.get_logged_model(output.model_id)
    assert (model.source_run_id, str(model.status)) == (one.id, "READY")
    one, two = find(client, "one"), find(client, "two")
    assert (one.tags["registered_model"], two.tags["registered_model"]) == ("my means/1", "my means/1, my means/2")
    assert one.tags[NOTE].endswith(" · [model my means 1](#/models/my%20means/versions/1)")
    assert two.tags[NOTE] == "my own words"
    assert one.status == "FINISHED"


def test_a_model_has_a_signature_an_example_and_pinned_packages(client: MlflowClient, saved_model: Path):
    register([find(client, "one")], "means", saved_model, 3, ["tensorflow==2.21.0", "numpy==2.4.6"])
    folder = Path(client.get_model_version_download_uri("means", "1").removeprefix("file://"))
    model = Model.load(str(folder))
    assert [(i.type, i.shape) for i in model.signature.inputs] == [(np.dtype(np.uint8), (-1, -1, -1, 3))]
    assert [(o.type, o.shape) for o in model.signature.outputs] == [(np.dtype(np.float32), (-1, 3))]
    assert model.load_input_example(str(folder)).shape == (1, 16, 16, 3)
    packages = (folder / "requirements.txt").read_text().split()
    assert {"tensorflow==2.21.0", "numpy==2.4.6"} <= set(packages)
    assert all("==" in package for package in packages)


def test_a_store_that_takes_no_version_keeps_nothing(
    client: MlflowClient, saved_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object):
        raise MlflowException("no room in the registry")

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    with pytest.raises(GlrError, match=r"register=means: the MLflow store does not accept .*no room in the registry"):
        register([find(client, "one")], "means", saved_model, 3, ["tensorflow==2.21.0"])
    study = client.get_experiment_by_name("study").experiment_id
    assert client.search_logged_models([study]) == []
    assert not list((tmp_path / "files").rglob("MLmodel"))
    assert "registered_model" not in find(client, "one").tags
    assert not client.search_registered_models()


def test_another_store_may_be_the_default_of_mlflow(
    client: MlflowClient, saved_model: Path, tmp_path: Path, new_store: Callable[[Path], Path]
):
    other = tmp_path / "other"
    other.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{new_store(other)}")
    try:
        register([find(client, "one")], "means", saved_model, 3, ["tensorflow==2.21.0"])
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    version = client.get_model_version("means", "1")
    assert Path(client.get_model_version_download_uri("means", "1").removeprefix("file://")).is_dir()
    assert version.run_id == find(client, "one").id

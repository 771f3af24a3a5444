"""Anybody's SavedModel: it describes images as its signature says, or one sentence says why not."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr import storage
from glr.errors import GlrError
from glr.model.saved_model import SavedModel, on_disk

IMAGE = np.random.default_rng(0).integers(1, 256, (5, 9, 3), np.uint8)


def saved(folder: Path, kind: tf.TensorSpec, output: str, signature: str = "serving_default") -> Path:
    """A model that gives the mean colour."""
    module = tf.Module()
    module.mean = tf.function(lambda image: {output: tf.reduce_mean(tf.cast(image, tf.float32), [0, 1])}, [kind])
    tf.saved_model.save(module, str(folder), signatures={signature: module.mean})
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tf.TensorSpec([None, None, 3], tf.uint8, "picture")
    return saved(tmp_path_factory.mktemp("saved") / "model", spec, "global_descriptor")


@pytest.fixture(scope="module")
def zipped(model: Path) -> Path:
    with zipfile.ZipFile(model.parent / "submission.zip", "w") as archive:
        for file in model.rglob("*"):
            archive.write(file, file.relative_to(model))
    return model.parent / "submission.zip"


def test_descriptors_have_length_1(model: Path):
    loaded = SavedModel(model)
    expected = IMAGE.mean((0, 1)) / np.linalg.norm(IMAGE.mean((0, 1)))
    np.testing.assert_allclose(loaded(IMAGE), expected, rtol=1e-5)
    assert not loaded(np.zeros((2, 2, 3), np.uint8)).any()  # no direction: nothing is divided by 0
    ((names, values),) = loaded.describe([(["a", "b"], [IMAGE, IMAGE[:3]])])
    assert names == ["a", "b"]
    assert (values.dtype, values.shape) == (np.float32, (2, 3))
    np.testing.assert_allclose(values[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("spec", "output", "signature", "sentence"),
    [
        (
            tf.TensorSpec([None, None, 3], tf.uint8, "x"),
            "y",
            "twice",
            "has no signature serving_default; it has twice",
        ),
        (
            tf.TensorSpec([None, None], tf.float32, "x"),
            "y",
            "serving_default",
            r": serving_default takes x float32 \(None, None\) and returns y; expected one uint8 image \[height",
        ),
    ],
    ids=["none", "another"],
)
def test_another_signature(tmp_path: Path, spec: tf.TensorSpec, output: str, signature: str, sentence: str):
    with pytest.raises(GlrError, match=sentence):
        SavedModel(saved(tmp_path, spec, output, signature))


def test_what_is_no_saved_model(tmp_path: Path):
    with pytest.raises(GlrError, match=f"^{tmp_path} holds no saved_model.pb, so it is not a SavedModel$"):
        SavedModel(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(GlrError, match=rf"^{tmp_path} cannot be loaded as a SavedModel \(.+\)$"):
        SavedModel(tmp_path)


def test_a_folder_is_used_where_it_lies(model: Path, tmp_path: Path):
    with on_disk(str(model), 1) as folder:
        assert folder == model
    with (
        pytest.raises(GlrError, match=r"nowhere: no such folder; give a SavedModel's folder, or a \.zip of one$"),
        on_disk(f"{tmp_path}/nowhere", 1),
    ):
        pass


@pytest.mark.parametrize("place", ["zip", "zip in a bucket", "folder in a bucket"])
def test_a_copy_exists_for_the_time_being(model: Path, zipped: Path, gcs_folder: str, place: str):
    path = str(zipped)
    if place == "zip in a bucket":
        path = f"{gcs_folder}/submission.zip"
        storage.upload([(zipped, path)])
    elif place == "folder in a bucket":
        path = gcs_folder
        storage.upload(
            [(file, f"{gcs_folder}/{file.relative_to(model)}") for file in model.rglob("*") if file.is_file()]
        )
    with on_disk(path, 1) as folder:
        np.testing.assert_array_equal(SavedModel(folder)(IMAGE), SavedModel(model)(IMAGE))
    assert not folder.exists()


@pytest.mark.parametrize("name", ["../escaped.txt", "/tmp/escaped.txt", "a/../../escaped.txt", "..\\escaped.txt"])
def test_a_zip_that_escapes_its_folder(tmp_path: Path, name: str):
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("saved_model.pb", b"")
        archive.writestr(name, b"gotcha")
    with pytest.raises(GlrError) as raised, on_disk(str(file), 1):
        pass
    assert str(raised.value) == f"{file} holds {name}, a path outside of the zip; it is not unpacked"
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_zip_that_cannot_be_unpacked(tmp_path: Path):
    with pytest.raises(GlrError, match=r"bad\.zip: no such file$"), on_disk(f"{tmp_path}/bad.zip", 1):
        pass
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    with (
        pytest.raises(GlrError, match=r"bad\.zip cannot be unpacked \(File is not a zip file\)$"),
        on_disk(f"{tmp_path}/bad.zip", 1),
    ):
        pass

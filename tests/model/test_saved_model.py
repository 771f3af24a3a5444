"""Any SavedModel describes images as its signature says, or one sentence says why not."""

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


class Delg(tf.Module):
    """A stand-in with DELG's signature: at each chosen scale, the mean colour to the power of the scale."""

    SCALES = tf.TensorSpec([None], tf.float32, "input_scales")
    CHOSEN = tf.TensorSpec([None], tf.int32, "input_global_scales_ind")
    LOCAL = (tf.TensorSpec([], tf.int32, "input_max_feature_num"), tf.TensorSpec([], tf.float32, "input_abs_thres"))
    PICTURE = tf.TensorSpec([None, None, 3], tf.uint8, "input_image")

    @tf.function(input_signature=[PICTURE, SCALES, CHOSEN])
    def by_scale(self, input_image, input_scales, input_global_scales_ind):
        chosen = tf.gather(input_scales, input_global_scales_ind)
        mean = tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])
        return {"global_descriptors": mean ** chosen[:, tf.newaxis]}

    @tf.function(input_signature=[PICTURE, SCALES, CHOSEN])
    def pooled(self, input_image, input_scales, input_global_scales_ind):
        described = self.by_scale(input_image, input_scales, input_global_scales_ind)["global_descriptors"]
        return {"global_descriptor": tf.reduce_sum(described, 0)}

    @tf.function(input_signature=[PICTURE, SCALES, *LOCAL, CHOSEN])
    def with_local(self, input_image, input_scales, input_max_feature_num, input_abs_thres, input_global_scales_ind):
        described = self.by_scale(input_image, input_scales, input_global_scales_ind)
        return {"features": tf.fill([input_max_feature_num, 2], input_abs_thres), **described}

    @tf.function(input_signature=[PICTURE, SCALES, *LOCAL])
    def local(self, input_image, input_scales, input_max_feature_num, input_abs_thres):
        features = tf.fill([tf.size(input_image) + input_max_feature_num, 2], input_abs_thres + input_scales[0])
        return {"boxes": 2 * features, "features": features}

    @tf.function(input_signature=[PICTURE, tf.TensorSpec([7], tf.float32, "input_scales")])
    def seven(self, input_image, input_scales):
        return {"global_descriptor": tf.cast(tf.shape(input_image), tf.float32) * input_scales[:3]}


@pytest.fixture(scope="module")
def delg(tmp_path_factory: pytest.TempPathFactory):
    def save(name: str) -> Path:
        module, folder = Delg(), tmp_path_factory.mktemp("delg")
        tf.saved_model.save(module, str(folder), signatures={"serving_default": getattr(module, name)})
        return folder

    return save


SCALES = [0.5, 1.0, 2.0]


@pytest.mark.parametrize("name", ["by_scale", "pooled", "with_local"])
def test_delg_describes_at_the_scales_given(delg, name: str):
    folder, mean = delg(name), IMAGE.mean((0, 1))
    np.testing.assert_allclose(SavedModel(folder)(IMAGE), mean / np.linalg.norm(mean), rtol=1e-5)
    powers = [mean**scale for scale in SCALES]
    total = sum(powers if name == "pooled" else [power / np.linalg.norm(power) for power in powers])
    np.testing.assert_allclose(SavedModel(folder, scales=SCALES)(IMAGE), total / np.linalg.norm(total), rtol=1e-5)


def test_delg_that_does_not_fit(delg, model: Path):
    with pytest.raises(GlrError, match=r"takes input_abs_thres .+ and returns boxes, features; expected one uint8"):
        SavedModel(delg("local"))
    with pytest.raises(GlrError, match=r"^tta\.scales: .+ takes input_scales of shape \(7,\), not \(3,\)$"):
        SavedModel(delg("seven"), scales=SCALES)
    with pytest.raises(GlrError, match=f"^tta: a SavedModel makes its own views of an image; {model} accepts no input"):
        SavedModel(model, scales=SCALES)


def test_descriptors_of_varying_length_come_apart(tmp_path: Path):
    module = tf.Module()
    spec = tf.TensorSpec([None, None, 3], tf.uint8, "x")
    module.rows = tf.function(lambda x: {"global_descriptor": tf.cast(x[:, 0, 0] + 1, tf.float32)}, [spec])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.rows})
    images = [np.zeros((rows, 2, 3), np.uint8) for rows in (4, 4, 5, 4)]
    described = list(SavedModel(tmp_path).describe([(["a", "b", "c", "d"], images)]))
    assert [(names, values.shape) for names, values in described] == [
        (["a", "b"], (2, 4)),
        (["c"], (1, 5)),
        (["d"], (1, 4)),
    ]
    with pytest.raises(GlrError, match=rf"^{tmp_path} fails on an image of 0 x 3 pixels \(.+\)$"):
        SavedModel(tmp_path)(np.zeros((3, 0, 3), np.uint8))


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

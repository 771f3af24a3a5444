"""A loaded model describes users' images as its run described the same images."""

from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import glr
from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval.descriptors import load as load_descriptors
from glr.retrieval.trained import TrainedModel
from glr.tracking.history import find
from glr.tracking.store import connect

EPSILON = 2e-6  # batches of other sizes sum in another order


def store(folder: Path) -> dict[str, str]:
    return {"tracking.uri": f"sqlite:///{folder}/mlruns/mlflow.db", "cache": f"{folder}/cache"}


@pytest.fixture(scope="module")
def model(trained: Path) -> TrainedModel:
    return glr.load("one", study="pair", **store(trained))


@pytest.fixture(scope="module")
def queries(trained: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The query images in their own size, and the descriptors that the run `one` stored for them."""
    pictures = StoredPictures(PreparedData(trained / "data/folder"), "query")
    images, names = [], []
    for ids, pixels in batches(pictures, image_size=None, batch_size=99, parallelism=1):
        images += pixels
        names += [name for name, _ in ids]
    run = find(connect(store(trained)["tracking.uri"]), "pair/one")
    stored_ids, values = load_descriptors(run.stored("descriptors"), "query")
    assert stored_ids == names
    return images, np.asarray(values)


def test_arrays_and_pillow_images_are_described_as_in_the_run(model: TrainedModel, queries):
    images, stored = queries
    assert np.allclose(model.describe(images), stored, atol=EPSILON)
    assert np.allclose(model.describe([PIL.Image.fromarray(image) for image in images]), stored, atol=EPSILON)
    assert np.allclose(model.describe(images[:1]), stored[:1], atol=EPSILON)  # not padded to 64 images
    assert model.name == "one"
    assert model.study == "pair"
    assert repr(model) == "<one: 16 x 16 pixels>"


def test_files_are_described_as_their_pixels(model: TrainedModel, queries, tmp_path: Path):
    images, stored = queries
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, image in zip(files, images, strict=False):
        PIL.Image.fromarray(image).save(file)
    described = model.describe([str(files[0]), images[1], files[2]])
    assert np.allclose(described[1], stored[1], atol=EPSILON)
    assert np.allclose(described, stored[:3], atol=0.1)  # a PNG is coded as a JPEG of quality 95, as in `prepare`
    assert np.allclose(np.linalg.norm(described, axis=1), 1, atol=1e-6)


def test_images_are_upright_and_transparent_parts_white(model: TrainedModel):
    upright = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    turned = PIL.Image.fromarray(np.rot90(upright))
    turned.getexif()[0x0112] = 6  # shown after a turn by 90 degrees clockwise
    glass = PIL.Image.fromarray(np.dstack([upright, np.full((20, 30), 0, np.uint8)]))
    grey = upright[:, :, 0]
    first, second, third, white, plain, alike = model.describe(
        [upright, turned, glass, np.full((20, 30, 3), 255, np.uint8), grey, np.dstack([grey] * 3)]
    )
    assert np.allclose(first, second, atol=EPSILON)
    assert np.allclose(third, white, atol=EPSILON)
    assert np.allclose(plain, alike, atol=EPSILON)


def test_the_keras_model_predicts_descriptors(model: TrainedModel, queries, trained: Path):
    loaded = batches(
        StoredPictures(PreparedData(trained / "data/folder"), "query"),
        image_size=16,
        batch_size=len(queries[0]),
        parallelism=1,
    )
    ((_, pixels),) = loaded
    assert np.allclose(model.network.predict(pixels, verbose=0), queries[1], atol=EPSILON)


def test_settings_of_evaluate_choose_views_and_weights(trained: Path, queries):
    flipped = glr.load("pair/one", tta="flip", batch_size=4, **store(trained))
    plain = glr.load("pair/one", **store(trained))
    images = queries[0]
    both = plain.describe(images) + plain.describe([image[:, ::-1] for image in images])
    expected = both / np.linalg.norm(both, axis=1, keepdims=True)
    assert np.allclose(flipped.describe(images), expected, atol=1e-2)  # letterboxing mirrors to the last pixel but one
    with pytest.raises(GlrError, match="checkpoint=first: expected one of"):
        glr.load("pair/one", checkpoint="first", **store(trained))


def test_loading_leaves_keras_settings_as_they_are(trained: Path):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        glr.load("pair/one", **store(trained))
        assert keras.mixed_precision.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("a.jpg", "images: expected a list of images"),
        (np.zeros((8, 8, 3), np.uint8), "images: expected a list of images"),
        ([], "images: there are none to describe"),
        ([np.zeros((8, 8, 3))], r"images\[0\] is float64 8x8x3; expected uint8 \[height, width, 3\], RGB"),
        ([np.zeros((8, 8, 4), np.uint8)], r"images\[0\] is uint8 8x8x4"),
        ([np.zeros((8, 8, 3), np.uint8), 3], r"images\[1\] is a int; expected a file's path"),
        ([PIL.Image.new("RGB", (0, 0))], r"images\[0\] is empty: 0 x 0 pixels"),
        (["no/such.jpg"], "no/such.jpg: there is no such file"),
    ],
)
def test_other_images_are_refused_in_one_sentence(model: TrainedModel, images, message: str):
    with pytest.raises(GlrError, match=message):
        model.describe(images)


def test_an_image_that_pillow_has_only_opened_may_be_given_twice(model: TrainedModel, tmp_path: Path):
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 800, 3), np.uint8)).save(tmp_path / "a.png")
    lazy = PIL.Image.open(tmp_path / "a.png")
    described = model.describe([lazy] * 8, parallelism=4)
    assert np.allclose(described, described[0], atol=EPSILON)
    lazy.close()
    closed = PIL.Image.open(tmp_path / "a.png")
    closed.close()
    with pytest.raises(GlrError, match=r"images\[0\] cannot be read"):
        model.describe([closed])


def test_a_study_names_a_run_even_beside_a_folder_of_the_name(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path)
    assert glr.load("one", **store(trained)).run_id == glr.load("one", study="pair", **store(trained)).run_id


def test_a_descriptor_that_is_not_finite_is_refused(tmp_path: Path):
    inputs = keras.Input((6, 6, 3))
    logs = keras.layers.Activation("log_softmax")(keras.layers.Rescaling(1e38)(keras.layers.Flatten()(inputs)))
    keras.Model(inputs, keras.layers.Rescaling(1e38)(logs)).save(tmp_path / "wild.keras")
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    with pytest.raises(GlrError, match="image 0: its descriptor holds NaN or infinity"):
        glr.load(tmp_path / "wild.keras").describe([image])


def saved(folder: Path) -> Path:
    """An export's folder, whose model gives the mean colour."""
    module = tf.Module()
    spec = [tf.TensorSpec([None, None, 3], tf.uint8, "input_image")]
    mean = tf.function(
        lambda input_image: {"global_descriptor": tf.reduce_mean(tf.cast(input_image, tf.float32), [0, 1])}, spec
    )
    module.mean = mean
    tf.saved_model.save(module, str(folder / "saved_model"), signatures={"serving_default": mean})
    return folder


def test_an_exports_folder_and_a_keras_file_are_loaded(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    expected = image.mean((0, 1)) / np.linalg.norm(image.mean((0, 1)))
    assert np.allclose(glr.load(saved(tmp_path / "export")).describe([image]), [expected], atol=1e-6)

    inputs = keras.Input((6, 6, 3), dtype="uint8")
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(inputs)))
    network.save(tmp_path / "mean.keras")
    loaded = glr.load(tmp_path / "mean.keras")
    assert np.allclose(loaded.describe([image, image]), [expected, expected], atol=1e-6)
    assert loaded.run_id is None
    renamed = (tmp_path / "mean.keras").rename(tmp_path / "renamed.keras")
    assert glr.load(renamed).fingerprint == loaded.fingerprint  # a renamed file is the same model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("three",), "there is no run with the id or the name three"),
        (("lost.keras",), "model=lost.keras: no such file"),
        (("lost.zip",), "model=lost.zip: no such file"),
        (("lost.zip", "pair"), "there is no run with the id or the name pair/lost.zip"),
        (("",), "give run=NAME"),
    ],
)
def test_what_cannot_be_loaded_is_named(trained: Path, arguments: tuple[str, ...], message: str):
    with pytest.raises(GlrError, match=message):
        glr.load(*arguments, **store(trained))


def test_a_folder_without_a_saved_model_is_named(trained: Path, tmp_path: Path):
    with pytest.raises(GlrError, match=r"no run .*; the file or folder .* holds no SavedModel and is no \.keras file$"):
        glr.load(tmp_path, **store(trained))

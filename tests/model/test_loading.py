"""A past run's model is rebuilt from its config and weights; a sentence names what this version does not know."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from glr.config.check import composed
from glr.config.values import ModelPart
from glr.errors import GlrError
from glr.model import loading
from glr.model.loading import build_model, load_model, read_config
from glr.model.network import RetrievalModel
from glr.model.weights import load_weights

SMALL = ["backbone=small_cnn", "backbone.width=4", "head=arcface", "pooling=gem"]
SMALL += ["model.embedding_size=6", "data.image_size=16"]
CLASSES = 5
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def _policy() -> Iterator[None]:
    yield
    keras.mixed_precision.set_global_policy("float32")


def config(*overrides: str) -> DictConfig:
    return composed("train", [*SMALL, *overrides])[0]


def stored(folder: Path, text: str) -> Path:
    (folder / "config.yaml").write_text(text)
    return folder / "config.yaml"


def test_a_config_from_before_its_classes_moved(tmp_path: Path):
    now = config()
    text = OmegaConf.to_yaml(now, resolve=True)
    before = text.replace("glr.model.head.arcface.ArcFace", "glr.losses.ArcFace").replace("glr.model.", "glr.nets.")
    assert before != text
    read = read_config(stored(tmp_path, before))
    assert OmegaConf.to_yaml(read) == text
    assert read.train.precision == now.train.precision  # values have the schema's types and are not text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs:", "epoch:"), r"was written by another version of glr \(Key 'epoch' not in .*\); use that one$"),
        (
            ("glr.model.head.arcface.ArcFace", "glr.x.ArkFace"),
            r": head: this version of glr has no class ArkFace there",
        ),
    ],
)
def test_what_this_version_does_not_know(tmp_path: Path, change: tuple[str, str], sentence: str):
    file = stored(tmp_path, OmegaConf.to_yaml(config(), resolve=True).replace(*change))
    with pytest.raises(GlrError, match=f"^{file}.*{sentence}"):
        read_config(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RetrievalModel, Path]:
    """A model whose weights are all at random, and their file."""
    model, rng = build_model(config(), CLASSES, 16), np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape))
    file = tmp_path_factory.mktemp("trained") / "x.weights.h5"
    model.save_weights(file)
    return model, file


def test_the_model_describes_as_before(trained: tuple[RetrievalModel, Path]):
    expected = trained[0].describe(IMAGES)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(load_model(config(), CLASSES, trained[1]).describe(IMAGES), expected)
    any_size = load_model(config(), CLASSES, trained[1], any_size=True)
    assert any_size.image_size is None
    np.testing.assert_allclose(any_size.describe(IMAGES), expected, rtol=1e-5)
    assert any_size.describe(np.zeros((1, 40, 24, 3), np.uint8)).shape == (1, 6)


def test_a_config_names_all_that_the_model_is_made_of():
    model = build_model(config("train.precision=mixed_bfloat16", "model.batchnorm=synchronised"), CLASSES, 16)
    assert model.network.get_layer("conv0").compute_dtype == "bfloat16"
    assert {norm.synchronized for norm in model.batch_norms()} == {True}
    assert model.network.get_layer("embedding_norm").momentum == config().model.batchnorm_momentum
    assert (model.normalization, model.head.kernel.shape) == ("minus_one_one", (6, CLASSES))


@pytest.mark.parametrize("other", ["backbone.width=8", "model.embedding_size=7"])
def test_weights_of_another_model(trained: tuple[RetrievalModel, Path], other: str):
    with pytest.raises(GlrError, match=rf"^{trained[1]} does not hold weights of this model: .+\(.+\)$"):
        load_model(config(other), CLASSES, trained[1])


def test_what_holds_no_weights(trained: tuple[RetrievalModel, Path], tmp_path: Path):
    (tmp_path / "text.weights.h5").write_text("no weights")
    for name in ("text", "missing"):
        with pytest.raises(GlrError, match=rf"{name}\.weights\.h5 does not hold weights of this model \(.+\)$"):
            load_weights(trained[0], tmp_path / f"{name}.weights.h5")


@pytest.mark.parametrize(("before", "now"), [("null", None), ("a_run", "a_run")])
def test_init_from_of_before_it_had_settings(tmp_path: Path, before: str, now: str | None):
    text = OmegaConf.to_yaml(config(), resolve=True)
    stored_text = re.sub(r"init_from:\n(  .*\n)+", f"init_from: {before}\n", text)
    assert stored_text != text
    read = read_config(stored(tmp_path, stored_text)).init_from
    assert (read.run, read.file, read.strict) == (now, None, False)
    assert set(read.parts) == set(ModelPart)


def test_settings_that_were_added_since_have_the_values_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before: Any = OmegaConf.to_container(config(), resolve=True, enum_to_str=True)
    del before["head"]["margin"], before["train"]["on_nan"]
    file = stored(tmp_path, OmegaConf.to_yaml(OmegaConf.create(before)))
    with pytest.raises(GlrError, match=r"head\.margin is missing"):
        read_config(file)
    monkeypatch.setattr(loading, "ADDED", {"head.margin": 0.25, "head.easy": True, "train.on_nan": "skip_batch"})
    read = read_config(file)
    assert (read.head.margin, read.train.on_nan.value) == (0.25, "skip_batch")
    assert "easy" not in read.head  # an argument of another head


def test_a_group_that_was_added_since_has_the_component_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before: Any = OmegaConf.to_container(config("pooling=gem"), resolve=True, enum_to_str=True)
    del before["pooling"]
    file = stored(tmp_path, OmegaConf.to_yaml(OmegaConf.create(before)))
    monkeypatch.setattr(
        loading, "ADDED", {"pooling": "GeM", "pooling.p": 2, "pooling.learnable": True, "pooling.floor": 0}
    )
    read = read_config(file)
    assert read.pooling._target_ == config("pooling=gem").pooling._target_
    assert (read.pooling.p, read.pooling.learnable) == (2, True)


def test_a_null_that_was_stored_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = stored(tmp_path, OmegaConf.to_yaml(config("evaluate.every=null"), resolve=True))
    monkeypatch.setattr(loading, "ADDED", {"evaluate.every": 1})
    assert read_config(file).evaluate.every is None

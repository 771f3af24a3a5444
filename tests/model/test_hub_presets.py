"""Weights of KerasHub's networks: presets, positions at another image size, and what does not fit."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr.errors import GlrError
from glr.model.hub import KerasHub, interpolated
from glr.model.weights import load_parts
from tests.model.hub_networks import DINO, REST, SMALL, VIT, images, keras_hub, model_of


def test_presets_load_and_positions_are_interpolated(tmp_path: Path):
    """At another size the network is KerasHub's own, which interpolates DINOv2's positions itself."""
    kind = keras_hub.models.DINOV2Backbone
    shapes = {"image_shape": (32, 32, 3), "position_embedding_shape": (32, 32, 3)}
    kind(**SMALL["DINOV2Backbone"], **shapes).save_to_preset(tmp_path / "preset")
    pixels = np.random.default_rng(0).normal(size=(1, 48, 48, 3)).astype(np.float32)
    for size in (32, 48, 16):
        ours = KerasHub(**DINO | {"weights": str(tmp_path / "preset")}, image_size=size)
        theirs = kind.from_preset(str(tmp_path / "preset"), image_shape=(size, size, 3))
        tokens = theirs({"images": pixels[:, :size, :size]}).numpy()
        maps, token = ours(pixels[:, :size, :size])
        np.testing.assert_allclose(token, tokens[:, 0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.reshape(maps, tokens[:, 1:].shape), tokens[:, 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [VIT, DINO])
def test_weights_of_a_run_load_at_another_image_size(tmp_path: Path, settings: dict[str, Any]):
    before, after = KerasHub(**settings, image_size=32), KerasHub(**settings, image_size=48)
    source, file = model_of(before), tmp_path / "run.weights.h5"
    for weight in source.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    source.save_weights(file)
    assert load_parts(model_of(after), file, ["backbone"], strict=True).startswith("took backbone (")
    changed = 0
    for theirs, ours in zip(before.weights, after.weights, strict=True):
        value = np.array(theirs)
        if theirs.shape != ours.shape:
            assert "position_embedding" in ours.path
            value, changed = interpolated(value, ours.shape[-2]), changed + 1
        np.testing.assert_array_equal(np.array(ours), value)
    assert changed


def test_the_vision_tower_of_a_preset_of_images_and_texts(tmp_path: Path):
    models, settings = keras_hub.models, SMALL["SigLIPVisionEncoder"]
    tower = models.SigLIPVisionEncoder(**settings, image_shape=(16, 16, 3), name="v")
    text = models.SigLIPTextEncoder(9, 8, 16, 1, 2, 32, max_sequence_length=4, name="t")
    models.SigLIPBackbone(tower, text, projection_dim=16).save_to_preset(tmp_path)
    ours = KerasHub(
        network="SigLIPVisionEncoder", architecture=settings, **REST | {"weights": str(tmp_path)}, image_size=16
    )
    pixels = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(pixels)[1], tower({"images": pixels}), rtol=1e-5, atol=1e-6)


def test_interpolation_keeps_class_tokens_and_linear_ramps():
    ramp = np.linspace(0, 1, 8, dtype=np.float32)
    grid = np.tile(ramp[None, :, None], (8, 1, 1))  # rises along each row
    positions = np.concatenate([np.full((1, 1), 7.0, np.float32), grid.reshape(64, 1)])
    new = interpolated(positions, 1 + 16**2)
    assert new.shape == (257, 1)
    assert new[0, 0] == 7.0
    # Pixel centres: position i of 16 lies at (i + 1/2) / 2 - 1/2 of 8. Edges have no neighbour to continue the ramp.
    expected = ((np.arange(16) + 0.5) / 2 - 0.5) / 7
    np.testing.assert_allclose(new[1:].reshape(16, 16)[8, 3:13], expected[3:13], atol=1e-5)
    np.testing.assert_array_equal(interpolated(positions, 65), positions)


def test_trained_positions_of_dinov2_are_stored(tmp_path: Path):
    """KerasHub itself forgets them if their sum has grown."""
    one, two = (model_of(KerasHub(**DINO, image_size=16)) for _ in range(2))
    position = next(w for w in one.variables if "interpolated" in w.path)
    position.assign(position + 1.0)
    one.save_weights(tmp_path / "a.weights.h5")
    two.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(one.describe(images(16)), two.describe(images(16)))


def test_a_preset_of_another_architecture_is_refused(tmp_path: Path):
    keras_hub.models.ViTBackbone(**VIT["architecture"] | {"mlp_dim": 8}, image_shape=(16, 16, 3)).save_to_preset(
        tmp_path
    )
    with pytest.raises(
        ValueError, match=r"/mlp/dense_1/kernel has the shape \[16, 8\], in this architecture \[16, 32\]"
    ):
        KerasHub(**VIT | {"weights": str(tmp_path)}, image_size=16)
    with pytest.raises(ValueError, match=r"is a ViTBackbone of .* this DINOV2Backbone has "):
        KerasHub(**DINO | {"weights": str(tmp_path)}, image_size=16)


def test_without_a_network_or_the_extra_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    with pytest.raises(
        GlrError, match=r"^backbone\.weights=dinov2_small: the preset could not be fetched \(.*\); connect"
    ):
        KerasHub(**DINO | {"weights": "dinov2_small"}, image_size=16)

    def without_network(preset: str, path: str) -> str:
        raise FileNotFoundError(f"`{path}` doesn't exist in preset directory `{preset}`.")

    # As KerasHub reports Hugging Face without a network, and gated presets.
    monkeypatch.setattr(sys.modules["keras_hub.src.utils.preset_utils"], "get_file", without_network)
    with pytest.raises(GlrError, match=r"^backbone\.weights=hf://a/b: the preset could not be fetched \(.*\); connect"):
        KerasHub(**DINO | {"weights": "hf://a/b"}, image_size=16)
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(GlrError, match=r"^this backbone needs KerasHub, which is not installed; pip install "):
        KerasHub(**VIT, image_size=16)

"""KerasHub's networks: each choice makes a step; maps, class tokens, presets and positions are right."""

import inspect
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.component import build
from glr.config.installation import CONF
from glr.errors import GlrError
from glr.model.backbone import SmallCNN
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.hub import KerasHub, interpolated
from glr.model.network import SCALES, RetrievalModel
from glr.model.parts import depths
from glr.model.pooling import ClassToken, ClassTokenGeM, GeM
from glr.model.weights import load_parts
from glr.optim.optimizer import decay_kernels_only
from glr.optim.regularization import Unregularized
from glr.optim.schedule import Constant
from glr.train.step import TrainStep

keras_hub = pytest.importorskip("keras_hub")

CHOICES = sorted(f.stem for f in (CONF / "backbone").glob("*.yaml") if "KerasHub" in f.read_text())
# What makes each class small; other arguments stay as conf/ gives them.
_VIT = {"num_layers": 2, "hidden_dim": 16, "num_heads": 2, "patch_size": 8}
SMALL: dict[str, dict[str, Any]] = {
    "ViTBackbone": _VIT | {"mlp_dim": 32},
    "DINOV2Backbone": _VIT | {"intermediate_dim": 32},
    "DINOV3Backbone": _VIT | {"intermediate_dim": 32},
    "CLIPVisionEncoder": _VIT | {"intermediate_dim": 32},
    "SigLIPVisionEncoder": _VIT | {"intermediate_dim": 32},
    "SwinTransformerBackbone": {"embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 2},
    "ResNetBackbone": {
        "stackwise_num_filters": [64, 64],
        "stackwise_num_blocks": [1, 1],
        "stackwise_num_strides": [1, 2],
    },
}
FAMILIES = {OmegaConf.load(CONF / f"backbone/{name}.yaml").network: name for name in reversed(CHOICES)}
REST = {"weights": None, "trainable": "all", "batchnorm_momentum": None}
VIT = {"network": "ViTBackbone", "architecture": SMALL["ViTBackbone"], **REST}
DINO = {"network": "DINOV2Backbone", "architecture": SMALL["DINOV2Backbone"] | {"use_mask_token": False}, **REST}


def small(name: str, size: int = 16, **changed: object) -> keras.Model:
    config: Any = OmegaConf.merge(OmegaConf.load(CONF / f"backbone/{name}.yaml"), {"weights": None}, changed)
    config.architecture.update(SMALL[config.network])
    return build(config, image_size=size)


def model_of(backbone: keras.Model, pooling: keras.layers.Layer | None = None) -> RetrievalModel:
    return RetrievalModel(
        backbone,
        pooling or GeM(p=3.0, learnable=True, floor=1e-6),
        NormSoftmax(num_classes=5, scale=10.0),
        embedding_size=8,
        batchnorm_momentum=0.9,
        normalization="imagenet",
    )


def images(size: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.uint8))


@pytest.mark.parametrize("name", FAMILIES.values())
def test_each_family_takes_a_training_step(name: str, monkeypatch: pytest.MonkeyPatch):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        model = model_of(small(name))
        step = TrainStep(model, keras.optimizers.SGD(0.1), Constant(peak=0.1), Unregularized(), strategy, 2)
    monkeypatch.setattr(step, "_compiled", step._one)  # eager: tracing takes longer than one step
    before = [weight.numpy() for weight in model.trainable_variables]
    batch = images(16), tf.constant([1, 4]), tf.tile(tf.eye(3, 4)[tf.newaxis], (2, 1, 1))
    assert np.isfinite(step(batch).numpy()).all()
    changed = {w.path for w, old in zip(model.trainable_variables, before, strict=True) if np.any(w.numpy() != old)}
    assert len(changed) > 0.7 * len(before)  # the step changes kernels from the pixels on; relu may silence a few
    assert model.network.trainable_variables[0].path in changed or "token" in model.network.trainable_variables[0].path
    assert model.describe(images(16)).shape == (2, 8)
    keras.backend.clear_session()


def params(name: str) -> int:
    config: Any = OmegaConf.load(CONF / f"backbone/{name}.yaml")
    preset = getattr(keras_hub.models, config.network).presets.get(config.weights)
    return preset["metadata"]["params"] if preset and "num_layers" in config.architecture else 0


@pytest.mark.parametrize("name", [name for name in CHOICES if params(name)])
def test_a_choice_has_the_size_of_its_preset(name: str):
    """Parameters are linear in the number of blocks. KerasHub's table rounds DINOv3's to two digits."""
    config: Any = OmegaConf.load(CONF / f"backbone/{name}.yaml")
    size, blocks = int(config.weights.split("_")[-2]) if "vit_" in name else 518, config.architecture.num_layers
    if "use_mask_token" in config.architecture:
        config.architecture.use_mask_token = True  # presets have it, glr does not train it
    counts = []
    for config.architecture.num_layers in (1, 2):
        network = getattr(keras_hub.models, config.network)(**config.architecture, image_shape=(size, size, 3))
        counts.append(sum(int(np.prod(weight.shape)) for weight in network.weights))
    count = counts[0] + (blocks - 1) * (counts[1] - counts[0])
    assert count == pytest.approx(params(name), rel=0.012 if "dinov3" in name else 0)


def test_each_choice_names_a_preset_and_arguments_that_exist():
    for name in CHOICES:
        config: Any = OmegaConf.load(CONF / f"backbone/{name}.yaml")
        kind = getattr(keras_hub.models, config.network)
        assert set(config.architecture) <= set(inspect.signature(kind).parameters), name
        presets = {*keras_hub.models.CLIPBackbone.presets, *keras_hub.models.SigLIPBackbone.presets, *kind.presets}
        assert config.weights is None or config.weights in presets, name
        assert config.expects in SCALES, name


def test_tokens_become_a_map_in_the_order_of_the_patches():
    backbone = small("dinov2_registers_small", 24)
    pixels = np.random.default_rng(1).normal(size=(2, 24, 24, 3)).astype(np.float32)
    maps, token = backbone(pixels)
    tokens = keras.Model(backbone.input, backbone.get_layer("dinov2backbone_layernorm").output)(pixels).numpy()
    assert tokens.shape == (2, 1 + 4 + 9, 16)  # class, registers, patches
    np.testing.assert_array_equal(token, tokens[:, 0])
    for row in range(3):
        for column in range(3):
            np.testing.assert_array_equal(maps[:, row, column], tokens[:, 5 + 3 * row + column])


@pytest.mark.parametrize(("name", "shape"), [("siglip_base", (2, 2, 2, 16)), ("swin_tiny", (2, 2, 2, 16))])
def test_maps_of_networks_without_a_class_token(name: str, shape: tuple[int, ...]):
    backbone = small(name)
    outputs = backbone(np.zeros((2, 16, 16, 3), np.float32))
    assert (outputs[0] if name == "siglip_base" else outputs).shape == shape
    assert (outputs[1].shape == (2, 16)) if name == "siglip_base" else True


def test_class_token_as_pooling():
    backbone = KerasHub(**VIT, image_size=16)
    model = model_of(backbone, ClassToken())
    assert model.network.get_layer("embedding").kernel.shape == (16, 8)
    assert isinstance(model.pooling(), ClassToken)
    assert model_of(backbone, ClassTokenGeM(p=3.0, learnable=True, floor=1e-6)).describe(images(16)).shape == (2, 8)
    without = SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=None, image_size=16)
    with pytest.raises(GlrError, match=r"^pooling: small_cnn has no class token for ClassToken; give pooling=gem$"):
        model_of(without, ClassToken())


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


def test_freezing_by_block():
    backbone = KerasHub(**VIT | {"trainable": "vit_encoder/transformer_block_2"}, image_size=16)
    trained = {w.path.rpartition("/")[0] for w in backbone.trainable_variables}
    assert trained
    assert all(path.startswith(("vit_encoder/transformer_block_2", "vit_encoder/ln")) for path in trained)
    encoder = KerasHub(**VIT | {"trainable": "vit_encoder"}, image_size=16)
    assert {id(w) for w in encoder.trainable_variables} == {id(w) for w in encoder.get_layer("vit_encoder").weights}
    assert not KerasHub(**VIT | {"trainable": "none"}, image_size=16).trainable_variables
    with pytest.raises(ValueError, match=r"^trainable=block: give all, none or one of the layers "):
        KerasHub(**VIT | {"trainable": "block"}, image_size=16)


def test_weights_that_are_no_kernels_do_not_decay():
    for name in FAMILIES.values():
        weights = [*small(name).trainable_variables]
        optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
        decay_kernels_only(optimizer, weights)
        optimizer.build(weights)
        for weight in weights:
            weight.assign(keras.ops.ones(weight.shape))
        optimizer.apply([keras.ops.zeros(weight.shape) for weight in weights], weights)
        shrunk = {weight.name for weight in weights if np.all(weight.numpy() != 1)}
        assert shrunk == {"kernel"}, name
        assert all(np.allclose(weight, 0.95) for weight in weights if weight.name == "kernel")


def test_depths_count_the_blocks():
    expected = {
        "vit_base": ["vit_patching_and_embedding", "/transformer_block_1/", "/transformer_block_2/", "vit_encoder/ln"],
        "clip_base": ["_pre_layer_norm", "_block_0/", "_block_1/", "encoder_layer_norm"],
        "swin_tiny": ["patch_embedding", "stage_0/blocks_0", "stage_1/blocks_0", "embedding_norm/"],
        "dinov3_small": ["_embeddings/", "/layers_0/", "/layers_1/", "_layernorm/"],
        "resnet_vd_50": ["conv1_conv", "stack0_block0_", "stack1_block0_", "embedding"],
    }
    for name, places in expected.items():
        network = model_of(small(name)).network
        known = depths(network)
        assert {*known} == {id(weight) for weight in network.weights}
        for depth, place in enumerate(places):
            assert {known[id(w)] for w in network.weights if place in w.path and w.trainable} == {depth}, (name, place)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"image_size": 20}, r"^data\.image_size=20: ViTBackbone needs a multiple of 8, such as 16 or 24$"),
        ({"image_size": None}, r"^ViTBackbone takes images of one size, without tta"),
        ({"network": "Task"}, r"^network=Task: keras_hub\.models has no such backbone$"),
        ({"architecture": {"layers": 3}}, r"^architecture\.layers: ViTBackbone has attention_dropout, "),
        (
            {"architecture": VIT["architecture"] | {"mlp_dim": {"a": 1}}},
            r"^architecture\.mlp_dim=.*: expected a number",
        ),
        (
            {**DINO, "architecture": DINO["architecture"] | {"drop_path_rate": 0.1}},
            r"^architecture\.drop_path_rate: KerasHub 0\.32 does not drop branches of DINOV2Backbone, ",
        ),
        ({"architecture": VIT["architecture"] | {"patch_size": 0}}, r"^architecture\.patch_size=0: expected a whole"),
        ({"architecture": VIT["architecture"] | {"patch_size": "a"}}, r"^architecture\.patch_size=a: expected a whole"),
        (
            {"architecture": VIT["architecture"] | {"patch_size": [8, 4]}},
            r"^architecture\.patch_size=\[8, 4\]: expected",
        ),
        ({"architecture": {"patch_size": 8}}, r"^architecture: .*missing .* 'num_layers'"),
        ({"weights": "nowhere"}, r"^weights=nowhere: KerasHub has no such preset, and there is no such folder$"),
    ],
)
def test_refusals(changed: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        KerasHub(**{"image_size": 16} | VIT | changed)


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

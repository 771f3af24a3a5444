"""KerasHub's networks: each choice makes a step; maps and class tokens are right, mistakes are refused."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.installation import CONF
from glr.errors import GlrError
from glr.model.backbone import SmallCNN
from glr.model.hub import KerasHub
from glr.model.network import SCALES
from glr.model.parts import depths
from glr.model.pooling import ClassToken, ClassTokenGeM
from glr.optim.optimizer import decay_kernels_only
from glr.optim.regularization import Unregularized
from glr.optim.schedule import Constant
from glr.train.step import TrainStep
from tests.model.hub_networks import CHOICES, DINO, FAMILIES, VIT, images, keras_hub, model_of, small


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


def test_freezing_by_block():
    backbone = KerasHub(**VIT | {"trainable": "vit_encoder/transformer_block_2"}, image_size=16)
    trained = {w.path.rpartition("/")[0] for w in backbone.trainable_variables}
    assert trained
    assert all(path.startswith(("vit_encoder/transformer_block_2", "vit_encoder/ln")) for path in trained)
    encoder = KerasHub(**VIT | {"trainable": "vit_encoder"}, image_size=16)
    assert {id(w) for w in encoder.trainable_variables} == {id(w) for w in encoder.get_layer("vit_encoder").weights}
    assert not KerasHub(**VIT | {"trainable": "none"}, image_size=16).trainable_variables
    with pytest.raises(ValueError, match=r"^trainable=block_9: give all, none or a layer, .* the most alike: .*block"):
        KerasHub(**VIT | {"trainable": "block_9"}, image_size=16)


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
        (
            {"architecture": VIT["architecture"] | {"patch_size": 0}},
            r"^backbone\.architecture\.patch_size=0: expected a whole",
        ),
        (
            {"architecture": VIT["architecture"] | {"patch_size": "a"}},
            r"^backbone\.architecture\.patch_size=a: expected a whole",
        ),
        (
            {"architecture": VIT["architecture"] | {"patch_size": [8, 4]}},
            r"^backbone\.architecture\.patch_size=\[8, 4\]: expected",
        ),
        ({"architecture": {"patch_size": 8}}, r"^architecture: .*missing .* 'num_layers'"),
        ({"weights": "nowhere"}, r"^weights=nowhere: KerasHub has no such preset, and there is no such folder$"),
    ],
)
def test_refusals(changed: dict[str, Any], sentence: str):
    with pytest.raises((ValueError, GlrError), match=sentence):
        KerasHub(**{"image_size": 16} | VIT | changed)

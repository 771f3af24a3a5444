"""Branches are dropped by image, at the rate of their block, in training and in blocks that train alone."""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.errors import GlrError
from glr.model.backbone import SmallCNN
from glr.model.drop_path import drop_paths
from glr.model.parts import configure, parts
from tests.model.hub_networks import FAMILIES, model_of, small

RATE, MANY = 0.6, 400
BLOCKS = {name: {"num_layers": 3} for name in FAMILIES.values() if name.startswith(("vit", "clip", "siglip", "dino"))}
BLOCKS["swin_tiny"] = {"depths": [1, 2], "drop_path": 0.0}
# The layers of each family whose weights make its two branches.
BRANCHES = {"vit": ("/mha/", "/mlp/"), "clip": ("/attention/", "/dense_2/"), "sigl": ("/self_attn/", "/mlp/")}
BRANCHES |= {"dino": ("/attention/", "/mlp/"), "swin": ("/attn/", "/mlp/")}


def made(name: str, **changed: object) -> keras.Model:
    return small(name, architecture=BLOCKS[name], **changed)


def blocks_of(network: keras.Model) -> list[Any]:
    """The blocks, by their names alone."""
    found = [layer for name, layer in parts(network) if any(f"{word}_" in name for word in ("block", "blocks"))]
    return found or [layer for name, layer in parts(network) if "/layers_" in name]


def arguments_of(network: keras.Model, block: Any, images: np.ndarray) -> tuple[Any, dict[str, Any]]:
    """What the network gives one of its blocks, for these images."""
    seen: list[Any] = []
    right = block.call
    block.call = lambda inputs, **options: seen.append((inputs, options)) or right(inputs, **options)
    network(images)
    block.call = right
    options = {name: value for name, value in seen[0][1].items() if name != "training"}
    return seen[0][0], options


def branch(block: Any, inputs: tf.Tensor, options: dict[str, Any], other: str) -> np.ndarray:
    """One residual branch: the block in inference, when the other branch adds 0, less its input."""
    weights = [weight for weight in block.weights if other in weight.path]
    before = [weight.numpy() for weight in weights]
    for weight in weights:
        weight.assign(tf.zeros(weight.shape))
    result = np.array(block(inputs, training=False, **options)) - np.array(inputs)
    for weight, value in zip(weights, before, strict=True):
        weight.assign(value)
    return result


@pytest.mark.parametrize("name", BLOCKS)
def test_each_image_keeps_or_drops_each_branch_of_a_block(name: str):
    keras.utils.set_random_seed(1)
    network = made(name)
    attention, mlp = BRANCHES[name[:4].rstrip("_")]
    images = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    before = keras.tree.map_structure(np.array, network(images, training=False))
    drop_paths(network, RATE)
    blocks = blocks_of(network)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        rate = RATE * number / 2
        keep = 1 - rate
        x, options = arguments_of(network, block, images)
        first = branch(block, x, options, mlp) / keep
        outputs = {
            (False, False): np.array(x),
            (True, False): x + first,
            (False, True): x + branch(block, x, options, attention) / keep,
            (True, True): x + first + branch(block, x + first, options, attention) / keep,
        }
        trained = np.array(block(tf.repeat(x, MANY, axis=0), training=True, **options))
        count = 0
        for kept, expected in outputs.items():
            equal = np.isclose(trained, expected, rtol=1e-4, atol=1e-5).all(axis=(1, 2)).sum()
            share = np.prod([keep if each else rate for each in kept])
            assert abs(equal - MANY * share) <= 4 * np.sqrt(MANY * share * (1 - share)), (number, kept)
            count += equal
        assert count == MANY
    keras.tree.map_structure(np.testing.assert_array_equal, network(images, training=False), before)


def test_convnext_has_one_branch_in_each_block():
    network = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(32, 32, 3))
    configure(network, "convnext_tiny_stage_1_block_0_depthwise_conv", None)
    drop_paths(network, RATE)
    ends = [layer for layer in network.layers if layer.name.endswith("_identity")]
    assert len(ends) == 3 + 3 + 9 + 3
    for number, end in enumerate(ends):
        values = np.array(end(tf.ones((MANY, 1, 1, 2)), training=True))
        rate = RATE * number / 17 if number >= 3 else 0  # the first stage is frozen
        np.testing.assert_array_equal(values[..., 0], values[..., 1])
        assert {*np.unique(values)} <= {np.float32(0), np.float32(1 / (1 - rate))}
        assert abs(np.mean(values == 0) - rate) <= 4 * np.sqrt(rate * (1 - rate) / MANY)
        np.testing.assert_array_equal(end(tf.ones((2, 1, 1, 2)), training=False), 1)


def test_a_frozen_block_is_whole_and_bfloat16_stays():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = made("vit_base", trainable="vit_encoder/transformer_block_3")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    drop_paths(network, RATE)
    _, second, third = blocks_of(network)
    x = tf.random.stateless_normal((MANY, 5, 16), (1, 2), dtype=tf.bfloat16)
    np.testing.assert_array_equal(second(x, training=True), second(x, training=False))
    outputs = third(x, training=True)
    assert outputs.dtype == tf.bfloat16
    whole = np.all(outputs == x, axis=(1, 2)).mean()
    assert whole == pytest.approx(RATE**2, abs=4 * np.sqrt(RATE**2 * (1 - RATE**2) / MANY))


def test_the_weights_file_stays_the_same(tmp_path: Path):
    models = [model_of(made("vit_base")) for _ in range(2)]
    models[1].drop_path_seeds = drop_paths(models[1].network, RATE)
    names: list[list[str]] = []
    for model in models:
        model.save_weights(tmp_path / "a.weights.h5")
        with h5py.File(tmp_path / "a.weights.h5") as file:
            names.append([])
            file.visit(names[-1].append)
    assert names[0] == names[1]
    assert len(models[1].variables) == len(models[0].variables) + 1  # a checkpoint has the seeds


def test_what_would_drop_nothing_is_refused():
    cnn = SmallCNN(width=4, weights=None, trainable="all", batchnorm_momentum=None, image_size=16)
    with pytest.raises(GlrError, match=r"^train\.drop_path=0\.6: this backbone has no blocks that glr knows; give 0$"):
        drop_paths(cnn, RATE)
    with pytest.raises(GlrError, match=r"^train\.drop_path=0\.6: no block after the first one trains; give 0$"):
        drop_paths(made("vit_base", trainable="none"), RATE)
    with pytest.raises(GlrError, match=r"^train\.drop_path=0\.6: this backbone drops branches already; give its own"):
        drop_paths(small("swin_tiny"), RATE)

"""Small networks of KerasHub, one of each family, for tests."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.component import build
from glr.config.installation import CONF
from glr.model.head.norm_softmax import NormSoftmax
from glr.model.network import RetrievalModel
from glr.model.pooling import GeM

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
    config: Any = OmegaConf.load(CONF / f"backbone/{name}.yaml")
    config = OmegaConf.merge(config, {"weights": None, "architecture": SMALL[config.network]}, changed)
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

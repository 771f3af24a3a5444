"""Stochastic depth: in training, each image leaves out some branches of a network's blocks."""

from typing import Any

import keras
import tensorflow as tf

from glr.errors import GlrError
from glr.model.parts import parts

# The last layers of a block's residual branches, by attribute: in Swin, DINOv2 and DINOv3 one layer ends both branches;
# attention and MLP in ViT, CLIP and SigLIP. SigLIP's attention pooling, which has `attention` and `mlp`, is no block.
_ENDS = (("drop_path",), ("mha", "mlp"), ("attention", "dense_2"), ("self_attn", "mlp"))


class DropPath(keras.layers.Layer):
    """In training, set the values of some images to 0 and divide those of the others by the share that is kept.

    The masks are drawn for the global batch, so that they do not depend on the number of replicas.

    Args:
        rate: the share of the images that is dropped, 0 to below 1.
        seeds: the state of the random numbers.
        dtype: the layer's dtype policy.
    """

    def __init__(self, rate: float, seeds: keras.random.SeedGenerator, dtype: Any = None):
        super().__init__(dtype=dtype)
        self.rate = rate
        self.seeds = seeds

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop images of float [B, ...]."""
        if not training:
            return inputs
        count, context = tf.shape(inputs)[0], tf.distribute.get_replica_context()
        drawn: Any = keras.random.uniform((count * context.num_replicas_in_sync,), dtype="float32", seed=self.seeds)
        own = tf.slice(drawn, [context.replica_id_in_sync_group * count], [count])
        factors = tf.where(own < self.rate, 0.0, 1 / (1 - self.rate))
        return inputs * tf.reshape(tf.cast(factors, inputs.dtype), [-1, *[1] * (len(inputs.shape) - 1)])


def drop_paths(network: keras.Model, rate: float) -> keras.random.SeedGenerator:
    """Drop the residual branches of a network's blocks at random, image by image (Huang et al., arXiv:1603.09382).

    The branches of block l of L, counted from 0, are dropped with the probability rate * l / (L - 1), as in timm; each
    branch by itself. A frozen block is never dropped: like a frozen BatchNorm, it computes as in inference.

    Args:
        network: changed in place; blocks of KerasHub's transformers and of Keras's ConvNeXt are known.
        rate: the probability of the last block, above 0 and below 1.

    Returns:
        The state of the random numbers: with it, a continued run drops what it would have dropped.

    Raises:
        GlrError: the network drops branches already, or has no block that would be dropped.
    """
    blocks = [(layer, ends) for _, layer in parts(network) if (ends := _ends(layer))]
    if any(getattr(end, "drop_prob", 0) for _, ends in blocks for end in ends):
        raise GlrError(
            f"train.drop_path={rate}: this backbone drops branches already; give its own setting or this one"
        )
    if not any(layer.trainable for layer, _ in blocks[1:]):
        reason = "no block after the first one trains" if blocks else "this backbone has no blocks that glr knows"
        raise GlrError(f"train.drop_path={rate}: {reason}; give 0")
    seeds = keras.random.SeedGenerator()
    for number, (layer, ends) in enumerate(blocks):
        if number and layer.trainable:
            for end in ends:
                _drop(end, rate * number / (len(blocks) - 1), seeds)
    return seeds


def _ends(layer: Any) -> list[Any]:
    """The last layers of a block's branches; empty if the layer is no block."""
    if type(layer) is keras.layers.Activation and "_block_" in layer.name and layer.name.endswith("_identity"):
        return [layer]  # ConvNeXt's
    known = next((names for names in _ENDS if all(hasattr(layer, name) for name in names)), ())
    return [getattr(layer, name) for name in known]


def _drop(end: Any, rate: float, seeds: keras.random.SeedGenerator) -> None:
    whole, dropped = end.call, DropPath(rate, seeds, end.dtype_policy)
    end.call = lambda *args, **options: dropped(whole(*args, **options))

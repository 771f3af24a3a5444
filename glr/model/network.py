"""The retrieval model: pixels to descriptors, and the head that trains them."""

import keras
import tensorflow as tf

from glr.model.fusion import fuse
from glr.model.pooling import pooled

SCALES = {
    # (offset, scale): (pixel - offset) / scale
    "zero_one": ([0.0] * 3, [255.0] * 3),
    "minus_one_one": ([127.5] * 3, [127.5] * 3),
    "imagenet": ([255 * m for m in (0.485, 0.456, 0.406)], [255 * s for s in (0.229, 0.224, 0.225)]),
    "clip": (
        [255 * m for m in (0.48145466, 0.4578275, 0.40821073)],
        [255 * s for s in (0.26862954, 0.26130258, 0.27577711)],
    ),
}


EMBEDDING = ("embedding", "embedding_norm")  # the names of the layers of the embedding, Dense and BatchNorm


def normalise(images: tf.Tensor, normalization: str) -> tf.Tensor:
    """Scale pixels of 0 to 255 to float32, as one of `SCALES` does; `imagenet` and `clip` name their means and spreads.

    Args:
        images: uint8 or float32 [B, S, S, 3].
        normalization: a key of `SCALES`.
    """
    offset, scale = SCALES[normalization]
    return (tf.cast(images, tf.float32) - tf.constant(offset)) / tf.constant(scale)


def recoloured(images: tf.Tensor, colours: tf.Tensor, normalization: str) -> tf.Tensor:
    """Change the colours of uint8 images [B, S, S, 3], then normalise them, to float32.

    The change acts on the pixels and not on the normalised values: `imagenet` scales each channel by itself, so that a
    turn of the hue there would tint greys. For the same reason one unit of brightness serves all channels.

    Args:
        images: uint8 [B, S, S, 3].
        colours: float32 [B, 3, 4], each image's change (`glr.data.augment.Changes`).
        normalization: a key of `SCALES`.
    """
    unit = sum(SCALES[normalization][1]) / 3
    turned = tf.einsum("bhwc,bdc->bhwd", tf.cast(images, tf.float32), colours[:, :, :3])
    return normalise(turned + unit * colours[:, tf.newaxis, tf.newaxis, :, 3], normalization)


class RetrievalModel(keras.Model):
    """Backbone -> pooling -> Dense (with bias) -> BatchNorm; the normalised output is the descriptor.

    The head, which exists only for training, is part of the model so that its weights are saved with it.

    Args:
        backbone, pooling, head: the built parts. A backbone's outputs are a feature map [B, h, w, C] and, if it has
            one, a class token [B, C].
        embedding_size: D.
        batchnorm_momentum: momentum of the BatchNorm after the embedding.
        normalization: how pixels are normalised, a key of `SCALES`.
        synchronised: in training, every BatchNorm normalises with the statistics of the global batch, not of its
            replica's share.

    Attributes:
        origin: the parts of earlier weights that the model starts from, in words; None: it starts without them.
    """

    def __init__(
        self,
        backbone: keras.Model,
        pooling: keras.layers.Layer,
        head: keras.layers.Layer,
        *,
        embedding_size: int,
        batchnorm_momentum: float,
        normalization: str,
        synchronised: bool = False,
    ):
        super().__init__(name="retrieval_model")
        self.normalization = normalization
        self.origin: str | None = None
        features = pooling(pooled(backbone, pooling))
        embedding = keras.layers.Dense(embedding_size, name=EMBEDDING[0])(features)
        # float32: the descriptor and the head's cosines need it, whatever precision the network runs in.
        norm = keras.layers.BatchNormalization(momentum=batchnorm_momentum, dtype="float32", name=EMBEDDING[1])
        self.network = keras.Model(backbone.input, norm(embedding), name="network")
        for layer in self.batch_norms():
            layer.synchronized = synchronised
        fuse(self.network)
        self.head = head
        self.head.build((None, embedding_size))
        self.built = True

    @property
    def image_size(self) -> int:
        """S: the side of the images that the model takes, pixels."""
        return self.network.input_shape[1]

    def pooling(self) -> keras.layers.Layer:
        """Return the layer before the embedding. It is a method for the reason given in `batch_norms`."""
        layers = self.network.layers
        return layers[[layer.name for layer in layers].index(EMBEDDING[0]) - 1]

    def batch_norms(self) -> list[keras.layers.BatchNormalization]:
        """Return every BatchNorm, of the backbone and after the embedding."""
        # Not a property: Keras would find these layers in it, and save them at another place in the file.
        return [layer for layer in self.network.layers if isinstance(layer, keras.layers.BatchNormalization)]

    def describe(self, images: tf.Tensor) -> tf.Tensor:
        """Descriptors of uint8 images [B, S, S, 3]: float32 [B, D], of length 1."""
        embeddings = self.network(normalise(images, self.normalization), training=False)
        return tf.math.l2_normalize(embeddings, axis=1)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:  # noqa: ARG002 (Keras passes it)
        """Descriptors, as `describe`: Keras's own `predict` calls it."""
        return self.describe(images)

    def losses_of(self, images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The head's losses in training.

        Args:
            images: uint8 [B, S, S, 3].
            labels: int32 [B].
            colours: float32 [B, 3, 4], each image's change of colour; see `recoloured`.

        Returns:
            Losses float32 [B], and bool [B], True if the nearest class is the right one.
        """
        pixels = recoloured(images, colours, self.normalization)
        return self.head(self.network(pixels, training=True), labels)

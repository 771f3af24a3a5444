"""The parts of a network in the order of its layers: freezing, and the depth of each weight."""

import re
from collections.abc import Iterator
from difflib import get_close_matches

import keras

# Transformers hold their blocks in one of these attributes of a layer.
_INNER = ("encoder_layers", "layers", "blocks")
# Other networks have flat layers whose names begin with the name of their block: conv2_block1_1_conv, block1a_dwconv.
# ConvNeXt's downsampling_block_0 is none: it only joins two stages.
_BLOCK = re.compile(r"(?!.*downsampling).*?block_?\d+[a-z]?(?=_|$)")


def configure(network: keras.Model, trainable: str, batchnorm_momentum: float | None) -> keras.Model:
    """Freeze the first parts of a network and set the momentum of its BatchNorms; a frozen BatchNorm never learns.

    Args:
        network: changed in place, and returned.
        trainable: "all", "none", or the name of the first layer that trains, with all its blocks. A block inside a
            layer is named LAYER/BLOCK; the rest of its layer trains with any of its blocks.
        batchnorm_momentum: momentum of every BatchNorm's moving averages; None keeps the published value.

    Raises:
        ValueError: the network has no such layer.
    """
    layers = list(parts(network))
    names = [name for name, _ in layers]
    if trainable not in {"all", "none", *names}:
        near = ", ".join(get_close_matches(trainable, names, n=3, cutoff=0))
        raise ValueError(
            f"trainable={trainable}: give all, none or a layer, from {names[0]} to {names[-1]}; the most alike: {near}"
        )
    first = {"all": 0, "none": len(names)}.get(trainable)
    if first is None:
        first = [name if name == trainable else name.rpartition("/")[0] for name in names].index(trainable)
    for position, (_, layer) in enumerate(layers):
        # A layer comes after its blocks and would free them again.
        if position < first or not _inner(layer):
            layer.trainable = position >= first
    for layer in network.layers:
        if batchnorm_momentum is not None and isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batchnorm_momentum
    return network


def depths(network: keras.Model) -> dict[int, int]:
    """Count the blocks below each weight of a network, for rates that fall with the distance from the output.

    Weights before the first block have depth 0, those of block k and up to the next one depth k, and those after the
    last block L + 1, as in BEiT (Bao et al., arXiv:2106.08254).

    Returns:
        The depth of each weight by its `id`; empty if the network has no blocks, or if most weights before the last
        one are in layers that do not name their block, as in InceptionResNetV2.
    """
    blocks: list[str] = []
    places: dict[int, tuple[int, bool]] = {}
    for name, layer in parts(network):
        flat = _BLOCK.match(name)
        block = name if "/" in name else flat[0] if flat else None
        if block is not None and block not in blocks:
            blocks.append(block)
        for weight in layer.weights:
            places.setdefault(id(weight), (len(blocks), block is None))
    last = len(blocks)
    unnamed = sum(outside for count, outside in places.values() if count < last)
    if unnamed > sum(not outside for _, outside in places.values()):
        return {}
    return {key: last + 1 if outside and count == last else count for key, (count, outside) in places.items() if last}


def _inner(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    if isinstance(layer, keras.Model):  # such as ConvNeXt's stem, a sequence of layers
        return []
    return next((list(inner) for name in _INNER if (inner := getattr(layer, name, None))), [])


def parts(network: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield each layer with its name, after the blocks inside it."""
    for layer in network.layers:
        for block in _inner(layer):
            yield f"{layer.name}/{block.name}", block
        yield layer.name, layer

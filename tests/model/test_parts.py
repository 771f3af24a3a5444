"""Blocks are told apart in the networks of Keras Applications; tests of KerasHub's are in test_hub.py."""

import keras
import pytest

from glr.config.combinations import _WITHOUT_BLOCKS
from glr.model.parts import depths


def test_joints_and_the_stem_of_a_convnext_are_no_blocks():
    network = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(32, 32, 3))
    known = depths(network)

    def depth(name: str) -> set[int]:
        return {known[id(weight)] for weight in network.get_layer(f"convnext_tiny_{name}").weights}

    assert {*known.values()} == {*range(3 + 3 + 9 + 3 + 2)}
    assert depth("stem") == {0}
    assert depth("stage_0_block_0_depthwise_conv") == {1}
    assert depth("stage_0_block_2_depthwise_conv") == depth("downsampling_block_0") == {3}
    assert depth("stage_3_block_2_depthwise_conv") == {18}
    assert {known[id(weight)] for weight in network.layers[-1].weights} == {19}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("application", "blocks"),
    [("InceptionResNetV2", 0), ("InceptionV3", 0), ("MobileNetV3Small", 0), ("MobileNetV2", 16)],
)
def test_networks_whose_layers_do_not_name_their_blocks_have_none(application: str, blocks: int):
    """The config's check knows them by these names. Only the last layer of each block of InceptionResNetV2 names it."""
    constructor = getattr(keras.applications, application)
    known = depths(constructor(include_top=False, weights=None, input_shape=(75, 75, 3)))
    assert max(known.values(), default=-1) == (blocks + 1 if blocks else -1)
    assert application.startswith(_WITHOUT_BLOCKS) == (not blocks)

"""The feed: every replica gets its part of the pipeline's batch, and errors come through whole."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.data.augment import Study
from glr.data.pipeline import TrainPipeline
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.train.feed import Feed
from tests.processes.forks import Forks

STUDY = {"flip": 0.5, "brightness": 0.2, "hue": 0.2, "rotation": 15.0, "shear": 5.0, "zoom": 0.1, "shift": 0.04}
SETTINGS = {"image_size": 24, "batch_size": 12, "seed": 5, "shuffle_buffer": 16, "parallelism": 2}


def made(path: str) -> TrainPipeline:
    return TrainPipeline(PreparedData(path), Study(**STUDY), **SETTINGS)


def test_the_batches_are_the_pipelines(small_data: PreparedData):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    fed = list(Feed(made(small_data.path), strategy, 2, 9))
    expected = list(made(small_data.path).batches(2, 9))
    assert len(fed) == len(expected) == 7
    for (batch, steps), wanted in zip(fed, expected, strict=True):
        assert steps == 1
        for values, array in zip(batch, wanted, strict=True):
            np.testing.assert_array_equal(values.numpy(), array)


def test_stacks_of_batches_end_with_their_epoch(small_data: PreparedData):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    fed = list(Feed(made(small_data.path), strategy, 1, 16, steps_per_call=4))
    assert [steps for _, steps in fed] == [4, 1, 4, 2, 4]  # an epoch has 6
    expected = list(made(small_data.path).batches(1, 16))
    first = 0
    for stacks, steps in fed:
        assert {len(stack) for stack in stacks} == {4}
        for number, batch in enumerate(expected[first : first + steps]):
            for stack, array in zip(stacks, batch, strict=True):
                np.testing.assert_array_equal(stack[number].numpy(), array)
        first += steps


PROGRAM = """
import sys
import numpy as np
import tensorflow as tf
from glr.devices import strategy
from glr.train.feed import Feed
from tests.train.test_feed import made
replicas = strategy.cpu(3)
whole = list(made(sys.argv[1]).batches(1, 8))
for (batch, _), wanted in zip(Feed(made(sys.argv[1]), replicas, 1, 8), whole, strict=True):
    for values, array in zip(batch, wanted, strict=True):
        parts = replicas.experimental_local_results(values)
        assert len(parts) == 3
        assert [part.device[-1] for part in parts] == ["0", "1", "2"]
        np.testing.assert_array_equal(np.concatenate([part.numpy() for part in parts]), array)
print("same")
"""


@pytest.mark.slow
def test_replicas_share_the_same_batch(processes: Forks, small_data: PreparedData, tmp_path: Path):
    done = processes.output(PROGRAM, str(small_data.path), command="-c", cwd=tmp_path)
    assert done.stdout.strip() == "same", done.stderr


def test_an_error_of_the_pipeline_comes_through(small_data: PreparedData):
    pipeline = made(small_data.path)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    pipeline._shards[1] = pipeline._shards[1].__class__(**{**vars(pipeline._shards[1]), "file": "gone.tfrec"})
    with pytest.raises(GlrError, match=r"gone\.tfrec"):
        list(Feed(pipeline, strategy, 0, 6))
